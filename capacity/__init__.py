"""Estimates the requests, units, quotas and monthly cost of a population of players."""

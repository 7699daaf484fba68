"""Benchmarks: what the service costs, compared with what one would write without it."""

"""Mirrors insights/."""

"""Mirrors the modules; plus races, bad input, the browsable API and the local server."""

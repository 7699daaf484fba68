"""Tests of `deploy/releases/`."""

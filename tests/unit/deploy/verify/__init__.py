"""Tests of `deploy/verify/`."""

"""Tests of the modules of `streams.rules`."""

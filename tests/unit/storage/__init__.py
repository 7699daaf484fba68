"""Tests of the modules of `streams.storage` that need no engine."""

"""Tests of the modules of `streams.dynamodb`."""

"""Tests of `streams_project`."""

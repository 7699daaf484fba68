"""Unit tests of reporting/."""

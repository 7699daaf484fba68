"""Unit tests of insights/."""

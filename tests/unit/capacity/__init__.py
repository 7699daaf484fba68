"""Unit tests of capacity/."""

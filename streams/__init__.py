"""Concurrent-stream limits: how many streams a user may watch at once, enforced."""

__version__ = "1.0.0"

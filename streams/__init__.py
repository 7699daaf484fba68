"""Concurrent-stream limits: how many streams a user may watch at once, enforced."""

"""Faults between the service and a real engine, and histories that are checked."""

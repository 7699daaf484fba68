"""Tests by what they run: units, the engine, HTTP, faults, and the whole product."""

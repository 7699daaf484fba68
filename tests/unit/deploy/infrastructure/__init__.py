"""Tests of deploy.infrastructure."""

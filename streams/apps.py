"""The Django app."""

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    """Concurrent-stream limits."""

    name = "streams"

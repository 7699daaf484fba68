"""The Django app."""

from typing import override

from django.apps import AppConfig
from django.core import cache, signals
from django.db import close_old_connections, reset_queries


class StreamsConfig(AppConfig):
    """Concurrent-stream limits."""

    name = "streams"

    @override
    def import_models(self) -> None:
        """Django has no models here: `models.py` is PynamoDB's, and loaded by what needs the table as a whole."""
        self.models = {}

    @override
    def ready(self) -> None:
        """There is no database and no cache, so nothing to look after at the start and the end of each request."""
        signals.request_started.disconnect(reset_queries)
        signals.request_started.disconnect(close_old_connections)
        signals.request_finished.disconnect(close_old_connections)
        signals.request_finished.disconnect(cache.close_caches)

"""The Django app."""

from typing import override

from django.apps import AppConfig

from streams import setting_checks
from streams.conf import settings


class StreamsConfig(AppConfig):
    """Concurrent-stream limits."""

    name = "streams"

    @override
    def ready(self) -> None:
        """Refuse to start with invalid settings. Calls only read attributes then."""
        setting_checks.check(settings)

"""Figures in sentences, taken from the constants and settings of the code.

They appear in any page as `<!-- generated: NAME -->…<!-- end -->`.
"""

from collections.abc import Callable

from docs import markers
from streams.conf import settings
from streams.dynamodb import calls
from streams.rules import history
from streams.storage import store


def passages() -> markers.Passages:
    """Return the figures by the name in their mark."""
    start_rate = settings.PLANS.start_rate

    return {
        "start-burst": _figure(lambda: start_rate.burst),
        "start-interval": _figure(lambda: start_rate.interval_ms / 1000),
        "deadline-seconds": _figure(lambda: settings.DEADLINE_SECONDS),
        "judgement-attempts": _figure(lambda: store.MAX_ATTEMPTS),
        "judgement-backoff-ms": _figure(lambda: store.MAX_BACKOFF_SECONDS * 1000),
        "call-tries": _figure(lambda: calls.MAX_TRIES),
        "throttled-tries": _figure(lambda: calls.MAX_TRIES_WHILE_THROTTLED),
        "failures-to-open": _figure(lambda: calls.FAILURES_TO_OPEN),
        "open-seconds": _figure(lambda: calls.OPEN_SECONDS),
        "ending-bytes": _figure(lambda: history.MAX_ENDINGS_BYTES),
    }


def _figure(read: Callable[[], float]) -> markers.Passage:
    """Return a passage with a number: at most two decimals, no trailing zeros."""
    return lambda: f"{round(read(), 2):g}"

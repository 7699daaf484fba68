"""Figures in sentences, taken from the constants and settings of the code.

They appear in any page as `<!-- generated: NAME -->…<!-- end -->`.
"""

from collections.abc import Callable

from django.conf import settings

from docs import markers
from streams.storage import calls, store


def passages() -> markers.Passages:
    """Return the figures by the name in their mark."""
    return {
        "start-burst": _figure(lambda: settings.PLANS.mint_burst),
        "start-interval": _figure(lambda: settings.PLANS.mint_interval_ms / 1000),
        "deadline-seconds": _figure(lambda: settings.DEADLINE_SECONDS),
        "judgement-attempts": _figure(lambda: store.ATTEMPTS),
        "call-tries": _figure(lambda: calls.TRIES),
        "throttled-tries": _figure(lambda: calls.TRIES_WHILE_THROTTLED),
        "failures-in-a-row": _figure(lambda: calls.FAILURES_IN_A_ROW),
        "open-seconds": _figure(lambda: calls.OPEN_SECONDS),
    }


def _figure(read: Callable[[], float]) -> markers.Passage:
    """Return a passage with a number: at most two decimals, no trailing zeros."""
    return lambda: f"{round(read(), 2):g}"

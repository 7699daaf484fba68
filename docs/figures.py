"""Figures in sentences, taken from the constants and settings of the code.

They appear in any page as `<!-- generated: NAME -->…<!-- end -->`.
"""

from collections.abc import Callable
from pathlib import Path

from deploy.releases.order import CANARY, Facts, longest_lease, plans_of
from docs import markers
from streams.conf import settings
from streams.dynamodb import calls
from streams.rules import history
from streams.storage import store

PLANS = Path(__file__).with_name("plans")


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
        "canary-minutes": _figure(lambda: CANARY.total_seconds() / 60),
        "key-removal": key_removal,
    }


def key_removal() -> str:
    """Return a table of the time after which a key of lease tokens is removed."""
    files = sorted(PLANS.glob("*.toml"))
    plans = {"no plans file": plans_of({})}
    plans |= {
        file.name: plans_of({"PLANS": f"docs/plans/{file.name}"}) for file in files
    }

    rows = []
    for name, each in plans.items():
        lease = longest_lease([Facts(variables={}, plans=each)])
        shown = f"[{name}](plans/{name})" if name.endswith(".toml") else name
        wait_minutes = (lease + CANARY).total_seconds() / 60
        rows.append(
            (shown, f"{lease.total_seconds():g} s", f"{wait_minutes:g} minutes")
        )
    return markers.table(("plans", "longest lease", "a key is removed after"), rows)


def _figure(read: Callable[[], float]) -> markers.Passage:
    """Return a passage with a number: at most two decimals, no trailing zeros."""
    return lambda: f"{round(read(), 2):g}"

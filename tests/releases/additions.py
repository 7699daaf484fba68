"""The differences between releases that are intended, by the other release.

A difference that is not listed here fails `make releases`. Remove an entry when the
release that it names is no longer the previous one.
"""

from collections.abc import Mapping
from typing import Any

from tests.contract.order import Event
from tests.releases.comparison import Addition


def _is_shown_as_stopped(alone: Event, mixed: Event) -> bool:
    """Return whether they differ by a reason that only the next release knows."""
    expected = _with_reason_stopped(alone.answer.facts)
    return bool(expected == _with_reason_stopped(mixed.answer.facts))


def _with_reason_stopped(value: Any, name: str = "") -> Any:
    if name == "reason" and value == "replaced":
        return "stopped"
    if name in ("epoch", "userId"):
        return None
    if isinstance(value, Mapping):
        return {key: _with_reason_stopped(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_reason_stopped(part) for part in value]
    return value


def _renews_a_grace_lease_once_more(alone: Event, mixed: Event) -> bool:
    """Return whether the repeat of a heartbeat extends a lease that it admitted."""
    is_heartbeat = alone.call.verb == "heartbeat"
    are_admitted = alone.answer.status == mixed.answer.status == 200
    return is_heartbeat and are_admitted and not mixed.answer.facts["isGrace"]


def _is_due_before_the_lease_ends(alone: Event, mixed: Event) -> bool:
    """Return whether they differ by the time of the next heartbeat only."""
    expected = _without_due_time(alone.answer.facts)
    return bool(expected == _without_due_time(mixed.answer.facts))


def _without_due_time(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_due_time(part)
            for key, part in value.items()
            if key not in ("isDueInTime", "epoch", "userId")
        }
    if isinstance(value, list):
        return [_without_due_time(part) for part in value]
    return value


ADDITIONS: Mapping[str, list[Addition]] = {
    "next": [Addition("a reason is read as stopped", _is_shown_as_stopped)],
    "previous": [
        Addition(
            "a repeated heartbeat of a grace lease extends it",
            _renews_a_grace_lease_once_more,
        ),
        Addition(
            "a heartbeat is due before the lease ends",
            _is_due_before_the_lease_ends,
        ),
    ],
}

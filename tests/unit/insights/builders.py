"""Builders of recorded events and time-lines. Times are seconds after `AT`."""

from typing import Any

from insights.timeline import Timeline, timeline

AT = 1_800_000_000_000
"""2027-01-15 08:00 UTC"""
LEASE_MS = 60_000
WITH_LEASE = ("admitted", "took-over", "renewed", "revived")


def event(
    kind: str, second: int, id: str | None = None, **fields: Any
) -> dict[str, Any]:
    at = AT + second * 1000
    stream = {} if id is None else {"id": id}
    lease = {"expiresAt": at + LEASE_MS} if kind in WITH_LEASE else {}

    header = {"v": 1, "kind": kind, "at": at}
    return header | stream | lease | fields


def denied(
    second: int, id: str, *holders: tuple[str, int], limit: int = 2, **fields: Any
) -> dict[str, Any]:
    named = [{"id": holder, "expiresAt": AT + end * 1000} for holder, end in holders]
    return event(
        "denied",
        second,
        id,
        limit=limit,
        held=len(named),
        holders=named,
        **fields,
    )


def timeline_of(*events: dict[str, Any], until: int = 600) -> Timeline:
    return timeline(events, since=AT, until=AT + until * 1000)


def seconds(at: int | None) -> int | None:
    """Return an instant in seconds after `AT`."""
    return None if at is None else (at - AT) // 1000


FULL = (
    event("admitted", 0, "tv"),
    event("admitted", 1, "phone"),
    denied(10, "web", ("tv", 60), ("phone", 61)),
)
"""Two streams at a limit of two, and a third that is denied."""

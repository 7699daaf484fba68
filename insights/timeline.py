"""One user's time-line, of events alone: which stream held a slot from when to when, and what was refused meanwhile.

Nothing here reads a clock or a file. Instants are milliseconds since 1970 UTC.

    tv      ├───────────────────────────┤ stopped
    phone         ├──────────┤ expired: its lease ended, nobody stopped it
    tablet               ✗ denied                ├───────▶ plays on
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

type EventOfUser = Mapping[str, Any]

LIVE = "live"
STARTS = ("admitted", "took-over")
RENEWALS = ("renewed", "revived")
ENDS = ("stopped", "ended")
WITHOUT_THE_STORE = "grace-started"
"""A start that DynamoDB did not know of, and then `grace-renewed`, `grace-admitted` or `grace-refused`."""


@dataclass(slots=True, kw_only=True)
class Bar:
    """A playback: from its start (None: before the events that are known; `took_over` where it found its slot held by
    its own id; `is_grace` where DynamoDB did not answer) to its end, and why it ended. Until then its lease lasts to
    `expires_at`, as far as is known."""

    id: str
    device_type: str | None = None
    started_at: int | None
    took_over: bool = False
    is_grace: bool = False
    expires_at: int
    ended_at: int | None = None
    reason: str = LIVE
    by: str | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """When its lease had ended, until a late heartbeat revived it."""

    def spans(self, until: int) -> list[tuple[int, int]]:
        """From when to when it held a slot, `until` where it still does then."""
        firsts = [self.started_at or 0, *(revived for _, revived in self.gaps)]
        lasts = [
            *(expired for expired, _ in self.gaps),
            until if self.ended_at is None else self.ended_at,
        ]
        return list(zip(firsts, lasts, strict=True))

    def is_live(self, at: int) -> bool:
        """Whether it held a slot at this instant."""
        return any(first <= at < last for first, last in self.spans(self.expires_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A start that was denied: who held the slots (`held` of them, of which `holders` are known), and by which limit
    or rule. `possible_at` is when it would have been admitted, as far as events tell, and `freed` the stream that made
    room by then."""

    at: int
    id: str
    device_type: str | None
    holders: tuple[EventOfUser, ...]
    held: int
    limit: int | None
    plan: str | None
    rule: str | None
    request: str | None
    possible_at: int | None = None
    freed: Bar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is known of a user from `since` to `until`: playbacks and refusals, oldest first, and the other events."""

    since: int
    until: int
    bars: tuple[Bar, ...]
    refusals: tuple[Refusal, ...]
    others: tuple[EventOfUser, ...]

    def holders(self, at: int) -> list[Bar]:
        """Who held a slot at this instant."""
        return [bar for bar in self.bars if bar.is_live(at)]


def timeline(events: Iterable[EventOfUser], *, since: int, until: int) -> Timeline:
    """The time-line of one user, of all that is known of them, in the order in which it was decided."""
    ordered = sorted(
        (event for event in events if since <= event["at"] < until),
        key=lambda event: int(event["at"]),
    )
    bars = playbacks(ordered, until=until)
    denials = [
        _refusal(event, bars, until=until)
        for event in ordered
        if event["kind"] == "denied"
    ]
    drawn = (*STARTS, *RENEWALS, *ENDS, "denied")
    others = tuple(event for event in ordered if event["kind"] not in drawn)
    return Timeline(
        since=since,
        until=until,
        bars=tuple(bars),
        refusals=tuple(denials),
        others=others,
    )


def playbacks(events: Iterable[EventOfUser], *, until: int) -> list[Bar]:
    """The playbacks of one user, of events in order. One whose lease ended before `until`, and that nobody stopped, has
    expired: it is a ghost. They come in the order of their starts."""
    bars: list[Bar] = []
    current: dict[str, Bar] = {}

    def seen(id: str, event: EventOfUser, expires_at: int) -> None:
        """A stream that is live now, until `expires_at`: a pause, or its end, may have brought that nearer."""
        if id not in current:
            bar = Bar(
                id=id,
                device_type=event.get("deviceType"),
                started_at=None,
                expires_at=expires_at,
            )
            current[id] = bar
            bars.append(bar)
        current[id].expires_at = expires_at

    for event in events:
        kind, at, id = event["kind"], int(event["at"]), str(event.get("id"))
        if kind in (*STARTS, WITHOUT_THE_STORE):
            if (before := current.pop(id, None)) is not None:
                if kind == "took-over":
                    _end(before, at, "taken-over", by=f"stream {id}")
                else:
                    _end(before, min(at, before.expires_at), "expired")
            bar = Bar(
                id=id,
                device_type=event.get("deviceType"),
                started_at=at,
                expires_at=event["expiresAt"],
            )
            bar.took_over, bar.is_grace = kind == "took-over", kind == WITHOUT_THE_STORE
            current[id] = bar
            bars.append(bar)
        elif kind in (*RENEWALS, "grace-renewed", "grace-admitted"):
            if kind == "revived" and id in current:
                current[id].gaps.append((min(at, current[id].expires_at), at))
            seen(id, event, event["expiresAt"])
        elif kind in (*ENDS, "grace-refused"):
            if id not in current and event["reason"] != "expired":
                seen(id, event, at)
            if (bar_or_none := current.pop(id, None)) is not None:
                is_over = event["reason"] == "expired"
                end = event.get("expiresAt", bar_or_none.expires_at if is_over else at)
                _end(bar_or_none, end, event["reason"], by=event.get("by"))
        elif kind == "denied":
            for holder in event.get("holders", ()):
                seen(holder["id"], holder, holder["expiresAt"])
        elif kind == "forgotten":
            for bar in current.values():
                _end(bar, min(at, bar.expires_at), "forgotten", by=event.get("by"))
            current.clear()
    for bar in current.values():
        if bar.expires_at <= until:
            _end(bar, bar.expires_at, "expired")
    return sorted(bars, key=lambda bar: bar.started_at or 0)


def _end(bar: Bar, at: int, reason: str, *, by: str | None = None) -> None:
    bar.ended_at, bar.reason, bar.by = at, reason, by


def _refusal(event: EventOfUser, bars: list[Bar], *, until: int) -> Refusal:
    limit, at = event.get("limit"), int(event["at"])
    holders = tuple(event.get("holders", ()))
    held = int(event.get("held", len(holders)))
    possible_at, freed = (
        _room(bars, at=at, limit=limit, until=until)
        if "rule" not in event
        else (None, None)
    )
    return Refusal(
        at=at,
        id=event.get("id", "?"),
        device_type=event.get("deviceType"),
        holders=holders,
        held=held,
        limit=limit,
        plan=event.get("plan"),
        rule=event.get("rule"),
        request=event.get("request"),
        possible_at=possible_at,
        freed=freed,
    )


def _room(
    bars: list[Bar], *, at: int, limit: int | None, until: int
) -> tuple[int | None, Bar | None]:
    """The first instant from `at` on at which fewer streams than the limit held a slot, and the one that had just
    ended."""
    if not limit:
        return None, None
    ends = sorted(
        (
            bar
            for bar in bars
            if bar.ended_at is not None and at < bar.ended_at <= until
        ),
        key=_ended_at,
    )
    for bar in ends:
        if sum(other.is_live(_ended_at(bar)) for other in bars) < limit:
            return bar.ended_at, bar
    return None, None


def _ended_at(bar: Bar) -> int:
    return bar.ended_at or 0

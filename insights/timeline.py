"""The time-line of one user: who held a slot when, and which starts were denied.

This module reads neither a clock nor a file. Instants are milliseconds since 1970
UTC.

    tv      ├───────────────────────────┤ stopped
    phone         ├──────────┤ expired: its lease ended without a stop
    tablet               ✗ denied                ├───────▶ still plays
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from insights.kinds import DENIED, ENDS, RENEWALS, STARTS, RecordedEvent
from insights.playbacks import Playback, playbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A start that was denied.

    `held` streams held the slots; `holders` are those that the event names. Events
    tell when the start could have been admitted (`possible_at`), and which playback
    had made room by then (`freed`).
    """

    at: int
    id: str
    device_type: str | None
    device_name: str | None
    holders: tuple[RecordedEvent, ...]
    held: int
    limit: int | None
    plan: str | None
    rule: str | None
    request: str | None
    possible_at: int | None = None
    freed: Playback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Playbacks, denials and other events of a user, oldest first."""

    since: int
    until: int
    playbacks: tuple[Playback, ...]
    denials: tuple[Denial, ...]
    others: tuple[RecordedEvent, ...]

    @property
    def ids(self) -> list[str]:
        """The ids of all streams, in the order of their first appearance."""
        played = [playback.id for playback in self.playbacks]
        denied = [denial.id for denial in self.denials]
        return list(dict.fromkeys([*played, *denied]))

    @property
    def labels(self) -> dict[str, str]:
        """The latest name of each stream's device, or else the stream's id."""
        labels = {id: id for id in self.ids}
        streams: list[Denial | Playback] = [*self.denials, *self.playbacks]
        for stream in streams:
            if stream.device_name:
                labels[stream.id] = stream.device_name
        return labels

    def holders(self, at: int) -> list[Playback]:
        """Return the playbacks that held a slot at an instant."""
        return [playback for playback in self.playbacks if playback.is_live(at)]


def timeline(events: Iterable[RecordedEvent], *, since: int, until: int) -> Timeline:
    """Return the time-line of one user from `since` to before `until`."""
    known = [event for event in events if since <= event["at"] < until]
    known.sort(key=lambda event: int(event["at"]))
    played = playbacks(known, until=until)

    shown = (*STARTS, *RENEWALS, *ENDS, DENIED)
    denials = [event for event in known if event["kind"] == DENIED]
    others = [event for event in known if event["kind"] not in shown]
    return Timeline(
        since=since,
        until=until,
        playbacks=tuple(played),
        denials=tuple(_denial(event, played, until=until) for event in denials),
        others=tuple(others),
    )


def trimmed_timeline(
    events: Sequence[RecordedEvent], *, since: int, until: int
) -> Timeline:
    """Return a time-line that begins shortly before the first event.

    There is at least one event.
    """
    first = min(int(event["at"]) for event in events)
    margin = (until - first) // 20
    return timeline(events, since=max(since, first - margin), until=until)


def _denial(event: RecordedEvent, played: Sequence[Playback], *, until: int) -> Denial:
    at = int(event["at"])
    limit = event.get("limit")
    holders = tuple(event.get("holders", ()))

    # A rule does not count every stream, so only the plan's limit tells when.
    freed = None
    if limit and "rule" not in event:
        freed = _first_with_room(played, at=at, limit=limit, until=until)

    return Denial(
        at=at,
        id=event.get("id", "?"),
        device_type=event.get("deviceType"),
        device_name=event.get("deviceName"),
        holders=holders,
        held=int(event.get("held", len(holders))),
        limit=limit,
        plan=event.get("plan"),
        rule=event.get("rule"),
        request=event.get("request"),
        possible_at=freed.ended_at if freed else None,
        freed=freed,
    )


def _first_with_room(
    played: Sequence[Playback], *, at: int, limit: int, until: int
) -> Playback | None:
    """Return the first playback whose end left the user below the limit."""
    ends = [
        (playback.ended_at, place)
        for place, playback in enumerate(played)
        if playback.ended_at is not None and at < playback.ended_at <= until
    ]
    for ended_at, place in sorted(ends):
        live = sum(playback.is_live(ended_at) for playback in played)
        if live < limit:
            return played[place]
    return None

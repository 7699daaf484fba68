"""The playbacks of one user, reconstructed from events alone.

This module reads neither a clock nor a file. Instants are milliseconds since 1970
UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from insights.kinds import (
    DENIED,
    ENDS,
    GRACE_END,
    GRACE_RENEWALS,
    GRACE_START,
    RENEWALS,
    STARTS,
    RecordedEvent,
)

LIVE = "live"
EXPIRED = "expired"


@dataclass(slots=True, kw_only=True)
class Playback:
    """One playback, from its start to its end.

    `started_at` is None if the start is older than the known events. `seen_at` is the
    first event that mentions the playback. While the playback is live, `ended_at` is
    None, `reason` is `live`, and `expires_at` is the end of its latest known lease.
    """

    id: str
    device_type: str | None = None
    device_name: str | None = None
    started_at: int | None
    seen_at: int = 0
    took_over: bool = False
    """Whether it took over the slot that its own id held."""
    is_grace: bool = False
    """Whether it started while DynamoDB did not answer."""
    expires_at: int
    ended_at: int | None = None
    reason: str = LIVE
    by: str | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Times from the end of a lease to the late heartbeat that revived it."""

    @property
    def duration(self) -> int | None:
        """The time from start to end, or None if either is not known."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    def spans(self, until: int, *, unknown_start: int = 0) -> list[tuple[int, int]]:
        """Return the times in which the playback held a slot.

        A playback that is still live holds it until `until`. One whose start is not
        known holds it from `unknown_start`.
        """
        start = unknown_start if self.started_at is None else self.started_at
        end = until if self.ended_at is None else self.ended_at
        starts = [start]
        ends = []
        for expired_at, revived_at in self.gaps:
            ends.append(expired_at)
            starts.append(revived_at)
        ends.append(end)

        return list(zip(starts, ends, strict=True))

    def known_spans(self, until: int) -> list[tuple[int, int]]:
        """Return the times in which events prove that the playback held a slot.

        An unknown start counts from the first event that mentions the playback.
        """
        return self.spans(until, unknown_start=self.seen_at)

    def is_live(self, at: int) -> bool:
        """Return whether the playback held a slot at an instant.

        A playback whose start is not known was live before its first event.
        """
        return _contains(self.spans(self.expires_at), at)

    def is_known_live(self, at: int) -> bool:
        """Return whether events prove that the playback held a slot at an instant."""
        return _contains(self.known_spans(self.expires_at), at)

    def end(self, at: int, reason: str, *, by: str | None = None) -> None:
        """Record the end of the playback."""
        self.ended_at = at
        self.reason = reason
        self.by = by


def playbacks(events: Iterable[RecordedEvent], *, until: int) -> list[Playback]:
    """Return the playbacks of one user in the order of their starts.

    The events are in order. A playback whose lease ended before `until` without a
    stop has expired: it is a ghost.
    """
    history = _History()
    for event in events:
        history.apply(event)
    history.expire(until)
    return sorted(history.playbacks, key=lambda playback: playback.started_at or 0)


def _contains(spans: Iterable[tuple[int, int]], at: int) -> bool:
    return any(start <= at < end for start, end in spans)


class _History:
    """The playbacks of one user so far, and those that are live, by their id."""

    def __init__(self) -> None:
        self.playbacks: list[Playback] = []
        self.live: dict[str, Playback] = {}

    def apply(self, event: RecordedEvent) -> None:
        """Apply the next event."""
        kind = event["kind"]
        if kind in (*STARTS, GRACE_START):
            self._start(event)
        elif kind in (*RENEWALS, *GRACE_RENEWALS):
            self._renew(event)
        elif kind in (*ENDS, GRACE_END):
            self._end(event)
        elif kind == DENIED:
            self._deny(event)
        elif kind == "forgotten":
            self._forget(event)

    def expire(self, until: int) -> None:
        """End the playbacks whose lease expires before `until`."""
        for playback in self.live.values():
            if playback.expires_at <= until:
                playback.end(playback.expires_at, EXPIRED)

    def _start(self, event: RecordedEvent) -> None:
        at = int(event["at"])
        id = str(event.get("id"))
        is_takeover = event["kind"] == "took-over"

        previous = self.live.pop(id, None)
        if previous and is_takeover:
            previous.end(at, "taken-over", by=f"stream {id}")
        elif previous:
            previous.end(min(at, previous.expires_at), EXPIRED)

        self._add(
            Playback(
                id=id,
                device_type=event.get("deviceType"),
                device_name=event.get("deviceName"),
                started_at=at,
                seen_at=at,
                took_over=is_takeover,
                is_grace=event["kind"] == GRACE_START,
                expires_at=event["expiresAt"],
            )
        )

    def _renew(self, event: RecordedEvent) -> None:
        at = int(event["at"])
        playback = self.live.get(str(event.get("id")))
        if playback and event["kind"] == "revived":
            playback.gaps.append((min(at, playback.expires_at), at))
        self._see(event, at=at, expires_at=event["expiresAt"])

    def _end(self, event: RecordedEvent) -> None:
        at = int(event["at"])
        is_expired = event["reason"] == EXPIRED
        if not is_expired:
            self._see_if_unknown(event, at=at)

        playback = self.live.pop(str(event.get("id")), None)
        if playback is None:
            return
        default = playback.expires_at if is_expired else at
        ended_at = event.get("expiresAt", default)
        playback.end(ended_at, event["reason"], by=event.get("by"))

    def _deny(self, event: RecordedEvent) -> None:
        """See the streams that held the slots."""
        at = int(event["at"])
        for holder in event.get("holders", ()):
            self._see(holder, at=at, expires_at=holder["expiresAt"])

    def _forget(self, event: RecordedEvent) -> None:
        at = int(event["at"])
        for playback in self.live.values():
            ended_at = min(at, playback.expires_at)
            playback.end(ended_at, "forgotten", by=event.get("by"))
        self.live.clear()

    def _see(self, stream: RecordedEvent, *, at: int, expires_at: int) -> None:
        """Record that a stream is live at `at`, with a lease until `expires_at`.

        A pause, or its end, may have moved the end of the lease closer.
        """
        self._see_if_unknown(stream, at=at)
        self.live[str(stream.get("id"))].expires_at = expires_at

    def _see_if_unknown(self, stream: RecordedEvent, *, at: int) -> None:
        id = str(stream.get("id"))
        if id in self.live:
            return
        self._add(
            Playback(
                id=id,
                device_type=stream.get("deviceType"),
                device_name=stream.get("deviceName"),
                started_at=None,
                seen_at=at,
                expires_at=at,
            )
        )

    def _add(self, playback: Playback) -> None:
        self.playbacks.append(playback)
        self.live[playback.id] = playback

"""The events of all users in a period, and the playbacks that follow from them.

Events from before the period tell what was playing when it began.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo

from insights.kinds import RecordedEvent
from insights.playbacks import Playback, playbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """All users' events in order, and each user's playbacks.

    The period is from `since` to before `until`, in milliseconds since 1970 UTC.
    """

    since: int
    until: int
    zone: tzinfo = UTC
    events: tuple[RecordedEvent, ...]
    playbacks: Mapping[str, list[Playback]]

    def in_period(self, *kinds: str) -> Iterator[RecordedEvent]:
        """Yield the events of the period, or only those of some kinds."""
        for event in self.events:
            is_of_kind = not kinds or event["kind"] in kinds
            if is_of_kind and event["at"] >= self.since:
                yield event

    @property
    def all_playbacks(self) -> Iterator[Playback]:
        """Every playback of every user."""
        for playbacks_of_user in self.playbacks.values():
            yield from playbacks_of_user

    def contains(self, at: int | None) -> bool:
        """Return whether an instant is in the period."""
        return at is not None and self.since <= at < self.until

    def spans(self, playbacks: Iterable[Playback]) -> Iterator[tuple[int, int]]:
        """Yield the parts of the period in which playbacks are known to hold slots."""
        for playback in playbacks:
            for first, last in playback.known_spans(self.until):
                start = max(self.since, first)
                end = min(self.until, last)
                if start < end:
                    yield start, end


def population(
    events: Iterable[RecordedEvent], *, since: int, until: int, zone: tzinfo = UTC
) -> Population:
    """Return the population of a period."""
    known = [event for event in events if event["at"] < until]
    known.sort(key=lambda event: int(event["at"]))

    by_user: dict[str, list[RecordedEvent]] = defaultdict(list)
    for event in known:
        if "user" in event:
            by_user[event["user"]].append(event)

    return Population(
        since=since,
        until=until,
        zone=zone,
        events=tuple(known),
        playbacks={
            user: playbacks(events_of_user, until=until)
            for user, events_of_user in by_user.items()
        },
    )

"""How many slots are held at the same time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from insights.kinds import RecordedEvent
from insights.playbacks import Playback
from insights.population import Population


def time_at_levels(
    playbacks: Iterable[Playback], population: Population
) -> Counter[int]:
    """Return for how long (ms of the period) a user held one slot, two slots, …"""
    time_at: Counter[int] = Counter()
    level = 0
    since = 0
    for at, change in _changes(population.spans(playbacks)):
        if level and at > since:
            time_at[level] += at - since
        level += change
        since = at

    return time_at


def peak_levels(spans: Iterable[tuple[int, int]], edges: Sequence[int]) -> list[int]:
    """Return the highest number of simultaneous spans between each two edges."""
    changes = _changes(spans)
    place = 0
    level = 0
    highest = []
    for start, end in pairwise(edges):
        while place < len(changes) and changes[place][0] <= start:
            level += changes[place][1]
            place += 1

        peak = level
        while place < len(changes) and changes[place][0] < end:
            level += changes[place][1]
            peak = max(peak, level)
            place += 1
        highest.append(peak)

    return highest


def levels_at_starts(
    playbacks: Sequence[Playback], population: Population
) -> Iterator[int]:
    """Yield, for each start that took a slot, how many other streams were live.

    Streams that the start evicted count. The playbacks are in the order of their
    starts.
    """
    for place, playback in enumerate(playbacks):
        started_at = playback.started_at
        is_decided = not playback.took_over and not playback.is_grace
        if started_at is not None and is_decided and population.contains(started_at):
            yield sum(
                _was_live_at_start(other, playback, started_at)
                for other in playbacks[:place]
            )


def level_at_denial(event: RecordedEvent, population: Population) -> int:
    """Return how many streams were live at a denial.

    A denial by a rule names only the streams that the rule counts.
    """
    held = int(event.get("held", 0))
    if "rule" not in event or "user" not in event:
        return held

    live = sum(
        playback.id != event.get("id") and playback.is_known_live(event["at"])
        for playback in population.playbacks[event["user"]]
    )
    return max(held, live)


def _changes(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the instants at which a span starts (+1) or ends (-1), in order."""
    changes: list[tuple[int, int]] = []
    for start, end in spans:
        changes.append((start, 1))
        changes.append((end, -1))

    return sorted(changes)


def _was_live_at_start(other: Playback, playback: Playback, at: int) -> bool:
    """Return whether another stream was live when a playback started.

    A stream that the start evicted ended at the same instant.
    """
    if other.id == playback.id:
        return False
    is_evicted_now = (
        other.ended_at == at
        and other.reason == "evicted"
        and other.by == f"stream {playback.id}"
    )
    return is_evicted_now or other.is_known_live(at)

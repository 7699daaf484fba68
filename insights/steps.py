"""The steps of time of a report: starts, denials and peak, over time and by hour."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta, tzinfo
from itertools import pairwise

from insights.population import Population
from reporting.instants import at_zone

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LENGTHS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY)
MAX_STEPS = 48


def active_period(population: Population) -> tuple[int, int] | None:
    """Return the part of the period for which events are known.

    It is None if the period has no events.
    """
    periods = list(population.spans(population.all_playbacks))
    events = list(population.in_period())
    if events:
        first = int(events[0]["at"])
        last = int(events[-1]["at"])
        periods.append((first, last + 1))

    if not periods:
        return None
    starts, ends = zip(*periods, strict=True)
    return min(starts), max(ends)


def step_length(since: int, until: int) -> int:
    """Return the shortest length that divides a period into few steps."""
    for length in LENGTHS:
        if (until - since) / length <= MAX_STEPS:
            return length
    return LENGTHS[-1]


def edges(since: int, until: int, *, length: int, zone: tzinfo) -> list[int]:
    """Return the edges of the steps that cover a period, in milliseconds.

    Steps of days begin at midnight in the zone. Shorter steps begin at a multiple of
    their length after midnight.
    """
    return list(_edges(since, until, length=length, zone=zone))


def count_by_step(instants: list[int], edges: list[int]) -> list[int]:
    """Return how many instants each step contains. The instants are in order."""
    counts = []
    place = 0
    for _, end in pairwise(edges):
        first = place
        while place < len(instants) and instants[place] < end:
            place += 1
        counts.append(place - first)

    return counts


def _edges(since: int, until: int, *, length: int, zone: tzinfo) -> Iterator[int]:
    day = at_zone(since, zone).date()
    midnight = datetime.combine(day, time.min, tzinfo=zone)

    if length >= DAY:
        edge = midnight
        while _ms(edge) < until:
            yield _ms(edge)
            edge += timedelta(milliseconds=length)

        yield _ms(edge)
        return

    at = since - (since - _ms(midnight)) % length
    while at < until:
        yield at
        at += length
    yield at


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)

"""Instants and durations, in the one form that all output uses.

Programs read RFC 3339 with the offset of the zone. People read a date and a time of
day; the output names the zone once. An instant is an integer: milliseconds since
1970 UTC.
"""

from datetime import UTC, datetime, timedelta, tzinfo

import humanize

MAX_INSTANT = 32_503_680_000_000
"""The first instant of the year 3000. Every zone can show the earlier instants, and
their differences are durations that have words."""


def at_zone(instant: int, zone: tzinfo = UTC) -> datetime:
    """Return an instant as a date and time in a zone."""
    return datetime.fromtimestamp(instant / 1000, zone)


def for_programs(instant: int, zone: tzinfo = UTC) -> str:
    """Return an instant as RFC 3339: `2026-11-28T20:03:11.123+00:00`."""
    return at_zone(instant, zone).isoformat(timespec="milliseconds")


def for_people(instant: int, zone: tzinfo = UTC) -> str:
    """Return an instant as people write it: `2026-11-28 20:03`."""
    return at_zone(instant, zone).strftime("%Y-%m-%d %H:%M")


def time_of_day(instant: int, zone: tzinfo = UTC) -> str:
    """Return the time of day of an instant: `20:03:11`."""
    return at_zone(instant, zone).strftime("%H:%M:%S")


def duration(milliseconds: int) -> str:
    """Return a duration in words: `1 day and 2 hours`.

    Long durations have no small units.
    """
    length = timedelta(milliseconds=milliseconds)
    unit = "seconds"
    if length >= timedelta(days=1):
        unit = "hours"
    if length >= timedelta(days=30):
        unit = "days"

    return humanize.precisedelta(length, minimum_unit=unit, format="%d")

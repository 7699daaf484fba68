"""Times, durations and zones as people write them. Instants are milliseconds."""

import re
import time
from argparse import ArgumentTypeError
from datetime import datetime, timedelta, tzinfo
from datetime import time as time_of_day
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import CommandError

from reporting.instants import MAX_INSTANT

DURATION = re.compile(r"(\d{1,9})\s*(s|min|m|h|d)", re.ASCII)
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
MAX_DAYS = 36_500
TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2})?", re.ASCII)


def now() -> int:
    """Return the milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def zone(name: str) -> tzinfo:
    """Return the time zone of a name.

    Raises:
        ArgumentTypeError
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ArgumentTypeError(
            f"{name} is not a time zone: write UTC, or a name like Europe/Madrid."
        ) from exc


def duration(text: str) -> int:
    """Return `90s`, `30min`, `2h` or `7d` as milliseconds.

    Raises:
        ArgumentTypeError
    """
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise ArgumentTypeError(
            f"{text[:32]!r} is not a duration: write 90s, 30min, 2h or 7d."
        )
    seconds = int(match[1]) * SECONDS[match[2]]
    if seconds == 0:
        raise ArgumentTypeError(f"{text[:32]!r} is no time: write at least 1s.")
    if seconds > MAX_DAYS * SECONDS["d"]:
        raise ArgumentTypeError(
            f"{text[:32]!r} is too long: write at most {MAX_DAYS}d."
        )
    return seconds * 1000


def instant(text: str, *, zone: tzinfo, now: int) -> int:
    """Return a time as milliseconds since 1970 UTC.

    `20:03` is the latest such time before `now`. `2026-11-28` and
    `2026-11-28T20:03:11` are in the zone, unless they have an offset.

    Raises:
        CommandError
    """
    try:
        at = _datetime(text, zone=zone, now=now)
        milliseconds = round(at.timestamp() * 1000)
    except (ValueError, OverflowError) as exc:
        raise CommandError(
            f"{text[:64]!r} is not a time: write 20:03, 2026-11-28 or "
            "2026-11-28T20:03:11+01:00."
        ) from exc
    if not 0 <= milliseconds < MAX_INSTANT:
        raise CommandError(
            f"{text[:64]!r} is out of range: write a time from 1970 to 2999."
        )
    return milliseconds


def moment(text: str, *, zone: tzinfo, now: int) -> int:
    """Return a duration before `now`, or a time, as milliseconds since 1970 UTC.

    Raises:
        CommandError
    """
    try:
        return max(0, now - duration(text))
    except ArgumentTypeError as not_a_duration:
        try:
            return instant(text, zone=zone, now=now)
        except CommandError as not_a_time:
            raise CommandError(f"{not_a_duration} {not_a_time}") from not_a_time


def _datetime(text: str, *, zone: tzinfo, now: int) -> datetime:
    if TIME_OF_DAY.fullmatch(text) is None:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=zone)

    hour, minute, second = [*map(int, text.split(":")), 0][:3]
    here = datetime.fromtimestamp(now / 1000, zone)
    today = datetime.combine(here.date(), time_of_day(hour, minute, second), zone)

    return today if today <= here else today - timedelta(days=1)

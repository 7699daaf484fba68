"""Instants and durations in the output of commands."""

from zoneinfo import ZoneInfo

import pytest

from reporting.instants import (
    MAX_INSTANT,
    duration,
    for_people,
    for_programs,
    time_of_day,
)

AT = 1_795_894_980_123
MADRID = ZoneInfo("Europe/Madrid")


def test_programs_read_rfc_3339_with_the_offset_of_the_zone() -> None:
    assert for_programs(AT) == "2026-11-28T19:43:00.123+00:00"
    assert for_programs(AT, MADRID) == "2026-11-28T20:43:00.123+01:00"


def test_people_read_a_date_and_a_time_of_day() -> None:
    assert for_people(AT, MADRID) == "2026-11-28 20:43"
    assert time_of_day(AT, MADRID) == "20:43:00"


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 seconds"),
        (90_000, "1 minute and 30 seconds"),
        (86_400_001, "1 day"),
        (27 * 86_400_000 + 3_601_000, "27 days and 1 hour"),
        (366 * 86_400_000 + 3_601_000, "1 year and 1 day"),
    ],
)
def test_a_duration_is_in_words(milliseconds: int, words: str) -> None:
    assert duration(milliseconds) == words


@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Pacific/Niue"])
def test_the_whole_range_can_be_shown_in_every_zone(name: str) -> None:
    for at in (0, MAX_INSTANT - 1):
        assert for_people(at, ZoneInfo(name))
    assert duration(MAX_INSTANT)

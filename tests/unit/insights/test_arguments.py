"""Times, durations and zones as people write them."""

from argparse import ArgumentTypeError

import pytest
from django.core.management import CommandError

from insights.arguments import duration, instant, zone

NOW = 1_795_894_980_123
"""Saturday, 2026-11-28, 19:43 UTC"""
UTC = zone("UTC")
MADRID = zone("Europe/Madrid")
DAY_MS = 86_400_000


def test_a_time_of_day_is_the_latest_one() -> None:
    today = instant("19:43", zone=UTC, now=NOW)
    yesterday = instant("19:44", zone=UTC, now=NOW)

    assert today == NOW - 123
    assert yesterday == NOW - 123 - 86_340_000, "19:44 is still to come today"


def test_a_time_has_its_offset_or_the_zone() -> None:
    with_offset = instant("2026-11-28T20:43+01:00", zone=UTC, now=NOW)
    in_zone = instant("2026-11-28", zone=MADRID, now=NOW)

    assert with_offset == NOW - 123
    assert in_zone == 1_795_820_400_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("90s", 90_000),
        ("30min", 1_800_000),
        ("2h", 7_200_000),
        ("7d", 604_800_000),
        ("36500d", 36_500 * DAY_MS),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text: str, milliseconds: int) -> None:
    assert duration(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "noon",
        "",
        "24:00",
        "20:60",
        "99:99",
        "2026-13-01",
        "2026-02-30",
        "٢٠:٠٣",
        "x" * 9999,
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_a_text_that_is_not_a_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(CommandError, match="is not a time: write 20:03"):
        instant(text, zone=MADRID, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01",
        "1969-12-31",
        "3000-01-01T15:00",
        "9999-12-31T23:59:59",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
    ],
)
@pytest.mark.parametrize("name", ["UTC", "Europe/Madrid", "Pacific/Kiritimati"])
def test_a_time_out_of_range_is_refused(text: str, name: str) -> None:
    with pytest.raises(CommandError, match=r"out of range|is not a time"):
        instant(text, zone=zone(name), now=NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "is not a duration: write 90s, 30min, 2h or 7d"),
        ("", "is not a duration"),
        ("-2h", "is not a duration"),
        ("2 weeks", "is not a duration"),
        ("٢h", "is not a duration"),
        ("0s", "is no time: write at least 1s"),
        ("36501d", "is too long: write at most 36500d"),
        ("999999999d", "is too long"),
        ("9" * 5000 + "d", "is not a duration"),
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_a_duration_out_of_range_is_refused(text: str, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        duration(text)


@pytest.mark.parametrize(
    "name",
    ["Mars/Base", "", "../../etc/passwd", "/etc/passwd", "Europe", "a" * 5000, "a\0b"],
    ids=lambda name: ascii(name[:12]),
)
def test_a_text_that_is_not_a_zone_is_refused_with_examples(name: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a time zone: write UTC"):
        zone(name)

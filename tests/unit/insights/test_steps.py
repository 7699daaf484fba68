"""The steps of time of a report."""

from datetime import datetime

import pytest

from insights.arguments import zone
from insights.steps import (
    DAY,
    HOUR,
    MAX_STEPS,
    MINUTE,
    count_by_step,
    edges,
    step_length,
)
from reporting.instants import at_zone

MADRID = zone("Europe/Madrid")
KOLKATA = zone("Asia/Kolkata")


def ms(text: str) -> int:
    instant = datetime.fromisoformat(text)
    return round(instant.timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "length"),
    [
        (1, MINUTE),
        (48 * MINUTE, MINUTE),
        (49 * MINUTE, 5 * MINUTE),
        (DAY, HOUR),
        (30 * DAY, DAY),
        (56 * 365 * DAY, 30 * DAY),
    ],
)
def test_a_period_has_few_steps(period: int, length: int) -> None:
    assert step_length(0, period) == length
    assert length == 30 * DAY or period / length <= MAX_STEPS


def test_steps_of_days_begin_at_midnight_when_clocks_change() -> None:
    since = ms("2026-10-24T12:00+02:00")
    until = since + 3 * DAY
    step_edges = edges(since, until, length=DAY, zone=MADRID)
    local = [at_zone(edge, MADRID) for edge in step_edges]
    shown = [f"{instant:%d %H:%M}" for instant in local]

    assert shown == [
        "24 00:00",
        "25 00:00",
        "26 00:00",
        "27 00:00",
        "28 00:00",
    ]


def test_steps_of_hours_begin_at_the_hour_of_the_zone() -> None:
    since = ms("2026-11-28T10:05+05:30")
    until = since + 2 * HOUR
    step_edges = edges(since, until, length=HOUR, zone=KOLKATA)
    local = [at_zone(edge, KOLKATA) for edge in step_edges]
    shown = [f"{instant:%H:%M}" for instant in local]

    assert shown == ["10:00", "11:00", "12:00", "13:00"]


def test_each_instant_is_counted_in_one_step() -> None:
    instants = [0, 9, 10, 19, 20]
    counts = count_by_step(instants, [0, 10, 20, 30])

    assert counts == [2, 2, 1]

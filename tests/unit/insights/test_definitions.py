"""The figures of a report, compared with the counts of a simulated population."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from insights.definitions import DURATION_NAMES
from insights.figures import Figure
from insights.report import report
from reporting.instants import at_zone
from tests.unit.insights.simulation import (
    SINCE,
    UNTIL,
    World,
    instant,
    recorded,
    simulated,
)

KINDS = ("admitted", "took-over", "denied")
STEP_SECONDS = 300


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.fixture(scope="module")
def figures(world: World) -> dict[str, Figure]:
    return figures_of(recorded, since=SINCE, until=UNTIL)


def figures_of(
    events: list[dict[str, Any]], *, since: int = 0, until: int = 3600
) -> dict[str, Figure]:
    """Return the figures by their name. The period is in seconds."""
    figures = report(
        events,
        since=instant(since),
        until=instant(until),
    )
    return {figure.name: figure for figure in figures}


def percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)


def event(kind: str, second: int, id: str | None = None, **fields: Any) -> Any:
    header = {
        "v": 1,
        "kind": kind,
        "at": instant(second),
        "user": "ana",
    }
    stream = {} if id is None else {"id": id}
    return header | stream | fields


def test_the_population_meets_everything_that_is_counted(world: World) -> None:
    truth = world.truth

    assert truth.endings.keys() == {
        "stopped",
        "expired",
        "evicted",
        "replaced",
        "taken-over",
    }
    recorded_kinds = Counter(event["kind"] for event in recorded)
    assert min(truth.starts[kind] for kind in KINDS) > 50
    assert truth.rules["(none)"] > 20
    assert truth.rules["one-small-screen"] > 20
    assert recorded_kinds["revived"] > 10


def test_active_users_and_starts(world: World, figures: dict[str, Figure]) -> None:
    truth = world.truth
    total = truth.starts.total()
    active = len(truth.active)
    starts = []
    for kind in KINDS:
        number = truth.starts[kind]
        starts.append((kind, number, percent(number, total)))

    assert figures["users"].rows == (("active users", active),)
    assert figures["starts"].rows == tuple(starts)
    assert dict(figures["denials_by_rule"].rows) == +truth.rules


@pytest.mark.parametrize("attribute", ["plan", "device_type"])
def test_starts_by_plan_and_by_device_type(
    world: World, figures: dict[str, Figure], attribute: str
) -> None:
    truth = world.truth
    counts = truth.by_plan if attribute == "plan" else truth.by_type
    names = {name for name, _ in counts}

    expected = []
    for name in sorted(names):
        numbers = [counts[name, kind] for kind in KINDS]
        denied = numbers[2]
        share = percent(denied, sum(numbers))
        expected.append((name, *numbers, share))

    assert figures[f"starts_by_{attribute}"].rows == tuple(expected)


def test_starts_denials_and_peak_over_time(
    world: World, figures: dict[str, Figure]
) -> None:
    expected = []
    for start in range(SINCE, UNTIL, STEP_SECONDS):
        seconds = range(start, start + STEP_SECONDS)
        numbers = counted(world, seconds)
        begins_at = at_zone(instant(start))
        expected.append((begins_at, *numbers))

    assert figures["over_time"].rows == tuple(expected)


def test_starts_denials_and_peak_by_hour_of_day(
    world: World, figures: dict[str, Figure]
) -> None:
    rows = {hour: numbers for hour, *numbers in figures["by_hour"].rows}
    hours = [f"{hour:02}:00" for hour in range(24)]

    assert list(rows) == hours
    before_nine = range(SINCE, 3600)
    since_nine = range(3600, UNTIL)
    assert rows["08:00"] == counted(world, before_nine)
    assert rows["09:00"] == counted(world, since_nine)
    assert rows["10:00"] == [0, 0, 0]


def counted(world: World, seconds: range) -> list[int]:
    """Return the starts, denials and peak of some seconds."""
    truth = world.truth
    return [
        sum(second in seconds for second in truth.admitted_at),
        sum(second in seconds for second in truth.denied_at),
        max(truth.live_at[second] for second in seconds),
    ]


def test_how_long_playbacks_last(world: World, figures: dict[str, Figure]) -> None:
    bounds = (60, 300, 900, 1800, 3600, 7200, 14_400)
    counts = Counter(
        DURATION_NAMES[sum(seconds >= bound for bound in bounds)]
        for seconds in world.truth.durations
    )

    assert figures["durations"].rows == tuple(
        (name, counts[name]) for name in DURATION_NAMES
    )


def test_how_many_at_once(world: World, figures: dict[str, Figure]) -> None:
    levels = [person.seconds_at_level for person in world.people]
    seconds: Counter[int] = sum(levels, Counter())

    hours = []
    for level in sorted(seconds):
        rounded = round(seconds[level] / 3600, 3)
        hours.append((str(level), rounded))
    assert figures["concurrency"].rows == tuple(hours)

    peaks = Counter(max(level) for level in levels if level)
    users = []
    for level in sorted(peaks):
        users.append((str(level), peaks[level]))
    assert figures["peaks"].rows == tuple(users)


def test_denials_under_another_limit(world: World, figures: dict[str, Figure]) -> None:
    levels = world.truth.levels
    expected = []
    for limit in range(1, max(levels) + 2):
        refused = [level for level in levels if level >= limit]
        denied = sum(levels[level] for level in refused)
        share = percent(denied, levels.total())
        expected.append((str(limit), denied, share))

    rows = figures["other_limits"].rows
    assert rows == tuple(expected)
    assert rows[-1][1] == 0


def test_how_playbacks_end_and_how_many_are_ghosts(
    world: World, figures: dict[str, Figure]
) -> None:
    endings = world.truth.endings
    total = endings.total()
    expected = {
        (reason, number, percent(number, total)) for reason, number in endings.items()
    }

    assert set(figures["endings"].rows) == expected


def test_different_decisions_of_the_shadow_plans_appear_if_they_were_recorded() -> None:
    events = [
        event("shadow-denied", 1, plan="family"),
        event("shadow-denied", 2, plan="family"),
        event("forgotten", 3),
    ]
    figures = figures_of(events)

    assert figures["shadow"].rows == (("denied, plan family", 2),)
    assert figures["others"].rows == (("forgotten", 1),)
    assert "shadow" not in figures_of([])


def test_a_denial_by_a_rule_counts_all_streams_that_were_live() -> None:
    events = [
        event("admitted", 0, "tv", expiresAt=instant(60)),
        event("admitted", 1, "phone", expiresAt=instant(60)),
        event(
            "denied",
            2,
            "web",
            rule="one-per-title",
            limit=1,
            held=1,
            holders=[],
        ),
    ]
    figures = figures_of(events)

    assert figures["denials_by_rule"].rows == (("one-per-title", 1),)
    other_limits = figures["other_limits"].rows
    assert [row[:2] for row in other_limits] == [
        ("1", 2),
        ("2", 1),
        ("3", 0),
    ]


UNKNOWN_STARTS: dict[str, list[dict[str, Any]]] = {
    "a heartbeat": [event("renewed", 0, "tv", expiresAt=instant(360))],
    "a heartbeat without the store": [
        event("grace-renewed", 0, "tv", expiresAt=instant(360))
    ],
    "a denial that names it": [
        event(
            "denied",
            0,
            "web",
            limit=1,
            held=1,
            holders=[{"id": "tv", "expiresAt": instant(360)}],
        )
    ],
    "an old event of an operator, then a heartbeat": [
        event("limit-set", -90 * 86_400, limit=3),
        event("renewed", 0, "tv", expiresAt=instant(360)),
    ],
    "a revival": [event("revived", 0, "tv", expiresAt=instant(360))],
}


@pytest.mark.parametrize("events", UNKNOWN_STARTS.values(), ids=UNKNOWN_STARTS)
@pytest.mark.parametrize("days", [1, 333], ids="{} days before".format)
def test_a_stream_with_an_unknown_start_counts_from_the_first_event_that_mentions_it(
    events: list[dict[str, Any]], days: int
) -> None:
    figures = figures_of(events, since=-days * 86_400)

    assert figures["concurrency"].rows == (("1", 0.1),)
    assert figures["peaks"].rows == (("1", 1),)
    over_time = figures["over_time"].rows
    assert max(row[3] for row in over_time) == 1


def test_the_stop_of_an_unknown_stream_adds_no_time() -> None:
    stop = event("stopped", 0, "tv", reason="stopped", by="player")
    figures = figures_of([stop], since=-86_400)

    assert "concurrency" not in figures
    assert figures["endings"].rows == (("stopped", 1, 100.0),)


def test_a_stream_that_was_seen_before_the_period_counts_from_its_begin() -> None:
    events = [
        event("renewed", -30, "tv", expiresAt=instant(30)),
        event("renewed", 10, "tv", expiresAt=instant(360)),
    ]
    figures = figures_of(events)

    assert figures["concurrency"].rows == (("1", 0.1),)


def test_a_start_is_not_compared_with_a_stream_that_was_seen_later() -> None:
    events = [
        event("admitted", 0, "tv", expiresAt=instant(60)),
        event("renewed", 3000, "phone", expiresAt=instant(3060)),
    ]
    figures = figures_of(events)

    (row,) = figures["other_limits"].rows
    assert row[:2] == ("1", 0)

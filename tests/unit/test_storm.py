"""The simulated kick-off: what comes is served, waits or comes again, and preparing for it helps."""

import pytest

from bench import storm
from docs import scaling


@pytest.fixture(scope="module")
def courses() -> list[storm.Course]:
    return storm.kick_offs()


@pytest.fixture(scope="module")
def outages() -> list[storm.Course]:
    return storm.outages()


def test_every_player_has_begun_or_waits(courses: list[storm.Course]) -> None:
    for course in courses:
        assert course.playing[-1] + course.waiting[-1] == pytest.approx(storm.PLAYERS)
        assert min(course.waiting) >= -1


def test_nothing_is_served_beyond_what_was_prepared(
    courses: list[storm.Course],
) -> None:
    for course in courses:
        setting = course.setting
        served = [
            asked - refused
            for asked, refused in zip(course.asked, course.refused, strict=True)
        ]
        assert max(served) <= min(setting.warm_units, setting.rate + storm.BURST) + 1


def test_who_prepares_lets_everybody_play_at_once_and_who_does_not_lets_most_wait(
    courses: list[storm.Course],
) -> None:
    nothing, quotas, warm, relaxed = courses
    assert (warm.mean_wait, relaxed.mean_wait, sum(warm.refused)) == (0, 0, 0)
    assert quotas.mean_wait > 20
    assert nothing.playing[-1] < storm.PLAYERS / 2
    assert max(relaxed.asked) < max(warm.asked) / 4


def test_heartbeats_are_those_of_the_planner(courses: list[storm.Course]) -> None:
    at_the_end = courses[2].heartbeats[-1]
    assert at_the_end == pytest.approx(storm.PLAYERS / 19, rel=0.02)


def test_jitter_spreads_what_an_outage_has_brought_into_step(
    outages: list[storm.Course],
) -> None:
    with_jitter, without = outages
    assert storm.settled_after(with_jitter) < 60
    assert storm.wave(with_jitter) < 2
    assert storm.wave(without) > 2 * storm.wave(with_jitter)


def test_the_page_shows_what_is_simulated(
    courses: list[storm.Course], outages: list[storm.Course]
) -> None:
    page = scaling.PAGE.read_text()
    for row in (*storm.table(courses), *storm.outage_table(outages)):
        assert f"| {' | '.join(row)} |" in page

"""The simulated kick-off: requests are served, wait or are repeated."""

import pytest

from bench import storm
from docs import scaling


@pytest.fixture(scope="module")
def courses() -> list[storm.Course]:
    return storm.kick_offs()


@pytest.fixture(scope="module")
def outages() -> list[storm.Course]:
    return storm.outages()


def test_every_player_plays_or_waits(courses: list[storm.Course]) -> None:
    for course in courses:
        players = course.playing[-1] + course.waiting[-1]
        assert players == pytest.approx(storm.PLAYERS)
        assert min(course.waiting) >= -1


def test_at_most_the_prepared_capacity_is_served(
    courses: list[storm.Course],
) -> None:
    for course in courses:
        setting = course.setting
        served = [
            requests - refused
            for requests, refused in zip(course.requests, course.refused, strict=True)
        ]
        capacity = min(setting.warm_units, setting.rate + storm.BURST)
        assert max(served) <= capacity + 1


def test_prepared_players_start_at_once_and_unprepared_ones_mostly_wait(
    courses: list[storm.Course],
) -> None:
    unprepared, quotas, warm, relaxed = courses
    assert (warm.mean_wait, relaxed.mean_wait, sum(warm.refused)) == (0, 0, 0)
    assert quotas.mean_wait > 20
    assert unprepared.playing[-1] < storm.PLAYERS / 2
    assert max(relaxed.requests) < max(warm.requests) / 4


def test_heartbeats_are_as_frequent_as_in_the_estimate(
    courses: list[storm.Course],
) -> None:
    at_the_end = courses[2].heartbeats[-1]
    assert at_the_end == pytest.approx(storm.PLAYERS / 19, rel=0.02)


def test_jitter_spreads_the_requests_that_an_outage_synchronised(
    outages: list[storm.Course],
) -> None:
    with_jitter, without = outages
    assert storm.settled_after(with_jitter) < 60
    assert storm.last_peak_ratio(with_jitter) < 2
    assert storm.last_peak_ratio(without) > 2 * storm.last_peak_ratio(with_jitter)


def test_the_page_shows_the_simulated_results(
    courses: list[storm.Course], outages: list[storm.Course]
) -> None:
    page = scaling.PAGE.read_text()
    kick_off = (storm.HEADINGS, *storm.table(courses))
    outage = (storm.OUTAGE_HEADINGS, *storm.outage_table(outages))
    for row in (*kick_off, *outage):
        assert f"| {' | '.join(row)} |" in page

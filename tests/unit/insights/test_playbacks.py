"""The playbacks of a user, reconstructed from events alone."""

from typing import Any

import pytest

from insights.playbacks import Playback
from insights.timeline import Timeline
from tests.unit.insights.builders import AT, denied, event, seconds, timeline_of


def summary(line: Timeline) -> list[tuple[Any, ...]]:
    """Return the id, start, end and reason of each playback, in seconds."""
    return [
        (
            playback.id,
            seconds(playback.started_at),
            seconds(playback.ended_at),
            playback.reason,
        )
        for playback in line.playbacks
    ]


ENDED: dict[str, tuple[tuple[dict[str, Any], ...], tuple[Any, ...]]] = {
    "stopped by its player": (
        (event("stopped", 30, "tv", reason="stopped", by="player"),),
        ("tv", 0, 30, "stopped"),
    ),
    "ended by an operator": (
        (event("ended", 30, "tv", reason="stopped", by="key x"),),
        ("tv", 0, 30, "stopped"),
    ),
    "evicted": (
        (event("ended", 30, "tv", reason="evicted", by="stream b"),),
        ("tv", 0, 30, "evicted"),
    ),
    "without another event": ((), ("tv", 0, 60, "expired")),
    "renewed, then silent": ((event("renewed", 20, "tv"),), ("tv", 0, 80, "expired")),
    "found expired by a start": (
        (event("ended", 400, "tv", reason="expired", expiresAt=AT + 100_000),),
        ("tv", 0, 100, "expired"),
    ),
    "found expired by a stop": (
        (event("ended", 400, "tv", reason="expired"),),
        ("tv", 0, 60, "expired"),
    ),
    "revived, then silent": ((event("revived", 90, "tv"),), ("tv", 0, 150, "expired")),
    "seen at a denial": ((denied(50, "b", ("tv", 110)),), ("tv", 0, 110, "expired")),
    "forgotten": ((event("forgotten", 30),), ("tv", 0, 30, "forgotten")),
    "still playing": ((event("renewed", 590, "tv"),), ("tv", 0, None, "live")),
}


@pytest.mark.parametrize(("events", "playback"), ENDED.values(), ids=ENDED)
def test_a_playback_lasts_until_the_end_that_events_tell(
    events: tuple[dict[str, Any], ...], playback: tuple[Any, ...]
) -> None:
    line = timeline_of(event("admitted", 0, "tv"), *events)
    assert summary(line) == [playback]


def test_a_start_with_the_same_id_ends_the_earlier_playback() -> None:
    line = timeline_of(
        event("admitted", 0, "tv"),
        event("took-over", 30, "tv"),
        event("admitted", 300, "tv"),
    )
    assert summary(line) == [
        ("tv", 0, 30, "taken-over"),
        ("tv", 30, 90, "expired"),
        ("tv", 300, 360, "expired"),
    ]


def test_a_playback_that_began_before_the_known_events_has_no_start() -> None:
    line = timeline_of(
        event("renewed", 10, "tv"),
        event("stopped", 30, "tv", reason="stopped", by="player"),
        until=60,
    )
    assert summary(line) == [("tv", None, 30, "stopped")]


def test_events_outside_of_the_time_line_have_no_effect() -> None:
    line = timeline_of(
        event("admitted", -1, "a"),
        event("admitted", 1, "b"),
        event("admitted", 100, "c"),
        until=30,
    )
    assert summary(line) == [("b", 1, None, "live")]


def test_a_playback_continues_through_an_outage() -> None:
    lease = {"expiresAt": AT + 70_000}
    line = timeline_of(
        event("admitted", 0, "tv"),
        event("grace-renewed", 20, "tv", expiresAt=AT + 80_000),
        event("grace-started", 10, "phone", **lease),
        event("grace-started", 10, "web", **lease),
        event("grace-admitted", 40, "phone", expiresAt=AT + 100_000),
        event("grace-refused", 40, "web", reason="over-limit"),
    )

    assert summary(line) == [
        ("tv", 0, 80, "expired"),
        ("phone", 10, 100, "expired"),
        ("web", 10, 40, "over-limit"),
    ]


def test_a_playback_with_an_unknown_start_was_live_before() -> None:
    playback = Playback(id="tv", started_at=None, expires_at=AT)
    assert playback.is_live(AT - 1)
    assert not playback.is_live(AT)


def test_a_playback_with_an_unknown_start_is_known_live_from_its_first_event() -> None:
    (playback,) = timeline_of(event("renewed", 10, "tv")).playbacks
    is_known_live = [
        playback.is_known_live(AT + second * 1000) for second in (9, 10, 69, 70)
    ]

    assert is_known_live == [False, True, True, False]

"""The rate of heartbeats: storms are refused, and correct players never are."""

from collections.abc import Iterator

import pytest

from streams import heartbeat_rate
from streams.conf import settings
from streams.errors import TooManyHeartbeats
from streams.heartbeat_rate import charge

NOW = 1_800_000_000_000
PLAYBACK = ("ana", "tv", 7)
BURST = 6


@pytest.fixture(autouse=True)
def default_burst(settings: object) -> Iterator[None]:
    settings.HEARTBEAT_BURST = BURST  # type: ignore[attr-defined]
    heartbeat_rate.forget()
    yield
    heartbeat_rate.forget()


def beat(*, now: int = NOW, is_paused: bool = False) -> None:
    charge(PLAYBACK, is_paused=is_paused, now=now)


def admitted(*, count: int) -> int:
    """Return how many heartbeats of a storm are admitted."""
    admitted = 0
    for number in range(count):
        try:
            beat(now=NOW + number * 9)
        except TooManyHeartbeats:
            continue
        admitted += 1
    return admitted


def test_a_storm_renews_a_few_times() -> None:
    assert admitted(count=300) == BURST


def test_a_heartbeat_after_the_time_of_the_refusal_is_admitted() -> None:
    admitted(count=BURST)
    with pytest.raises(TooManyHeartbeats) as refused:
        beat()

    retry_at = refused.value.retry_at
    assert NOW < retry_at <= NOW + 2 * settings.HEARTBEAT_RATE.interval_ms
    beat(now=retry_at)
    with pytest.raises(TooManyHeartbeats):
        beat(now=retry_at)


def test_a_change_of_the_state_is_never_refused_and_its_repeats_are() -> None:
    admitted(count=10)
    for is_paused in (True, False) * 20:
        beat(is_paused=is_paused)
    with pytest.raises(TooManyHeartbeats):
        beat(is_paused=False)
    beat(now=NOW + settings.HEARTBEAT_RATE.interval_ms)


def test_another_playback_is_not_affected() -> None:
    admitted(count=10)
    charge(("ana", "tv", 8), is_paused=False, now=NOW)


@pytest.mark.parametrize("lease_seconds", [5, 6, 10, 30, 60, 3600])
@pytest.mark.parametrize("players", [1, 2], ids=["one tab", "two tabs"])
def test_a_correct_player_is_never_refused(
    settings: object, lease_seconds: int, players: int
) -> None:
    """Each answer is lost once, and the heartbeat repeated two seconds later."""
    settings.LEASE_SECONDS = lease_seconds  # type: ignore[attr-defined]
    earliest_ms = lease_seconds * 1000 * 3 // 10
    sent_at = []
    for number in range(200):
        for player in range(players):
            skew = 1999 * ((number + player) % 2)
            sent_at += [NOW + number * earliest_ms + delay for delay in (skew, 1999)]

    for now in sorted(sent_at):
        beat(now=now)


@pytest.mark.parametrize("ahead_ms", [600_000, 10**9])
def test_a_clock_that_was_ahead_locks_no_player_out(ahead_ms: int) -> None:
    beat(now=NOW + ahead_ms)
    beat(now=NOW)


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_rate, "MAX_PLAYBACKS", 10)
    for number in range(100):
        charge(("ana", "tv", number), is_paused=False, now=NOW)
    assert len(heartbeat_rate._charged) == 10

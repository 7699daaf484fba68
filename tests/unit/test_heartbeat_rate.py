"""The rate of heartbeats: storms are refused, and correct players never are."""

from collections.abc import Iterator

import pytest

from streams import heartbeat_rate
from streams.conf import settings
from streams.errors import TooManyHeartbeats
from streams.heartbeat_rate import Charged, charge

NOW = 1_800_000_000_000
PLAYBACK = ("ana", "tv", 7)
NEW = Charged(0, is_paused=False)
BURST = 6


@pytest.fixture(autouse=True)
def default_burst(settings: object) -> Iterator[None]:
    settings.HEARTBEAT_BURST = BURST  # type: ignore[attr-defined]
    heartbeat_rate.forget()
    yield
    heartbeat_rate.forget()


def beat(before: Charged = NEW, *, now: int = NOW, is_paused: bool = False) -> Charged:
    return charge(PLAYBACK, before, is_paused=is_paused, now=now)


def admitted(before: Charged, *, count: int) -> int:
    """Return how many of a number of heartbeats with one token are admitted."""
    admitted = 0
    for number in range(count):
        try:
            beat(before, now=NOW + number * 9)
        except TooManyHeartbeats:
            continue
        admitted += 1
    return admitted


def test_one_token_renews_a_few_times_in_a_storm() -> None:
    assert admitted(NEW, count=300) == BURST


def test_the_newest_token_limits_a_storm_in_another_process() -> None:
    charged = NEW
    for _ in range(BURST):
        charged = beat(charged)
        heartbeat_rate.forget()
    with pytest.raises(TooManyHeartbeats) as refused:
        beat(charged)

    assert NOW < refused.value.retry_at <= NOW + settings.HEARTBEAT_RATE.interval_ms
    assert beat(charged, now=refused.value.retry_at)


def test_a_change_of_the_state_is_never_refused_and_its_repeats_are() -> None:
    admitted(NEW, count=10)
    for is_paused in (True, False) * 20:
        beat(is_paused=is_paused)
    with pytest.raises(TooManyHeartbeats):
        beat(is_paused=False)
    assert beat(now=NOW + settings.HEARTBEAT_RATE.interval_ms)


def test_another_playback_is_not_affected() -> None:
    admitted(NEW, count=10)
    assert charge(("ana", "tv", 8), NEW, is_paused=False, now=NOW)


@pytest.mark.parametrize("lease_seconds", [5, 6, 10, 30, 60, 3600])
@pytest.mark.parametrize("players", [1, 2], ids=["one tab", "two tabs"])
def test_a_correct_player_is_never_refused(
    settings: object, lease_seconds: int, players: int
) -> None:
    """The servers' clocks are 2 s apart. Each answer is lost once, and repeated."""
    settings.LEASE_SECONDS = lease_seconds  # type: ignore[attr-defined]
    charged = Charged(0, is_paused=False)
    earliest_ms = lease_seconds * 1000 * 3 // 10
    for number in range(200):
        now = NOW + number * earliest_ms
        for player in range(players):
            skew = 1999 * ((number + player) % 2)
            beat(charged, now=now + skew)
            heartbeat_rate.forget()  # the repeat meets another process
            charged = beat(charged, now=now + 1999 - skew)


@pytest.mark.parametrize("ahead_ms", [600_000, 10**9])
def test_a_clock_that_was_ahead_locks_no_player_out(ahead_ms: int) -> None:
    charged = beat(now=NOW + ahead_ms)
    assert beat(charged, now=NOW).arrival <= NOW + 60_000


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_rate, "MAX_PLAYBACKS", 10)
    for number in range(100):
        charge(("ana", "tv", number), NEW, is_paused=False, now=NOW)
    assert len(heartbeat_rate._charged) == 10

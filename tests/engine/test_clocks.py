"""Two servers whose clocks are two seconds apart."""

from dataclasses import replace
from typing import Any

import pytest

from streams.errors import StreamEnded, StreamLimitReached
from streams.rules import Reason, StartRate, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, changed, fill, held, started
from tests.dynamodb_clients import Calls

pytestmark = pytest.mark.engine

SKEW_MS = 2000
AHEAD = NOW + SKEW_MS


@pytest.mark.parametrize(
    "first",
    [0, SKEW_MS],
    ids=["the first is right", "the first is ahead"],
)
def test_no_start_is_admitted_above_the_limit_by_either_clock(
    streams: StreamStore, user_id: str, first: int
) -> None:
    """Until a lease has expired by the faster clock."""
    for number, id in enumerate("abc"):
        now = NOW + number + (first if number % 2 else SKEW_MS - first)
        started(streams, user_id, id, now=now)

    for now in (NOW + 10, AHEAD + 10, NOW + LEASE_MS - 1):
        with pytest.raises(StreamLimitReached):
            started(streams, user_id, "d", now=now)

    now = NOW + 10
    account = streams.read(user_id, now=now)
    assert len(account.live(now)) == 3


@pytest.mark.parametrize(
    "order",
    [(NOW, AHEAD), (AHEAD, NOW)],
    ids=["ahead later", "ahead first"],
)
def test_an_epoch_grows_on_any_clock(
    streams: StreamStore,
    user_id: str,
    order: tuple[int, int],
) -> None:
    epochs = [started(streams, user_id, "tv", now=now).epoch for now in order * 2]
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize("gone", ["stopped", "expired"])
def test_an_epoch_grows_after_an_ending_by_the_faster_clock(
    streams: StreamStore, user_id: str, gone: str
) -> None:
    first = started(streams, user_id, "tv", now=AHEAD)
    if gone == "stopped":
        streams.stop(user_id, "tv", hold=held(first), now=AHEAD + 1)
    second = started(streams, user_id, "tv", now=NOW + 10)

    assert second.epoch > first.epoch
    with pytest.raises(StreamEnded):
        streams.renew(user_id, "tv", hold=held(first), now=NOW + 20)


def test_an_expiry_never_moves_back(streams: StreamStore, user_id: str) -> None:
    lease = started(streams, user_id, "tv", now=NOW)
    ends = [lease.expires_at]
    for now in (
        AHEAD,
        NOW + 1,
        AHEAD + 1,
        NOW + 2,
        NOW + SKEW_MS + 5,
    ):
        lease = streams.renew(user_id, "tv", hold=held(lease), now=now)
        ends.append(lease.expires_at)

    assert ends == sorted(ends)


@pytest.mark.parametrize("step", [LEASE_MS // 3, LEASE_MS - SKEW_MS - 1])
def test_a_holder_renews_on_any_clock(
    streams: StreamStore, user_id: str, step: int
) -> None:
    """If they arrive a skew before the lease expires."""
    holds: Any = fill(streams, user_id, "tv", "phone", "web")
    streams.set_limit(
        user_id,
        limit=1,
        when_full=WhenFull.DENY,
        now=NOW + 5,
    )
    for number in range(1, 12):
        now = NOW + number * step + (SKEW_MS if number % 2 else 0)
        holds = {
            id: held(streams.renew(user_id, id, hold=hold, now=now))
            for id, hold in holds.items()
        }


def test_the_slot_of_a_crashed_player_is_free_a_lease_and_a_skew_later(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "a", "b", "c", now=AHEAD)
    started(streams, user_id, "d", now=NOW + LEASE_MS + SKEW_MS + 3)


def test_the_same_device_starts_again_immediately_on_any_clock(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "a", "b", "c", now=AHEAD)
    lease = started(streams, user_id, "a", now=NOW + 10)

    assert lease.took_over
    hold = held(lease)
    renewed = streams.renew(user_id, "a", hold=hold, now=AHEAD + 20)
    assert renewed.epoch == lease.epoch


def test_a_stop_by_token_depends_on_no_clock(
    streams: StreamStore, user_id: str
) -> None:
    hold = held(started(streams, user_id, "tv", now=AHEAD))
    reason = streams.stop(user_id, "tv", hold=hold, now=NOW)
    assert reason is Reason.STOPPED


def test_an_operator_on_the_slower_server_ends_streams_older_than_the_skew(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "tv", now=AHEAD)
    slower = replace(streams)
    now = NOW + SKEW_MS + 1
    ended = slower.stop(user_id, "tv", hold=None, now=now)

    assert ended is Reason.STOPPED


# --- a server whose clock is wrong by minutes ---------------------------------------

FAR_AHEAD = NOW + 600_000


@pytest.mark.parametrize(
    "ids",
    ["a", "abc"],
    ids=["one stream", "a full account"],
)
def test_a_server_that_is_ten_minutes_ahead_does_not_lock_the_user_out(
    streams: StreamStore, user_id: str, ids: str
) -> None:
    fill(streams, user_id, *ids, now=FAR_AHEAD)
    for number, id in enumerate("xyz"):
        now = NOW + number
        started(streams, user_id, id, now=now)

    with pytest.raises(StreamLimitReached):
        started(streams, user_id, "w", now=NOW + 9)


def test_an_arrival_time_from_a_server_that_is_ahead_delays_no_start(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    rate = StartRate(burst=3, interval_ms=1000)
    store = replace(
        streams,
        plans=changed(streams.plans, start_rate=rate),
    )
    ahead = store.start(user_id, asking("a", now=FAR_AHEAD), now=FAR_AHEAD)
    store.stop(
        user_id,
        "a",
        hold=held(ahead.lease),
        now=FAR_AHEAD + 5,
    )

    calls.made.clear()
    store.start(user_id, asking("b"), now=NOW)

    assert calls.operations == ["UpdateItem"] * 2, "the rule corrects it"
    assert store.read(user_id, now=NOW).theoretical_arrival_at == NOW + 1000

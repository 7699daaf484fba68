"""Writes that arrive late or more than once, and the marks that they leave."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from streams.errors import (
    InvalidToken,
    StoreUnavailable,
    StreamLimitReached,
    StreamNotFound,
)
from streams.rules import Hold, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, changed, fill, held, started
from tests.engine.networks import HeldWrite, Late

pytestmark = pytest.mark.engine


@pytest.fixture
def late(streams: StreamStore) -> Late:
    return Late(streams.call)


def zap_late(
    streams: StreamStore,
    user_id: str,
    late: Late,
    *,
    now: int,
) -> None:
    """Send a start whose write does not arrive yet."""
    request = asking("tv", now=now, stream_id="next")
    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).start(user_id, request, now=now)


# --- a late zap: each clause of the condition ---------------------------------------


def test_a_late_zap_does_not_take_over_a_later_playback(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    fill(streams, user_id, "tv")
    zap_late(streams, user_id, late, now=NOW + 10)
    lease = started(streams, user_id, "tv", now=NOW + 20)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases["tv"] == lease


def test_a_late_zap_does_not_start_a_stream_that_an_operator_ended(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    fill(streams, user_id, "tv")
    zap_late(streams, user_id, late, now=NOW + 10)
    streams.stop(user_id, "tv", hold=None, now=NOW + 20)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases == {}


def test_a_late_zap_does_not_start_a_stream_that_its_player_stopped(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    """The stop keeps the epoch of the playback, which is below that of the zap."""
    hold = fill(streams, user_id, "tv")["tv"]
    zap_late(streams, user_id, late, now=NOW + 10)
    streams.stop(user_id, "tv", hold=hold, now=NOW + 10)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases == {}


def test_a_late_zap_does_not_end_a_playback_that_was_renewed_since(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    hold = fill(streams, user_id, "tv")["tv"]
    zap_late(streams, user_id, late, now=NOW + 10)
    renewed = streams.renew(user_id, "tv", hold=hold, now=NOW + 11)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases["tv"] == renewed


def test_a_late_zap_does_not_end_a_playback_that_was_paused_since(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    """A pause that is shorter than a lease moves no expiry."""
    plans = changed(streams.plans, paused_ms=LEASE_MS // 2)
    streams = replace(streams, plans=plans)
    hold = fill(streams, user_id, "tv")["tv"]
    zap_late(streams, user_id, late, now=NOW + 10)
    paused = streams.renew(user_id, "tv", hold=hold, now=NOW + 11, is_paused=True)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases["tv"] == paused


def test_a_late_zap_does_not_end_a_playback_that_kept_its_relaxed_lease(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    """The heartbeat moved the expiry by less than a relaxed lease."""
    relaxed = changed(streams.plans, relaxed_lease_ms=5 * LEASE_MS)
    streams = replace(streams, plans=relaxed)
    hold = fill(streams, user_id, "tv", "a", "b")["tv"]
    zap_late(streams, user_id, late, now=NOW + 10)
    renewed = streams.renew(user_id, "tv", hold=hold, now=NOW + 11)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases["tv"] == renewed


def test_a_late_zap_does_not_start_a_stream_whose_ending_was_dropped(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    fill(streams, user_id, "tv")
    zap_late(streams, user_id, late, now=NOW + 10)
    streams.stop(user_id, "tv", hold=None, now=NOW + 20)
    for number, letter in enumerate("abc", start=21):
        long_id = letter * 128
        started(streams, user_id, long_id, now=NOW + number)
        streams.stop(user_id, long_id, hold=None, now=NOW + number)

    assert "tv" not in streams.read(user_id, now=NOW + 30).ended
    late.deliver()
    assert streams.read(user_id, now=NOW + 30).leases == {}


def test_a_zap_that_is_not_late_takes_over(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    fill(streams, user_id, "tv")
    zap_late(streams, user_id, late, now=NOW + 10)
    late.deliver()
    lease = streams.read(user_id, now=NOW + 30).leases["tv"]

    assert (lease.stream_id, lease.started_at) == (
        "next",
        NOW + 10,
    )


# --- the erased user ----------------------------------------------------------------


@pytest.mark.parametrize("existed", [True, False], ids=["known", "unknown"])
def test_a_start_that_arrives_after_its_user_was_erased_does_not_bring_it_back(
    streams: StreamStore,
    user_id: str,
    existed: bool,
    late: Late,
) -> None:
    if existed:
        fill(streams, user_id, "tv")
    zap_late(streams, user_id, late, now=NOW + 10)
    streams.forget(user_id, now=NOW + 20)
    late.deliver()

    assert streams.read(user_id, now=NOW + 30).leases == {}


def test_a_limit_that_arrives_after_its_user_was_erased_is_not_stored(
    streams: StreamStore, user_id: str, late: Late
) -> None:
    fill(streams, user_id, "tv")

    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).set_limit(user_id, limit=1, now=NOW + 10)
    streams.forget(user_id, now=NOW + 20)
    late.deliver()
    assert streams.read(user_id, now=NOW + 30).limit is None


def test_a_user_can_start_again_after_it_was_erased(
    streams: StreamStore, user_id: str
) -> None:
    hold = fill(streams, user_id, "tv")["tv"]
    streams.forget(user_id, now=NOW + 20)

    with pytest.raises(StreamNotFound):
        streams.renew(user_id, "tv", hold=hold, now=NOW + 21)
    lease = started(streams, user_id, "tv", now=NOW + 22)
    assert lease.epoch > hold.epoch


# --- the register of writes ---------------------------------------------------------


def test_an_item_keeps_the_last_three_writes_latest_first(
    streams: StreamStore, user_id: str
) -> None:
    seen = []
    for number in range(5):
        now = NOW + number
        started(streams, user_id, "tv", now=now)
        seen.append(streams.read(user_id, now=now).recent_writes)

    assert [len(set(writes)) for writes in seen[2:]] == [
        3,
        3,
        3,
    ]
    for earlier, later in pairwise(seen):
        assert later[0] not in earlier
        assert later[1] == earlier[0]

    assert seen[-1][2] == seen[-3][0]


def test_a_plain_heartbeat_leaves_no_mark(streams: StreamStore, user_id: str) -> None:
    hold = fill(streams, user_id, "tv")["tv"]
    before = streams.read(user_id, now=NOW).recent_writes
    streams.renew(user_id, "tv", hold=hold, now=NOW + 5)

    assert streams.read(user_id, now=NOW + 5).recent_writes == before


# --- fences -------------------------------------------------------------------------


def test_a_denial_of_a_call_that_was_answered_leaves_no_fence(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "a", "b", "c")
    before = streams.read(user_id, now=NOW)

    with pytest.raises(StreamLimitReached):
        started(streams, user_id, "d", now=NOW + 5)
    assert streams.read(user_id, now=NOW) == before


def test_a_suspension_is_not_undone_by_the_late_write_of_an_earlier_limit(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "tv")
    network = HeldWrite(is_silent=False)
    held_back = replace(streams, call=network.call)
    held_back.set_limit(
        user_id,
        limit=9,
        when_full=WhenFull.DENY,
        now=NOW + 5,
    )
    streams.set_limit(user_id, limit=0, end_surplus=True, now=NOW + 10)
    network.deliver()
    account = streams.read(user_id, now=NOW + 20)

    assert (account.limit, account.leases) == (0, {})


# --- old tokens ---------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["renew", "stop"])
def test_a_blind_write_rejects_a_token_that_was_replaced_a_lease_ago(
    streams: StreamStore, user_id: str, verb: str
) -> None:
    pausing = changed(streams.plans, paused_ms=600_000)
    store = replace(
        streams,
        plans=changed(streams.plans, named={"pausing": pausing}),
    )
    first = fill(store, user_id, "tv")["tv"]
    hold: Hold = first
    for beat in range(1, 5):
        now = NOW + beat * LEASE_MS // 3
        hold = held(store.renew(user_id, "tv", hold=hold, now=now))

    call: Any = getattr(store, verb)

    with pytest.raises(InvalidToken):
        call(
            user_id,
            "tv",
            hold=first,
            now=NOW + 4 * LEASE_MS // 3 + 1,
        )

"""The store on a real engine: the calls of each verb, and its answers."""

from dataclasses import replace
from typing import Any

import pytest

from streams.errors import (
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
)
from streams.models import UserStreams
from streams.rules import Hold, Reason, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, changed, fill, held, started
from tests.dynamodb_clients import Calls, unreachable

pytestmark = pytest.mark.engine


def test_a_start_is_one_call_of_one_unit(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    fill(streams, user_id, "a")
    calls.made.clear()
    streams.start(user_id, asking("b"), now=NOW)

    assert calls.made == [("UpdateItem", 1.0)]


def test_the_first_start_of_a_new_user_is_two_calls(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    streams.start(user_id, asking("a"), now=NOW)

    assert calls.operations == [
        "UpdateItem",
        "UpdateItem",
    ]
    assert calls.units[-1] == 1.0


def test_a_denial_is_one_call(streams: StreamStore, user_id: str, calls: Calls) -> None:
    fill(streams, user_id, "a", "b", "c")
    calls.made.clear()

    with pytest.raises(StreamLimitReached):
        streams.start(user_id, asking("d"), now=NOW)
    assert calls.operations == ["UpdateItem"]


def test_a_renewal_is_one_call_of_one_unit(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    holds = fill(streams, user_id, "a", "b", "c")
    calls.made.clear()
    streams.renew(user_id, "a", hold=holds["a"], now=NOW + 5)

    assert calls.made == [("UpdateItem", 1.0)]


@pytest.mark.parametrize("is_held", [True, False])
def test_a_stop_is_one_call_of_one_unit(
    streams: StreamStore,
    user_id: str,
    calls: Calls,
    is_held: bool,
) -> None:
    holds = fill(streams, user_id, "a", "b", "c")
    calls.made.clear()
    streams.stop(
        user_id,
        "a",
        hold=holds["a"] if is_held else None,
        now=NOW + 5,
    )

    assert calls.made == [("UpdateItem", 1.0)]


@pytest.mark.parametrize("ghosts", [1, 2, 3])
def test_a_start_over_ghosts_is_two_calls(
    streams: StreamStore,
    user_id: str,
    calls: Calls,
    ghosts: int,
) -> None:
    later = NOW + 10 * LEASE_MS
    fill(streams, user_id, *"abc"[:ghosts])
    fill(streams, user_id, *"xyz"[ghosts:], now=later)
    calls.made.clear()
    streams.start(user_id, asking("d"), now=later)

    assert calls.operations == [
        "UpdateItem",
        "UpdateItem",
    ]


@pytest.mark.parametrize(("when", "cost"), [("live", 1), ("expired", 2)])
def test_a_start_of_the_same_id_is_one_call_and_over_its_own_ghost_two(
    streams: StreamStore,
    user_id: str,
    calls: Calls,
    when: str,
    cost: int,
) -> None:
    fill(streams, user_id, "a", "b", "c")
    calls.made.clear()
    now = NOW + (5 if when == "live" else 2 * LEASE_MS)
    admission = streams.start(user_id, asking("b", now=now), now=now)

    assert admission.lease.took_over is (when == "live")
    assert calls.operations == ["UpdateItem"] * cost


def test_a_read_is_one_consistent_read(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    fill(streams, user_id, "a", "b", "c")
    calls.made.clear()
    streams.read(user_id, now=NOW)

    assert calls.made == [("GetItem", 1.0)]


def test_the_item_of_a_user_at_the_limit_stays_under_one_write_unit(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    for number in range(30):  # as long as the ids of the service
        streams.start(
            user_id,
            asking(f"stream-{number:09}"),
            now=NOW + number,
        )
        if number < 27:
            streams.stop(
                user_id,
                f"stream-{number:09}",
                hold=None,
                now=NOW + number,
            )
    assert {units for units in calls.units if units is not None} == {1.0}


def test_the_condition_applies_the_stored_limit(
    streams: StreamStore, user_id: str, calls: Calls
) -> None:
    streams.set_limit(user_id, limit=1, when_full=WhenFull.DENY, now=NOW)
    streams.start(user_id, asking("a"), now=NOW)
    calls.made.clear()

    with pytest.raises(StreamLimitReached) as refusal:
        streams.start(user_id, asking("b"), now=NOW)
    assert refusal.value.limit == 1
    assert calls.operations == ["UpdateItem"]


def test_after_the_limit_is_cleared_the_default_applies(
    streams: StreamStore, user_id: str
) -> None:
    streams.set_limit(
        user_id,
        limit=1,
        when_full=WhenFull.EVICT_OLDEST,
        now=NOW,
    )
    streams.clear_limit(user_id, now=NOW)
    fill(streams, user_id, "a", "b", "c")

    with pytest.raises(StreamLimitReached) as refusal:
        streams.start(user_id, asking("d"), now=NOW + 9)
    assert refusal.value.limit == 3


def test_clearing_the_limit_of_an_unknown_user_creates_no_item(
    streams: StreamStore, user_id: str
) -> None:
    streams.clear_limit(user_id, now=NOW)
    assert UserStreams.count(user_id) == 0


def test_setting_a_limit_keeps_the_live_streams(
    streams: StreamStore, user_id: str
) -> None:
    holds = fill(streams, user_id, "a", "b", "c")
    streams.set_limit(user_id, limit=1, when_full=WhenFull.DENY, now=NOW)

    now = NOW + 5
    renewed = streams.renew(user_id, "b", hold=holds["b"], now=now)
    assert renewed.expires_at == now + LEASE_MS


DAY_SECONDS = 86_400


def expiry_of_item(user_id: str) -> float:
    """Return when DynamoDB may delete the item, in seconds."""
    item = UserStreams.get(user_id)
    return item.ttl.timestamp()


def test_an_item_expires_a_day_after_its_last_lease(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "a")
    streams.start(user_id, asking("b"), now=NOW)

    last_expiry = (NOW + LEASE_MS) / 1000
    assert expiry_of_item(user_id) == last_expiry + DAY_SECONDS


def test_an_item_with_an_override_outlives_its_streams(
    streams: StreamStore, user_id: str
) -> None:
    streams.set_limit(user_id, limit=5, when_full=WhenFull.DENY, now=NOW)
    fill(streams, user_id, "a", "b")

    now = NOW / 1000
    assert expiry_of_item(user_id) > now + 50 * 365 * DAY_SECONDS
    streams.clear_limit(user_id, now=NOW)
    assert expiry_of_item(user_id) < now + 2 * DAY_SECONDS


@pytest.mark.parametrize(
    "id",
    [
        "a.b",
        "a:b",
        "a-b",
        "a|b@c~d",
        "#0",
        ":0",
        "size(leases)",
        "a" * 128,
        "B",
        "L",
        "M",
        "N",
        "S",
        "SS",
        "NULL",
    ],
)
def test_an_id_never_reaches_an_expression_as_text(
    streams: StreamStore, user_id: str, id: str
) -> None:
    hold = held(started(streams, user_id, id, now=NOW))
    streams.start(user_id, asking("other"), now=NOW)

    renewed = streams.renew(user_id, id, hold=hold, now=NOW + 1)
    assert renewed.id == id
    streams.stop(user_id, id, hold=hold, now=NOW + 2)
    after = streams.read(user_id, now=NOW)
    assert after.leases.keys() == {"other"}
    assert after.ended[id].reason is Reason.STOPPED


@pytest.mark.parametrize("verb", ["renew", "stop"])
def test_a_user_without_an_item_has_no_streams(
    streams: StreamStore, user_id: str, verb: str
) -> None:
    call = getattr(streams, verb)
    with pytest.raises(StreamNotFound):
        call(user_id, "a", hold=Hold(epoch=1), now=NOW)
    assert UserStreams.count(user_id) == 0


def test_an_evicted_player_learns_it_at_its_next_heartbeat(
    streams: StreamStore, user_id: str
) -> None:
    evicting = replace(
        streams,
        plans=changed(streams.plans, when_full=WhenFull.EVICT_OLDEST),
    )
    holds = fill(evicting, user_id, "a", "b", "c", "d")

    with pytest.raises(StreamEnded) as refusal:
        evicting.renew(user_id, "a", hold=holds["a"], now=NOW + 9)
    assert (
        refusal.value.ending.reason,
        refusal.value.ending.by,
    ) == (
        Reason.EVICTED,
        "d",
    )


def test_an_item_has_room_for_a_hundred_streams(
    streams: StreamStore, user_id: str
) -> None:
    streams.set_limit(
        user_id,
        limit=100,
        when_full=WhenFull.DENY,
        now=NOW,
    )
    fill(
        streams,
        user_id,
        *(f"s{number}" for number in range(100)),
    )

    with pytest.raises(StreamLimitReached) as refusal:
        streams.start(user_id, asking("one-more"), now=NOW)
    assert len(refusal.value.holders) == 100


def test_a_store_that_does_not_answer_is_unavailable_and_admits_no_stream(
    streams: StreamStore, user_id: str
) -> None:
    with pytest.raises(StoreUnavailable):
        replace(streams, call=unreachable()).start(user_id, asking("a"), now=NOW)


def test_a_missing_table_is_unavailable(
    streams: StreamStore, user_id: str, settings: Any
) -> None:
    settings.DYNAMODB_TABLE = "NoSuchTable"
    with pytest.raises(StoreUnavailable):
        streams.read(user_id, now=NOW)


def test_a_hundred_streams_are_replaced_in_one_write(
    streams: StreamStore, user_id: str
) -> None:
    ids = [f"{number:0128}" for number in range(100)]
    streams.set_limit(
        user_id,
        limit=100,
        when_full=WhenFull.DENY,
        now=NOW,
    )
    fill(streams, user_id, *ids)
    for replaced in (
        ids,
        ids,
    ):  # the second time they are ended already, which does no harm
        streams.start(
            user_id,
            asking("new", replace=tuple(replaced)),
            now=NOW + 200,
        )

    account = streams.read(user_id, now=NOW)
    (live,) = account.live(NOW + 200)
    assert live.id == "new"


def test_all_streams_of_a_user_can_stop_at_the_same_instant(
    streams: StreamStore, user_id: str
) -> None:
    ids = [f"s{number:02}" for number in range(30)]
    streams.set_limit(
        user_id,
        limit=30,
        when_full=WhenFull.DENY,
        now=NOW,
    )
    holds = fill(streams, user_id, *ids)

    now = NOW + 100
    for id in ids:
        reason = streams.stop(user_id, id, hold=holds[id], now=now)
        assert reason is Reason.STOPPED
    assert "s29" in streams.read(user_id, now=NOW).ended

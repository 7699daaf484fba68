"""A write that is delivered twice or late takes effect once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streams.errors import StoreUnavailable
from streams.rules import Reason, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, changed, fill, held, started
from tests.engine.networks import Late, delivered_twice
from tests.engine.verbs import VERBS
from tests.model import ModelStore
from tests.outcomes import outcome

pytestmark = pytest.mark.engine


SCENES = {
    "with room": ("a", "b"),
    "full": ("a", "b", "c"),
}
MOMENTS = {
    "all live": NOW + 10,
    "all expired": NOW + LEASE_MS + 10,
}


@pytest.mark.parametrize("when_full", list(WhenFull))
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("verb", VERBS)
def test_a_write_that_is_sent_twice_reports_the_outcome_of_the_first_send(
    streams: StreamStore,
    user_id: str,
    verb: str,
    scene: str,
    moment: str,
    when_full: WhenFull,
) -> None:
    plans, now = (
        changed(streams.plans, when_full=when_full),
        MOMENTS[moment],
    )
    store, model = (
        replace(streams, plans=plans),
        ModelStore(plans),
    )
    holds = fill(store, user_id, *SCENES[scene])
    fill(model, user_id, *SCENES[scene])
    doubled = replace(store, call=delivered_twice(store.call))
    reported = outcome(lambda: VERBS[verb](doubled, user_id, holds, now))
    expected = outcome(lambda: VERBS[verb](model, user_id, holds, now))

    assert reported == expected
    after, wanted = (
        store.read(user_id, now=now),
        model.read(user_id, now=now),
    )
    assert (after.leases, after.ended, after.limit) == (
        wanted.leases,
        wanted.ended,
        wanted.limit,
    )


@pytest.mark.parametrize("scene", SCENES)
def test_the_token_of_a_start_that_was_sent_twice_renews(
    streams: StreamStore, user_id: str, scene: str
) -> None:
    fill(streams, user_id, *SCENES[scene])
    doubled = replace(streams, call=delivered_twice(streams.call))
    lease = started(doubled, user_id, "a", now=NOW + 5)

    hold = held(lease)
    renewed = streams.renew(user_id, "a", hold=hold, now=NOW + 9)
    assert renewed.epoch == lease.epoch


def test_a_start_that_arrives_after_its_player_stopped_takes_no_slot(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "other")
    late = Late(streams.call)

    with pytest.raises(StoreUnavailable):
        started(replace(streams, call=late), user_id, "tv", now=NOW)
    hold = held(started(streams, user_id, "tv", now=NOW + 5))
    streams.stop(user_id, "tv", hold=hold, now=NOW + 9)
    late.deliver()
    account = streams.read(user_id, now=NOW + 10)
    assert account.leases.keys() == {"other"}


def test_a_start_that_arrives_after_a_second_start_of_its_device_has_no_effect(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "other")
    late = Late(streams.call)

    with pytest.raises(StoreUnavailable):
        started(replace(streams, call=late), user_id, "tv", now=NOW)
    lease = started(streams, user_id, "tv", now=NOW + 5)
    late.deliver()
    hold = held(lease)
    renewed = streams.renew(user_id, "tv", hold=hold, now=NOW + 9)
    assert renewed.epoch == lease.epoch


@pytest.mark.parametrize("by", ["its player", "an operator"])
def test_a_stop_that_arrives_after_its_device_started_again_ends_no_stream(
    streams: StreamStore, user_id: str, by: str
) -> None:
    hold = fill(streams, user_id, "tv")["tv"]
    late = Late(streams.call)

    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).stop(
            user_id,
            "tv",
            hold=hold if by == "its player" else None,
            now=NOW + 1,
        )
    lease = started(streams, user_id, "tv", now=NOW + 5)
    late.deliver()
    assert streams.read(user_id, now=NOW + 9).leases["tv"] == lease


def test_a_heartbeat_that_arrives_late_does_not_move_the_expiry_back(
    streams: StreamStore, user_id: str
) -> None:
    hold = fill(streams, user_id, "tv")["tv"]
    late = Late(streams.call)

    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).renew(user_id, "tv", hold=hold, now=NOW + 100)
    renewed = streams.renew(user_id, "tv", hold=hold, now=NOW + 5000)
    late.deliver()
    assert (
        streams.read(user_id, now=NOW + 5001).leases["tv"].expires_at
        == renewed.expires_at
    )


def test_a_user_can_stop_any_number_of_streams_one_after_the_other(
    streams: StreamStore, user_id: str
) -> None:
    ids = [f"d{number}" for number in range(30)]
    for now, id in enumerate(ids, start=NOW):
        started(streams, user_id, id, now=now)
        streams.stop(user_id, id, hold=None, now=now)

    for now, id in enumerate(ids, start=NOW + 100):
        started(streams, user_id, id, now=now)
        reason = streams.stop(user_id, id, hold=None, now=now)
        assert reason is Reason.STOPPED


Set = Callable[[StreamStore, str, int], Any]
OPERATORS: dict[str, Set] = {
    "set": lambda store, user, now: store.set_limit(
        user, limit=9, when_full=WhenFull.DENY, now=now
    )[0],
    "clear": lambda store, user, now: store.clear_limit(user, now=now),
}


@pytest.mark.parametrize("then", OPERATORS)
@pytest.mark.parametrize("late_one", OPERATORS)
def test_a_change_of_the_limit_that_arrives_after_a_later_one_has_no_effect(
    streams: StreamStore,
    user_id: str,
    late_one: str,
    then: str,
) -> None:
    streams.set_limit(user_id, limit=2, when_full=WhenFull.DENY, now=NOW)
    late = Late(streams.call)

    with pytest.raises(StoreUnavailable):
        OPERATORS[late_one](replace(streams, call=late), user_id, NOW + 1)
    OPERATORS[then](streams, user_id, NOW + 5)
    after = streams.read(user_id, now=NOW + 9)
    late.deliver()
    assert streams.read(user_id, now=NOW + 9) == after


@pytest.mark.parametrize("change", OPERATORS)
def test_the_limit_changes_after_a_server_with_a_fast_clock_changed_it(
    streams: StreamStore, user_id: str, change: str
) -> None:
    streams.set_limit(
        user_id,
        limit=2,
        when_full=WhenFull.DENY,
        now=NOW + 2000,
    )

    assert OPERATORS[change](streams, user_id, NOW).limit == 2
    expected = {"set": 9, "clear": None}
    account = streams.read(user_id, now=NOW)
    assert account.limit == expected[change]


def test_an_erasure_that_arrives_late_keeps_streams_that_started_since(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "tv", now=NOW - 9)
    late = Late(streams.call)

    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).forget(user_id, now=NOW)
    streams.forget(user_id, now=NOW + 1)
    lease = started(streams, user_id, "phone", now=NOW + 5)
    late.deliver()
    account = streams.read(user_id, now=NOW + 9)
    assert account.leases == {"phone": lease}


def test_a_user_is_erased_even_if_a_server_with_a_fast_clock_created_the_item(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "tv", now=NOW + 2000)
    streams.forget(user_id, now=NOW)

    assert streams.read(user_id, now=NOW).leases == {}

"""A write that is delivered twice, or late, comes out once, and what is reported is what happened."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from streams.errors import StoreUnavailable
from streams.rules import Hold, Reason, WhenFull
from streams.storage.store import StreamStore
from streams.storage.table import Call
from tests.builders import changed
from tests.conftest import LEASE_MS, NOW, asking, fill, held
from tests.engine.test_store_agrees_with_rule import outcome
from tests.model import ModelStore

pytestmark = pytest.mark.engine

WRITES = ("UpdateItem", "DeleteItem")


def delivered_twice(call: Call) -> Call:
    """A network that loses the answer to each write that succeeds, so that it is sent once more."""

    def act(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = call(operation, arguments)
        return call(operation, arguments) if operation in WRITES else answer

    return act


class Late:
    """A network that keeps the first write for later, and answers nobody."""

    def __init__(self, call: Call) -> None:
        self.call, self.kept = call, list[tuple[str, Mapping[str, Any]]]()

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if operation not in WRITES:
            return self.call(operation, arguments)
        self.kept.append((operation, arguments))
        raise StoreUnavailable("no answer")

    def deliver(self) -> None:
        for operation, arguments in self.kept:
            with suppress(ClientError):  # its condition does not hold any more
                self.call(operation, arguments)


Verb = Callable[[Any, str, dict[str, Hold], int], Any]
VERBS: dict[str, Verb] = {
    "start": lambda store, user, holds, now: store.start(
        user, asking("new", now=now, nonce="n"), now=now
    ),
    "start in its own slot": lambda store, user, holds, now: store.start(
        user, asking("a", now=now, nonce="n"), now=now
    ),
    "start that replaces": lambda store, user, holds, now: store.start(
        user, asking("new", now=now, nonce="n", replace=("b",)), now=now
    ),
    "renew": lambda store, user, holds, now: store.renew(
        user, "a", hold=holds["a"], now=now
    ),
    "stop": lambda store, user, holds, now: store.stop(
        user, "a", hold=holds["a"], now=now
    ),
    "end": lambda store, user, holds, now: store.stop(user, "b", hold=None, now=now),
    "end all": lambda store, user, holds, now: store.end_all(user, keep="c", now=now),
    "set limit": lambda store, user, holds, now: store.set_limit(
        user, limit=1, when_full=WhenFull.DENY, now=now
    ),
    "clear limit": lambda store, user, holds, now: store.clear_limit(user, now=now),
    "forget": lambda store, user, holds, now: store.forget(user, now=now),
}
SCENES = {"with room": ("a", "b"), "full": ("a", "b", "c")}
MOMENTS = {"all live": NOW + 10, "all expired": NOW + LEASE_MS + 10}


@pytest.mark.parametrize("when_full", list(WhenFull))
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("verb", VERBS)
def test_a_write_that_is_sent_twice_reports_what_happened_the_first_time(
    streams: StreamStore,
    user_id: str,
    verb: str,
    scene: str,
    moment: str,
    when_full: WhenFull,
) -> None:
    policy, now = changed(streams.plans, when_full=when_full), MOMENTS[moment]
    store, model = replace(streams, plans=policy), ModelStore(policy)
    holds = fill(store, user_id, *SCENES[scene])
    fill(model, user_id, *SCENES[scene])  # type: ignore[arg-type]
    doubled = replace(store, call=delivered_twice(store.call))
    reported = outcome(lambda: VERBS[verb](doubled, user_id, holds, now))
    expected = outcome(lambda: VERBS[verb](model, user_id, holds, now))
    assert reported == expected
    after, wanted = store.read(user_id, now=now), model.read(user_id, now=now)
    assert (after.leases, after.ended, after.limit) == (
        wanted.leases,
        wanted.ended,
        wanted.limit,
    )


@pytest.mark.parametrize("scene", SCENES)
def test_the_token_of_a_start_that_was_sent_twice_is_good_for_its_heartbeat(
    streams: StreamStore, user_id: str, scene: str
) -> None:
    fill(streams, user_id, *SCENES[scene])
    doubled = replace(streams, call=delivered_twice(streams.call))
    lease = doubled.start(user_id, asking("a", now=NOW + 5), now=NOW + 5).lease
    assert (
        streams.renew(user_id, "a", hold=held(lease), now=NOW + 9).epoch == lease.epoch
    )


def test_a_start_that_lands_after_its_player_stopped_takes_no_slot(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "other")
    late = Late(streams.call)
    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).start(user_id, asking("tv", now=NOW), now=NOW)
    hold = held(streams.start(user_id, asking("tv", now=NOW + 5), now=NOW + 5).lease)
    streams.stop(user_id, "tv", hold=hold, now=NOW + 9)
    late.deliver()
    assert streams.read(user_id, now=NOW + 10).leases.keys() == {"other"}


def test_a_start_that_lands_after_the_same_device_started_again_takes_nothing_from_it(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "other")
    late = Late(streams.call)
    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).start(user_id, asking("tv", now=NOW), now=NOW)
    lease = streams.start(user_id, asking("tv", now=NOW + 5), now=NOW + 5).lease
    late.deliver()
    assert (
        streams.renew(user_id, "tv", hold=held(lease), now=NOW + 9).epoch == lease.epoch
    )


@pytest.mark.parametrize("by", ["its player", "an operator"])
def test_a_stop_that_lands_after_its_device_started_again_ends_nothing(
    streams: StreamStore, user_id: str, by: str
) -> None:
    hold = fill(streams, user_id, "tv")["tv"]
    late = Late(streams.call)
    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).stop(
            user_id, "tv", hold=hold if by == "its player" else None, now=NOW + 1
        )
    lease = streams.start(user_id, asking("tv", now=NOW + 5), now=NOW + 5).lease
    late.deliver()
    assert streams.read(user_id, now=NOW + 9).leases["tv"] == lease


def test_a_heartbeat_that_lands_late_moves_no_end_back(
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


def test_any_history_of_stops_of_one_user_can_go_on(
    streams: StreamStore, user_id: str
) -> None:
    ids = [f"d{number}" for number in range(30)]
    for now, id in enumerate(ids, start=NOW):
        streams.start(user_id, asking(id, now=now), now=now)
        streams.stop(user_id, id, hold=None, now=now)
    for now, id in enumerate(ids, start=NOW + 100):
        streams.start(user_id, asking(id, now=now), now=now)
        assert streams.stop(user_id, id, hold=None, now=now) is Reason.STOPPED


Set = Callable[[StreamStore, str, int], Any]
OPERATORS: dict[str, Set] = {
    "set": lambda store, user, now: store.set_limit(
        user, limit=9, when_full=WhenFull.DENY, now=now
    )[0],
    "clear": lambda store, user, now: store.clear_limit(user, now=now),
}


@pytest.mark.parametrize("then", OPERATORS)
@pytest.mark.parametrize("late_one", OPERATORS)
def test_a_change_of_the_limit_that_lands_after_a_later_one_changes_nothing(
    streams: StreamStore, user_id: str, late_one: str, then: str
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
def test_the_limit_changes_though_another_server_whose_clock_is_ahead_changed_it_before(
    streams: StreamStore, user_id: str, change: str
) -> None:
    streams.set_limit(user_id, limit=2, when_full=WhenFull.DENY, now=NOW + 2000)
    assert OPERATORS[change](streams, user_id, NOW).limit == 2
    assert streams.read(user_id, now=NOW).limit == {"set": 9, "clear": None}[change]


def test_a_user_who_is_forgotten_late_keeps_what_began_since(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "tv", now=NOW - 9)
    late = Late(streams.call)
    with pytest.raises(StoreUnavailable):
        replace(streams, call=late).forget(user_id, now=NOW)
    streams.forget(user_id, now=NOW + 1)
    lease = streams.start(user_id, asking("phone", now=NOW + 5), now=NOW + 5).lease
    late.deliver()
    assert streams.read(user_id, now=NOW + 9).leases == {"phone": lease}


def test_a_user_is_forgotten_though_a_server_whose_clock_is_ahead_made_the_item(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "tv", now=NOW + 2000)
    streams.forget(user_id, now=NOW)
    assert streams.read(user_id, now=NOW).leases == {}

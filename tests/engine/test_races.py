"""Races, first forced and then hoped for: whatever happens at once, it comes out as if one had gone after the other."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from streams.errors import (
    StoreContended,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
)
from streams.rules import Account, Hold, WhenFull
from streams.storage.store import MAX_ATTEMPTS, StreamStore
from streams.storage.table import Call
from tests.builders import changed, plans_of
from tests.conftest import LEASE_MS, NOW, Calls, asking, fill, held
from tests.engine.test_store_agrees_with_rule import outcome
from tests.model import ModelStore

pytestmark = pytest.mark.engine

Store = StreamStore | ModelStore
Verb = Callable[[Store, str, dict[str, Hold], int, str], Any]

VERBS: dict[str, Verb] = {
    "start": lambda store, user, holds, now, by: store.start(
        user, asking("new", now=now, nonce=by), now=now
    ),
    "start of the same id": lambda store, user, holds, now, by: store.start(
        user, asking("a", now=now, nonce=by), now=now
    ),
    "start that replaces": lambda store, user, holds, now, by: store.start(
        user, asking("new", now=now, nonce=by, replace=("b",)), now=now
    ),
    "renew": lambda store, user, holds, now, by: store.renew(
        user, "a", hold=holds["a"], now=now
    ),
    "renew of another": lambda store, user, holds, now, by: store.renew(
        user, "c", hold=holds["c"], now=now
    ),
    "stop": lambda store, user, holds, now, by: store.stop(
        user, "a", hold=holds["a"], now=now
    ),
    "stop by an operator": lambda store, user, holds, now, by: store.stop(
        user, "b", hold=None, now=now
    ),
    "stop of all but one": lambda store, user, holds, now, by: store.end_all(
        user, keep="c", now=now
    ),
    "limit lowered": lambda store, user, holds, now, by: store.set_limit(
        user, limit=1, when_full=WhenFull.DENY, now=now
    )[0],
    "limit raised": lambda store, user, holds, now, by: store.set_limit(
        user, limit=9, when_full=WhenFull.EVICT_OLDEST, now=now
    )[0],
    "limit cleared": lambda store, user, holds, now, by: store.clear_limit(
        user, now=now
    ),
}
SCENES = {
    "all live": NOW + 10,
    "the first expired": NOW + LEASE_MS,
    "all expired": NOW + 2 * LEASE_MS,
}


def rival_before_write(number: int, rival: Callable[[], None], call: Call) -> Call:
    """A DynamoDB at which a rival acts, once, just before the write of that number goes out."""
    writes = 0

    def act(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal writes
        writes += operation == "UpdateItem"
        if writes == number:
            rival()
        return call(operation, arguments)

    return act


@pytest.mark.parametrize("when_full", list(WhenFull))
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("rival", VERBS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_rival_before_or_between_the_writes_comes_out_as_one_after_the_other(
    streams: StreamStore,
    user_id: str,
    verb: str,
    rival: str,
    scene: str,
    when_full: WhenFull,
) -> None:
    policy, now = changed(streams.plans, when_full=when_full), SCENES[scene]
    for gap in (1, 2):
        user = f"{user_id}-{gap}"
        store, model = replace(streams, plans=policy), ModelStore(policy)
        holds = fill(store, user, "a", "b", "c")
        fill(model, user, "a", "b", "c")  # type: ignore[arg-type]
        acted: list[Any] = []

        def act() -> None:
            acted.append(
                outcome(lambda: VERBS[rival](store, user, holds, now - 1, "rival"))
            )

        first = model.read(user, now=now)
        raced = replace(store, call=rival_before_write(gap, act, store.call))
        result = outcome(lambda: VERBS[verb](raced, user, holds, now, "verb"))  # noqa: B023
        if acted:  # a verb that needs one write has no second gap to act in
            assert acted == [
                outcome(lambda: VERBS[rival](model, user, holds, now - 1, "rival"))
            ]
        expected = outcome(lambda: VERBS[verb](model, user, holds, now, "verb"))  # noqa: B023
        # Two overrides that are alike are one that was sent twice, as far as anyone can tell.
        assert result == expected or (
            verb == rival and verb.startswith("limit") and result == first
        )
        assert store.read(user, now=now) == model.read(user, now=now)
        assert acted or gap == 2 or verb == "limit cleared", (
            "where none was set there is nothing to write"
        )


@pytest.mark.parametrize("rival", ["first start", "limit set"])
def test_a_rival_makes_the_row_of_a_new_user_first(
    streams: StreamStore, user_id: str, rival: str
) -> None:
    def act() -> None:
        if rival == "first start":
            streams.start(user_id, asking("rival"), now=NOW)
        else:
            streams.set_limit(user_id, limit=1, when_full=WhenFull.DENY, now=NOW)

    replace(streams, call=rival_before_write(2, act, streams.call)).start(
        user_id, asking("a"), now=NOW
    )
    assert "a" in streams.read(user_id, now=NOW).leases


def test_a_rival_that_wins_every_time_ends_in_contended_after_a_bounded_number_of_writes(
    streams: StreamStore, user_id: str
) -> None:
    waits: list[float] = []
    fill(streams, user_id, "a", "b", "c")
    later = NOW + LEASE_MS
    writes = 0

    def write_first(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal writes
        writes += 1
        streams.set_limit(
            user_id, limit=3, when_full=list(WhenFull)[writes % 2], now=later
        )
        return streams.call(operation, arguments)

    store = replace(streams, call=write_first, sleep=waits.append, random=lambda: 1.0)
    with pytest.raises(StoreContended):
        store.start(user_id, asking("new"), now=later)
    assert writes == MAX_ATTEMPTS
    assert "new" not in streams.read(user_id, now=later).leases
    assert len(waits) == MAX_ATTEMPTS - 2, "the first retry is immediate"
    assert waits == sorted(waits)
    assert sum(waits) < 3


def hammer(jobs: Sequence[Callable[[], Any]], *, threads: int = 32) -> Counter[str]:
    """Run the jobs on threads that start together; how often each outcome came."""
    jobs = random.Random(7).sample(jobs, len(jobs))
    gate = threading.Barrier(threads)

    def work(share: Sequence[Callable[[], Any]]) -> Counter[str]:
        gate.wait()
        return Counter(run(job) for job in share)

    def run(job: Callable[[], Any]) -> str:
        try:
            job()
        except (
            StreamLimitReached,
            StreamEnded,
            StreamNotFound,
            StoreContended,
        ) as refusal:
            return type(refusal).__name__
        return "done"

    with ThreadPoolExecutor(threads) as pool:
        return sum(
            pool.map(work, [jobs[number::threads] for number in range(threads)]),
            Counter(),
        )


def test_five_thousand_starts_at_once_admit_exactly_the_limit_of_each_user(
    user_id: str,
) -> None:
    store = StreamStore(plans=plans_of(limit=3, lease_ms=LEASE_MS))
    users = [f"{user_id}-{number}" for number in range(100)]
    outcomes = hammer(
        [
            partial(store.start, user, asking(f"s{number}"), now=NOW)
            for user in users
            for number in range(50)
        ]
    )
    assert {
        user: len(store.read(user, now=NOW).live(NOW)) for user in users
    } == dict.fromkeys(users, 3)
    assert outcomes["done"] == 300
    assert (
        outcomes["done"] + outcomes["StreamLimitReached"] + outcomes["StoreContended"]
        == 5000
    )


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_every_verb_at_once_on_a_few_users_never_goes_over(
    user_id: str, when_full: WhenFull
) -> None:
    store = StreamStore(plans=plans_of(limit=2, lease_ms=LEASE_MS, when_full=when_full))
    users, ids = [f"{user_id}-{number}" for number in range(4)], "abcdef"
    seen: list[Account] = []

    def play(user: str, id: str, seed: int) -> None:
        dice = random.Random(seed)
        replace = tuple(dice.sample(ids, dice.choice([0, 0, 1])))
        hold = held(store.start(user, asking(id, replace=replace), now=NOW).lease)
        seen.append(store.read(user, now=NOW))
        store.renew(user, id, hold=hold, now=NOW + 1)
        if dice.random() < 0.7:
            store.stop(user, id, hold=hold, now=NOW + 2)

    jobs = [
        partial(play, user, id, seed)
        for user in users
        for id in ids
        for seed in range(20)
    ]
    outcomes = hammer(jobs, threads=16)
    assert outcomes["done"] > 0
    assert len(seen) > 100
    assert max(len(account.live(NOW)) for account in seen) <= 2


def test_sixty_four_stops_at_once_are_two_calls_each_at_the_most(
    user_id: str, calls: Calls
) -> None:
    """Though there are too many endings to remember, and each stop forgets some."""
    store = StreamStore(plans=plans_of(limit=64, lease_ms=LEASE_MS), call=calls)
    ids = [f"s{number:02}" for number in range(64)]
    holds = fill(store, user_id, *ids)
    calls.made.clear()
    jobs = [
        partial(store.stop, user_id, id, hold=holds[id], now=NOW + 100) for id in ids
    ]
    assert hammer(jobs) == {"done": 64}
    assert len(calls.made) <= 2 * 64
    after = store.read(user_id, now=NOW + 100)
    assert after.leases == {}
    assert 4 <= len(after.ended) < 64

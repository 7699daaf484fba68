"""Races, forced and random: concurrent calls have the effect of some order."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from streams.errors import StoreContended
from streams.rules import Account, Hold, WhenFull
from streams.storage.store import MAX_ATTEMPTS, StreamStore
from tests.builders import LEASE_MS, NOW, asking, changed, fill, held, plans_of
from tests.concurrency import hammer
from tests.dynamodb_clients import Calls
from tests.engine.networks import rival_before_write
from tests.model import ModelStore
from tests.outcomes import outcome

pytestmark = pytest.mark.engine

Store = StreamStore | ModelStore
Verb = Callable[[Store, str, dict[str, Hold], int, str], Any]

VERBS: dict[str, Verb] = {
    "start": lambda store, user, holds, now, by: store.start(
        user,
        asking("new", now=now, nonce=by),
        now=now,
    ),
    "start of the same id": lambda store, user, holds, now, by: store.start(
        user, asking("a", now=now, nonce=by), now=now
    ),
    "start that replaces": lambda store, user, holds, now, by: store.start(
        user,
        asking("new", now=now, nonce=by, replace=("b",)),
        now=now,
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
        user,
        limit=1,
        when_full=WhenFull.DENY,
        now=now,
    )[0],
    "limit raised": lambda store, user, holds, now, by: store.set_limit(
        user,
        limit=9,
        when_full=WhenFull.EVICT_OLDEST,
        now=now,
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


@dataclass
class Race:
    """A verb, with a rival that acts before one of its writes."""

    verb: str
    rival: str
    now: int
    store: StreamStore
    user_id: str
    holds: dict[str, Hold] = field(default_factory=dict)
    rivals: list[Any] = field(default_factory=list)
    """The outcome of the rival, once it has acted."""

    def run(self, gap: int) -> Any:
        """Return the outcome of the verb; the rival acts before write `gap`."""
        self.holds = fill(self.store, self.user_id, "a", "b", "c")
        call = rival_before_write(gap, self.act, self.store.call)
        return self.call(
            self.verb,
            replace(self.store, call=call),
            by="verb",
        )

    def act(self) -> None:
        result = self.call(self.rival, self.store, by="rival")
        self.rivals.append(result)

    def call(self, name: str, store: Store, *, by: str) -> Any:
        now = self.now if by == "verb" else self.now - 1
        act = partial(
            VERBS[name],
            store,
            self.user_id,
            self.holds,
            now,
            by,
        )
        return outcome(act)


@pytest.mark.parametrize("when_full", list(WhenFull))
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("rival", VERBS)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("gap", [1, 2])
def test_a_rival_before_a_write_has_the_effect_of_one_order(
    streams: StreamStore,
    user_id: str,
    gap: int,
    verb: str,
    rival: str,
    scene: str,
    when_full: WhenFull,
) -> None:
    plans = changed(streams.plans, when_full=when_full)
    store = replace(streams, plans=plans)
    race = Race(verb, rival, SCENES[scene], store, user_id)
    result = race.run(gap)

    model = ModelStore(plans)
    fill(model, user_id, "a", "b", "c")
    before = model.read(user_id, now=race.now)
    if race.rivals:  # a verb with one write has no second gap
        assert race.rivals == [race.call(rival, model, by="rival")]
    expected = race.call(verb, model, by="verb")

    # Two equal overrides look like one that was sent twice.
    is_repeat = verb == rival and verb.startswith("limit") and result == before

    assert result == expected or is_repeat
    stored = store.read(user_id, now=race.now)
    assert stored == model.read(user_id, now=race.now)
    writes = verb != "limit cleared"
    assert race.rivals or gap == 2 or not writes, "the verb needs no write"


@pytest.mark.parametrize("rival", ["first start", "limit set"])
def test_a_rival_creates_the_item_of_a_new_user_first(
    streams: StreamStore, user_id: str, rival: str
) -> None:
    def act() -> None:
        if rival == "first start":
            streams.start(user_id, asking("rival"), now=NOW)
        else:
            streams.set_limit(
                user_id,
                limit=1,
                when_full=WhenFull.DENY,
                now=NOW,
            )

    replace(
        streams,
        call=rival_before_write(2, act, streams.call),
    ).start(user_id, asking("a"), now=NOW)

    assert "a" in streams.read(user_id, now=NOW).leases


def test_a_rival_that_always_writes_first_ends_in_contended(
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
            user_id,
            limit=3,
            when_full=list(WhenFull)[writes % 2],
            now=later,
        )
        return streams.call(operation, arguments)

    store = replace(
        streams,
        call=write_first,
        sleep=waits.append,
        random=lambda: 1.0,
    )

    with pytest.raises(StoreContended):
        store.start(user_id, asking("new"), now=later)
    assert writes == MAX_ATTEMPTS
    assert "new" not in streams.read(user_id, now=later).leases
    assert len(waits) == MAX_ATTEMPTS - 2, "the first retry is immediate"
    assert waits == sorted(waits)
    assert sum(waits) < 3


def test_five_thousand_concurrent_starts_admit_exactly_the_limit_of_each_user(
    user_id: str,
) -> None:
    store = StreamStore(plans=plans_of())
    users = [f"{user_id}-{number}" for number in range(100)]
    outcomes = hammer(
        [
            partial(
                store.start,
                user,
                asking(f"s{number}"),
                now=NOW,
            )
            for user in users
            for number in range(50)
        ]
    )

    for user in users:
        account = store.read(user, now=NOW)
        assert len(account.live(NOW)) == 3
    assert outcomes["done"] == 300
    assert (
        outcomes["done"] + outcomes["StreamLimitReached"] + outcomes["StoreContended"]
        == 5000
    )


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_all_verbs_at_once_on_a_few_users_stay_within_the_limit(
    user_id: str, when_full: WhenFull
) -> None:
    store = StreamStore(
        plans=plans_of(
            limit=2,
            lease_ms=LEASE_MS,
            when_full=when_full,
        )
    )
    users, ids = (
        [f"{user_id}-{number}" for number in range(4)],
        "abcdef",
    )
    seen: list[Account] = []

    def play(user: str, id: str, seed: int) -> None:
        dice = random.Random(seed)
        count = dice.choice([0, 0, 1])
        request = asking(id, replace=dice.sample(ids, count))
        admission = store.start(user, request, now=NOW)
        hold = held(admission.lease)
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


def test_sixty_four_concurrent_stops_are_at_most_two_calls_each(
    user_id: str, calls: Calls
) -> None:
    """The item has no room for all endings, so each stop drops some."""
    store = StreamStore(
        plans=plans_of(limit=64, lease_ms=LEASE_MS),
        call=calls,
    )
    ids = [f"s{number:02}" for number in range(64)]
    holds = fill(store, user_id, *ids)
    calls.made.clear()
    jobs = [
        partial(
            store.stop,
            user_id,
            id,
            hold=holds[id],
            now=NOW + 100,
        )
        for id in ids
    ]

    assert hammer(jobs) == {"done": 64}
    assert len(calls.made) <= 2 * 64
    after = store.read(user_id, now=NOW + 100)
    assert after.leases == {}
    assert 4 <= len(after.ended) < 64

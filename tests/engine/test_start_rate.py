"""A cheat who hoards tokens, on a real engine.

At most as many of its tokens verify at a moment as the bound says, however many players
it starts at once. `tests/unit/rules/test_start_rate.py` tests the rule.
"""

import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from streams.errors import (
    InvalidToken,
    StoreContended,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)
from streams.rules import Hold, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, changed, held, plans_of, started
from tests.dynamodb_clients import Calls
from tests.engine.networks import delivered_twice
from tests.unit.rules.test_start_rate import BURST, INTERVAL_MS, PLANS, TOKEN_MS, bound

pytestmark = pytest.mark.engine

REFUSED = (
    InvalidToken,
    StoreContended,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)


@dataclass
class Instants:
    """A clock that advances at each reading."""

    step: int
    now: int = NOW
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self) -> int:
        with self.lock:
            self.now += self.step
            return self.now


def most_at_a_moment(
    tokens: Iterable[tuple[int, int]],
) -> int:
    """Return how many playbacks have a valid token at the moment when most have.

    `tokens` are playbacks, by their epoch, and when each token was issued.
    """
    given = sorted((now, epoch) for epoch, now in tokens)
    return max(
        len({epoch for now, epoch in given if end - TOKEN_MS < now <= end})
        for end, _ in given
    )


def cheat(
    store: StreamStore,
    user_id: str,
    clock: Instants,
    seed: int,
    acts: int,
) -> list[tuple[int, int]]:
    """Run one of the cheat's threads and return the tokens that it got."""
    dice, holds, tokens = (
        random.Random(seed),
        dict[str, Hold](),
        list[tuple[int, int]](),
    )
    for _ in range(acts):
        now, id = clock.tick(), dice.choice("abcdefgh")
        try:
            verb = dice.choice(
                [
                    "start",
                    "start",
                    "start",
                    "replace",
                    "renew",
                    "stop",
                    "end",
                ]
            )
            if verb in ("start", "replace"):
                named = dice.sample("abcdefgh", 2) if verb == "replace" else ()
                epoch = now * 1000 + dice.randrange(1000)
                lease = store.start(
                    user_id,
                    asking(
                        id,
                        now=now,
                        epoch=epoch,
                        replace=named,
                    ),
                    now=now,
                ).lease
            elif verb == "end" or id not in holds:
                store.stop(user_id, id, hold=None, now=now)
                continue
            elif verb == "stop":
                store.stop(user_id, id, hold=holds[id], now=now)
                continue
            else:
                lease = store.renew(user_id, id, hold=holds[id], now=now)
        except REFUSED:
            continue
        holds[id] = held(lease)
        tokens.append((lease.epoch, now))

    return tokens


@pytest.mark.parametrize(
    ("limit", "when_full"),
    [
        (1, WhenFull.EVICT_OLDEST),
        (3, WhenFull.DENY),
        (6, WhenFull.DENY),
    ],
)
def test_sixty_four_threads_stay_within_the_bound_of_valid_tokens(
    user_id: str, limit: int, when_full: WhenFull
) -> None:
    store = StreamStore(
        plans=changed(PLANS, limit=limit, when_full=when_full),
        sleep=lambda seconds: None,
    )
    clock = Instants(step=200)
    with ThreadPoolExecutor(64) as pool:
        shares = pool.map(
            lambda seed: cheat(store, user_id, clock, seed, acts=4),
            range(64),
        )
        tokens = [token for share in shares for token in share]

    assert BURST < most_at_a_moment(tokens) <= bound(limit)


def test_a_random_cheat_whose_streams_expire_and_revive_stays_within_the_bound(
    user_id: str,
) -> None:
    store = StreamStore(plans=PLANS, sleep=lambda seconds: None)
    for seed, step in enumerate([INTERVAL_MS // 3, INTERVAL_MS, LEASE_MS // 8]):
        tokens = cheat(
            store,
            f"{user_id}-{seed}",
            Instants(step=step),
            seed,
            acts=40,
        )
        assert most_at_a_moment(tokens) <= bound(3)


def test_a_start_that_is_paid_for_is_one_call_and_one_within_the_burst_two(
    user_id: str, calls: Calls
) -> None:
    store = StreamStore(plans=PLANS, call=calls)
    store.start(user_id, asking("tv"), now=NOW)
    for now, expected in (
        (NOW + 5000, 1),
        (NOW + 10_000, 1),
        (NOW + 10_001, 2),
    ):
        calls.made.clear()
        started(store, user_id, "tv", now=now)
        assert calls.operations == ["UpdateItem"] * expected


def test_a_start_above_the_rate_is_refused_in_one_call_without_a_write(
    user_id: str, calls: Calls
) -> None:
    store = StreamStore(plans=PLANS, call=calls)
    for _ in range(BURST):
        store.start(user_id, asking("tv"), now=NOW)

    before = store.read(user_id, now=NOW)
    calls.made.clear()

    with pytest.raises(TooManyStarts) as refusal:
        started(store, user_id, "tv", now=NOW + 1)
    assert refusal.value.retry_at == NOW + INTERVAL_MS
    assert calls.operations == ["UpdateItem"]
    assert store.read(user_id, now=NOW) == before


def test_a_repeat_of_a_start_is_charged_once(
    user_id: str,
) -> None:
    store = StreamStore(plans=PLANS)
    doubled = replace(store, call=delivered_twice(store.call))
    for number, now in enumerate((NOW, NOW + 1, NOW + 2), start=1):
        started(doubled, user_id, "tv", now=now)
        assert (
            store.read(user_id, now=now).theoretical_arrival_at
            == NOW + number * INTERVAL_MS
        )


def test_a_change_of_the_limit_does_not_refill_the_start_rate(
    user_id: str,
) -> None:
    store = StreamStore(plans=PLANS)
    for _ in range(BURST):
        store.start(user_id, asking("tv"), now=NOW)

    store.set_limit(user_id, limit=5, when_full=WhenFull.DENY, now=NOW)
    store.clear_limit(user_id, now=NOW)
    store.end_all(user_id, keep=None, now=NOW)

    with pytest.raises(TooManyStarts):
        started(store, user_id, "tv", now=NOW + 1)


def test_an_interval_of_zero_allows_any_rate_of_starts(
    user_id: str, calls: Calls
) -> None:
    store = StreamStore(plans=plans_of(), call=calls)
    for now in range(NOW, NOW + 30):
        started(store, user_id, "tv", now=now)

    assert len(calls.made) == 31
    assert store.read(user_id, now=NOW).theoretical_arrival_at == 0


def test_servers_with_and_without_a_start_rate_share_items(
    user_id: str,
) -> None:
    """Both exist during a deployment."""
    charging, free = (
        StreamStore(plans=PLANS),
        StreamStore(plans=plans_of()),
    )
    free.start(user_id, asking("tv"), now=NOW)
    started(charging, user_id, "phone", now=NOW + 1)
    paid_until = charging.read(user_id, now=NOW).theoretical_arrival_at

    assert paid_until == NOW + 1 + INTERVAL_MS
    started(free, user_id, "tv", now=NOW + 2)
    assert free.read(user_id, now=NOW).theoretical_arrival_at == paid_until

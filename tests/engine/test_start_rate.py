"""A cheat who hoards tokens, on a real engine: however many players it starts at once, no more of its tokens verify at
a moment than the bound says. `tests/unit/rules/test_start_rate.py` has the rule's side of it."""

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
from tests.builders import changed, plans_of
from tests.conftest import LEASE_MS, NOW, Calls, asking, held
from tests.engine.test_repeats import delivered_twice
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
    """An instant for whoever asks, each later than the one before."""

    step: int
    now: int = NOW
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self) -> int:
        with self.lock:
            self.now += self.step
            return self.now


def most_at_a_moment(tokens: Iterable[tuple[int, int]]) -> int:
    """How many playbacks have a token that verifies, at the moment when most have. `tokens` are playbacks, by their
    epoch, and when each token was given out."""
    given = sorted((now, epoch) for epoch, now in tokens)
    return max(
        len({epoch for now, epoch in given if end - TOKEN_MS < now <= end})
        for end, _ in given
    )


def cheat(
    store: StreamStore, user_id: str, clock: Instants, seed: int, acts: int
) -> list[tuple[int, int]]:
    """One of the cheat's threads: the tokens that it got."""
    dice, holds, tokens = (
        random.Random(seed),
        dict[str, Hold](),
        list[tuple[int, int]](),
    )
    for _ in range(acts):
        now, id = clock.tick(), dice.choice("abcdefgh")
        try:
            verb = dice.choice(
                ["start", "start", "start", "replace", "renew", "stop", "end"]
            )
            if verb in ("start", "replace"):
                named = dice.sample("abcdefgh", 2) if verb == "replace" else ()
                epoch = now * 1000 + dice.randrange(1000)
                lease = store.start(
                    user_id, asking(id, now=now, epoch=epoch, replace=named), now=now
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
    [(1, WhenFull.EVICT_OLDEST), (3, WhenFull.DENY), (6, WhenFull.DENY)],
)
def test_sixty_four_threads_hoard_no_more_tokens_than_the_bound(
    user_id: str, limit: int, when_full: WhenFull
) -> None:
    store = StreamStore(
        plans=changed(PLANS, limit=limit, when_full=when_full),
        sleep=lambda seconds: None,
    )
    clock = Instants(step=200)
    with ThreadPoolExecutor(64) as pool:
        shares = pool.map(
            lambda seed: cheat(store, user_id, clock, seed, acts=4), range(64)
        )
        tokens = [token for share in shares for token in share]
    assert BURST < most_at_a_moment(tokens) <= bound(limit)


def test_a_random_cheat_whose_streams_die_and_revive_hoards_no_more_tokens_than_the_bound(
    user_id: str,
) -> None:
    store = StreamStore(plans=PLANS, sleep=lambda seconds: None)
    for seed, step in enumerate([INTERVAL_MS // 3, INTERVAL_MS, LEASE_MS // 8]):
        tokens = cheat(store, f"{user_id}-{seed}", Instants(step=step), seed, acts=40)
        assert most_at_a_moment(tokens) <= bound(3)


def test_a_start_that_is_paid_for_is_one_call_and_one_of_a_burst_two(
    user_id: str, calls: Calls
) -> None:
    store = StreamStore(plans=PLANS, call=calls)
    store.start(user_id, asking("tv"), now=NOW)
    for now, expected in ((NOW + 5000, 1), (NOW + 10_000, 1), (NOW + 10_001, 2)):
        calls.made.clear()
        store.start(user_id, asking("tv", now=now), now=now)
        assert calls.operations == ["UpdateItem"] * expected


def test_a_start_too_many_is_refused_in_one_call_and_writes_nothing(
    user_id: str, calls: Calls
) -> None:
    store = StreamStore(plans=PLANS, call=calls)
    for _ in range(BURST):
        store.start(user_id, asking("tv"), now=NOW)
    before = store.read(user_id, now=NOW)
    calls.made.clear()
    with pytest.raises(TooManyStarts) as refusal:
        store.start(user_id, asking("tv", now=NOW + 1), now=NOW + 1)
    assert refusal.value.retry_at == NOW + INTERVAL_MS
    assert calls.operations == ["UpdateItem"]
    assert store.read(user_id, now=NOW) == before


def test_a_start_whose_answer_was_lost_and_that_is_sent_again_is_charged_once(
    user_id: str,
) -> None:
    store = StreamStore(plans=PLANS)
    doubled = replace(store, call=delivered_twice(store.call))
    for number, now in enumerate((NOW, NOW + 1, NOW + 2), start=1):
        doubled.start(user_id, asking("tv", now=now), now=now)
        assert (
            store.read(user_id, now=now).theoretical_arrival_at
            == NOW + number * INTERVAL_MS
        )


def test_an_operator_who_sets_a_limit_gives_no_starts_back(user_id: str) -> None:
    store = StreamStore(plans=PLANS)
    for _ in range(BURST):
        store.start(user_id, asking("tv"), now=NOW)
    store.set_limit(user_id, limit=5, when_full=WhenFull.DENY, now=NOW)
    store.clear_limit(user_id, now=NOW)
    store.end_all(user_id, keep=None, now=NOW)
    with pytest.raises(TooManyStarts):
        store.start(user_id, asking("tv", now=NOW + 1), now=NOW + 1)


def test_with_an_interval_of_zero_streams_start_as_fast_as_they_like(
    user_id: str, calls: Calls
) -> None:
    store = StreamStore(plans=plans_of(limit=3, lease_ms=LEASE_MS), call=calls)
    for now in range(NOW, NOW + 30):
        store.start(user_id, asking("tv", now=now), now=now)
    assert len(calls.made) == 31
    assert store.read(user_id, now=NOW).theoretical_arrival_at == 0


def test_starts_are_charged_from_the_first_that_finds_the_bucket_on_and_kept_while_it_is_off(
    user_id: str,
) -> None:
    """Servers with and without it, as while a deployment goes on, write the same items."""
    charging, free = (
        StreamStore(plans=PLANS),
        StreamStore(plans=plans_of(limit=3, lease_ms=LEASE_MS)),
    )
    free.start(user_id, asking("tv"), now=NOW)
    charging.start(user_id, asking("phone", now=NOW + 1), now=NOW + 1)
    paid_until = charging.read(user_id, now=NOW).theoretical_arrival_at
    assert paid_until == NOW + 1 + INTERVAL_MS
    free.start(user_id, asking("tv", now=NOW + 2), now=NOW + 2)
    assert free.read(user_id, now=NOW).theoretical_arrival_at == paid_until

"""The start rate, and the number of a user's tokens that it bounds."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import rules
from streams.errors import (
    InvalidToken,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)
from streams.rules import Account, Hold, Plans, StartRate, WhenFull
from tests.builders import LEASE_MS, NOW, asking, changed, held, plans_of
from tests.model import ModelStore

BURST, INTERVAL_MS, TOKEN_MS = 6, 3637, 40_000
"""The defaults of the service for leases of a minute.

A token is valid until 20 s after the next heartbeat.
"""
PLANS = plans_of(
    limit=3,
    lease_ms=LEASE_MS,
    start_rate=StartRate(burst=BURST, interval_ms=INTERVAL_MS),
)


def bound(limit: int) -> int:
    """Return how many tokens of a user may be valid at one moment."""
    return limit + BURST + TOKEN_MS // INTERVAL_MS + 1


class Cheat:
    """A player that keeps every token.

    The token of a heartbeat admits the same playback as the one before, so
    playbacks are counted.
    """

    def __init__(self, plans: Plans = PLANS) -> None:
        self.store, self.now = ModelStore(plans), NOW
        self.holds: dict[str, Hold] = {}
        self.good_until: dict[tuple[str, int], int] = {}
        self.most = 0

    def act(
        self,
        verb: str,
        id: str,
        replaced: Sequence[str] = (),
    ) -> bool:
        """Return whether the call succeeded."""
        try:
            if verb == "start":
                request = asking(id, now=self.now, replace=replaced)
                lease = self.store.start("ana", request, now=self.now).lease
            elif verb == "renew":
                lease = self.store.renew(
                    "ana",
                    id,
                    hold=self.holds[id],
                    now=self.now,
                )
            else:
                self.store.stop("ana", id, hold=None, now=self.now)
                return True
        except (
            InvalidToken,
            StreamEnded,
            StreamLimitReached,
            StreamNotFound,
            TooManyStarts,
        ):
            return False

        self.holds[id] = held(lease)
        self.good_until[id, lease.epoch] = min(self.now + TOKEN_MS, lease.expires_at)
        valid = sum(self.now < until for until in self.good_until.values())
        self.most = max(self.most, valid)
        return True


def started(account: Account, *instants: int, plans: Plans = PLANS) -> Account:
    """Return the account after the same device started at these instants."""
    for now in instants:
        account, _ = rules.start(
            account,
            asking("tv", now=now),
            now=now,
            plans=plans,
        )
    return account


def test_a_burst_of_starts_is_allowed_back_to_back_and_the_next_must_wait() -> None:
    account = started(Account(version=1), *[NOW] * BURST)

    with pytest.raises(TooManyStarts) as refusal:
        started(account, NOW)
    assert refusal.value.retry_at == NOW + INTERVAL_MS
    with pytest.raises(TooManyStarts):
        started(account, NOW + INTERVAL_MS - 1)
    again = started(account, NOW + INTERVAL_MS)
    with pytest.raises(TooManyStarts):
        started(again, NOW + INTERVAL_MS)


def test_the_burst_is_available_again_after_a_rest() -> None:
    account = started(Account(version=1), *[NOW] * BURST)
    later = NOW + BURST * INTERVAL_MS
    rested = started(account, *[later] * BURST)

    assert rested.theoretical_arrival_at == later + BURST * INTERVAL_MS


def test_a_viewer_who_zaps_every_five_seconds_never_waits() -> None:
    account = Account(version=1)
    for now in range(NOW, NOW + 3_600_000, 5000):
        assert account.theoretical_arrival_at < now, "a blind write requires this"
        account = started(account, now)


def test_thirty_zaps_at_three_seconds_wait_at_most_once_for_three_seconds() -> None:
    account, waits = Account(version=1), []
    for now in range(NOW, NOW + 30 * 3000, 3000):
        try:
            account = started(account, now)
        except TooManyStarts as refusal:
            waits.append(refusal.retry_at - now)

    assert len(waits) <= 1
    assert all(wait <= 3000 for wait in waits)


def test_denials_endings_and_heartbeats_are_not_charged() -> None:
    cheat = Cheat()
    for id in ("a", "b", "c"):
        assert cheat.act("start", id)

    before = cheat.store.read("ana", now=NOW).theoretical_arrival_at
    for _ in range(50):
        assert not cheat.act("start", "d")
        assert cheat.act("renew", "a")

    assert cheat.act("stop", "b")
    after = cheat.store.read("ana", now=NOW).theoretical_arrival_at
    assert after == before == NOW + 3 * INTERVAL_MS


def test_a_denial_by_the_limit_takes_precedence_over_the_start_rate() -> None:
    account = started(Account(version=1), *[NOW] * BURST)
    with pytest.raises(StreamLimitReached):
        rules.start(
            account,
            asking("phone"),
            now=NOW,
            plans=changed(PLANS, limit=1),
        )


@pytest.mark.parametrize(
    ("interval_ms", "retry_at"),
    [
        (0, NOW + LEASE_MS),
        (LEASE_MS - 1, NOW + LEASE_MS),
        (LEASE_MS + 1, NOW + LEASE_MS + 1),
    ],
)
def test_a_denial_names_the_latest_time_of_the_limit_and_the_start_rate(
    interval_ms: int, retry_at: int
) -> None:
    rate = StartRate(burst=1, interval_ms=interval_ms)
    store = ModelStore(replace(changed(PLANS, limit=1), start_rate=rate))
    store.start("ana", asking("a"), now=NOW)

    with pytest.raises(StreamLimitReached) as denial:
        store.start("ana", asking("b"), now=NOW + 5)
    assert denial.value.retry_at == retry_at


def test_without_a_start_rate_a_fence_does_not_delay_a_retry() -> None:
    store = ModelStore(replace(changed(PLANS, limit=1), start_rate=StartRate()))
    store.start("ana", asking("a"), now=NOW)
    fenced_until = NOW + 2 * LEASE_MS
    account = store.accounts["ana"]
    store.accounts["ana"] = replace(account, theoretical_arrival_at=fenced_until)

    with pytest.raises(StreamLimitReached) as denial:
        store.start("ana", asking("b"), now=NOW + 5)
    assert denial.value.retry_at == NOW + LEASE_MS


def test_a_revival_is_not_charged() -> None:
    cheat = Cheat()
    cheat.act("start", "a")
    before = cheat.store.read("ana", now=NOW).theoretical_arrival_at
    cheat.now += LEASE_MS + 1000

    assert cheat.act("renew", "a")
    assert cheat.store.read("ana", now=NOW).theoretical_arrival_at == before


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_the_most_patient_cheat_holds_no_more_valid_tokens_than_the_bound(
    limit: int,
) -> None:
    """It fills its slots, rests until the burst is available, and renews its tokens.

    Then it takes over its slots as fast as it can.
    """
    cheat = Cheat(changed(PLANS, limit=limit))
    for number in range(limit):
        cheat.act("start", f"d{number}")
        cheat.now += BURST * INTERVAL_MS
        for id in list(cheat.holds):
            cheat.act("renew", id)

    until = cheat.now + 2 * TOKEN_MS
    while cheat.now < until:
        while cheat.act("start", f"d{cheat.now % limit}"):
            pass
        cheat.now += INTERVAL_MS // 8

    assert cheat.most <= bound(limit)
    assert cheat.most >= bound(limit) - 2, "the bound is not too large"


CALLS = st.tuples(
    st.sampled_from(["start", "start", "start", "renew", "stop"]),
    st.sampled_from("abcd"),
    st.lists(st.sampled_from("abcd"), max_size=2),
    st.sampled_from(
        [
            0,
            0,
            0,
            1,
            500,
            INTERVAL_MS - 1,
            INTERVAL_MS,
            10_000,
            TOKEN_MS,
            LEASE_MS,
        ]
    ),
)


@given(
    limit=st.integers(1, 4),
    when_full=st.sampled_from(WhenFull),
    calls=st.lists(CALLS, max_size=80),
)
@settings(max_examples=150, deadline=None)
def test_no_order_of_calls_exceeds_the_bound(
    limit: int,
    when_full: WhenFull,
    calls: list[tuple[str, str, list[str], int]],
) -> None:
    cheat = Cheat(changed(PLANS, limit=limit, when_full=when_full))
    for verb, id, replaced, pause in calls:
        cheat.now += pause
        if verb != "renew" or id in cheat.holds:
            cheat.act(verb, id, replaced)

    assert cheat.most <= bound(limit)


def test_a_grace_lease_is_charged_but_never_refused() -> None:
    account = started(Account(version=1), *[NOW] * BURST)
    grace = replace(asking("phone", now=NOW + 1), is_grace=True)
    after, _ = rules.start(account, grace, now=NOW + 1, plans=PLANS)
    expected = account.theoretical_arrival_at + INTERVAL_MS

    assert after.theoretical_arrival_at == expected


def test_without_an_interval_starts_are_neither_charged_nor_refused() -> None:
    free = changed(PLANS, start_rate=StartRate())
    account = Account(version=1, theoretical_arrival_at=NOW - 5)
    after = started(account, *[NOW] * 50, plans=free)

    assert after.theoretical_arrival_at == NOW - 5

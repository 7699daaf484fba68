"""How fast streams may start one after the other, and so how many tokens of a user verify at a moment."""

from collections.abc import Sequence

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
from tests.builders import changed, plans_of
from tests.conftest import LEASE_MS, NOW, asking, held
from tests.model import ModelStore

BURST, INTERVAL_MS, TOKEN_MS = 6, 3637, 40_000
"""The defaults of the service for leases of a minute: a token lives for the next heartbeat and twenty seconds."""
PLANS = plans_of(
    limit=3,
    lease_ms=LEASE_MS,
    start_rate=StartRate(burst=BURST, interval_ms=INTERVAL_MS),
)


def bound(limit: int) -> int:
    """How many tokens of a user may verify at a moment."""
    return limit + BURST + TOKEN_MS // INTERVAL_MS + 1


class Cheat:
    """A player that keeps every token it is given. Heartbeats bring new ones for the same playback, which opens no
    door that the one before did not: what is counted are playbacks."""

    def __init__(self, policy: Plans = PLANS) -> None:
        self.store, self.now = ModelStore(policy), NOW
        self.holds: dict[str, Hold] = {}
        self.good_until: dict[tuple[str, int], int] = {}
        self.most = 0

    def act(self, verb: str, id: str, replaced: Sequence[str] = ()) -> bool:
        """Whether it was done."""
        try:
            if verb == "start":
                started = self.store.start(
                    "ana", asking(id, now=self.now, replace=replaced), now=self.now
                )
                lease = started.lease
            elif verb == "renew":
                lease = self.store.renew("ana", id, hold=self.holds[id], now=self.now)
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
        self.most = max(
            self.most, sum(self.now < until for until in self.good_until.values())
        )
        return True


def started(account: Account, *instants: int, policy: Plans = PLANS) -> Account:
    """The account after the same device started at these instants."""
    for now in instants:
        account, _ = rules.start(account, asking("tv", now=now), now=now, plans=policy)
    return account


def test_as_many_starts_as_the_burst_may_follow_at_once_and_the_next_is_told_when() -> (
    None
):
    account = started(Account(version=1), *[NOW] * BURST)
    with pytest.raises(TooManyStarts) as refusal:
        started(account, NOW)
    assert refusal.value.retry_at == NOW + INTERVAL_MS
    with pytest.raises(TooManyStarts):
        started(account, NOW + INTERVAL_MS - 1)
    again = started(account, NOW + INTERVAL_MS)
    with pytest.raises(TooManyStarts):
        started(again, NOW + INTERVAL_MS)


def test_after_a_while_of_rest_the_burst_is_there_again() -> None:
    account = started(Account(version=1), *[NOW] * BURST)
    later = NOW + BURST * INTERVAL_MS
    assert (
        started(account, *[later] * BURST).theoretical_arrival_at
        == later + BURST * INTERVAL_MS
    )


def test_a_viewer_who_zaps_every_five_seconds_never_waits() -> None:
    account = Account(version=1)
    for now in range(NOW, NOW + 3_600_000, 5000):
        assert account.theoretical_arrival_at < now, "what a blind write asks for"
        account = started(account, now)


def test_of_thirty_zaps_every_three_seconds_at_most_one_is_asked_to_wait_and_by_no_more_than_three_seconds() -> (
    None
):
    account, waits = Account(version=1), []
    for now in range(NOW, NOW + 30 * 3000, 3000):
        try:
            account = started(account, now)
        except TooManyStarts as refusal:
            waits.append(refusal.retry_at - now)
    assert len(waits) <= 1
    assert all(wait <= 3000 for wait in waits)


def test_a_denial_an_end_and_a_heartbeat_cost_nothing() -> None:
    cheat = Cheat()
    for id in ("a", "b", "c"):
        assert cheat.act("start", id)
    before = cheat.store.read("ana", now=NOW).theoretical_arrival_at
    for _ in range(50):
        assert not cheat.act("start", "d")
        assert cheat.act("renew", "a")
    assert cheat.act("stop", "b")
    assert (
        cheat.store.read("ana", now=NOW).theoretical_arrival_at
        == before
        == NOW + 3 * INTERVAL_MS
    )


def test_who_would_be_denied_anyway_is_told_who_holds_the_slots() -> None:
    account = started(Account(version=1), *[NOW] * BURST)
    with pytest.raises(StreamLimitReached):
        rules.start(account, asking("phone"), now=NOW, plans=changed(PLANS, limit=1))


def test_a_stream_that_is_revived_is_no_new_one() -> None:
    cheat = Cheat()
    cheat.act("start", "a")
    before = cheat.store.read("ana", now=NOW).theoretical_arrival_at
    cheat.now += LEASE_MS + 1000
    assert cheat.act("renew", "a")
    assert cheat.store.read("ana", now=NOW).theoretical_arrival_at == before


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_the_most_patient_cheat_holds_no_more_tokens_that_verify_than_the_bound(
    limit: int,
) -> None:
    """It fills its slots, waits until the burst is there again, has the tokens of its slots renewed, and then starts in
    their places as fast as it may."""
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
    assert cheat.most >= bound(limit) - 2, "the bound is no larger than it has to be"


ACTS = st.tuples(
    st.sampled_from(["start", "start", "start", "renew", "stop"]),
    st.sampled_from("abcd"),
    st.lists(st.sampled_from("abcd"), max_size=2),
    st.sampled_from(
        [0, 0, 0, 1, 500, INTERVAL_MS - 1, INTERVAL_MS, 10_000, TOKEN_MS, LEASE_MS]
    ),
)


@given(
    limit=st.integers(1, 4),
    when_full=st.sampled_from(WhenFull),
    acts=st.lists(ACTS, max_size=80),
)
@settings(max_examples=150, deadline=None)
def test_no_order_of_starts_stops_revivals_and_replacements_beats_the_bound(
    limit: int, when_full: WhenFull, acts: list[tuple[str, str, list[str], int]]
) -> None:
    cheat = Cheat(changed(PLANS, limit=limit, when_full=when_full))
    for verb, id, replaced, pause in acts:
        cheat.now += pause
        if verb != "renew" or id in cheat.holds:
            cheat.act(verb, id, replaced)
    assert cheat.most <= bound(limit)

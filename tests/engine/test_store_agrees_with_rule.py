"""The store and the pure rule never disagree, whatever is asked of them in whatever order."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.errors import InvalidToken, StreamEnded, StreamLimitReached, StreamNotFound, TooManyStarts
from streams.rules import Admission, Hold, Policy, Reason, WhenFull
from streams.storage.store import StreamStore
from tests.conftest import NOW, asking, held
from tests.model import ModelStore

LEASE_MS = 10_000
IDS = st.sampled_from(["tv", "phone", "tablet", "B", "a.b:c@d"])
WHEN_FULL = st.sampled_from(WhenFull)


def outcome(verb: Callable[[], Any]) -> Any:
    """What came of it: the value, or the refusal with its facts."""
    try:
        return verb()
    except StreamLimitReached as refusal:
        return "denied", refusal.limit, refusal.holders, refusal.retry_at
    except StreamEnded as refusal:
        return "ended", refusal.ending, refusal.by
    except TooManyStarts as refusal:
        return "too many", refusal.retry_at
    except StreamNotFound:
        return "not found"
    except InvalidToken:
        return "old token"


class StoreAndRule(RuleBasedStateMachine):
    """Every step is taken by both; then everything kept of the user must be the same, to the version."""

    @initialize(limit=st.integers(0, 4), when_full=WHEN_FULL, interval_ms=st.sampled_from([0, 0, LEASE_MS // 3]))
    def begin(self, limit: int, when_full: WhenFull, interval_ms: int) -> None:
        policy = Policy(limit=limit, lease_ms=LEASE_MS, when_full=when_full, mint_burst=3, mint_interval_ms=interval_ms)
        self.user_id, self.now = str(uuid.uuid4()), NOW
        self.holds: dict[str, list[Hold]] = {}
        self.store, self.model = StreamStore(policy=policy), ModelStore(policy)

    def both(self, verb: str, *arguments: Any, **options: Any) -> Any:
        real, pure = (
            outcome(lambda: getattr(side, verb)(self.user_id, *arguments, now=self.now, **options))  # noqa: B023
            for side in (self.store, self.model)
        )
        assert real == pure
        return real

    @rule(
        id=IDS,
        replace=st.dictionaries(IDS, st.sampled_from(["any", "this", "another"]), max_size=2),
        entitlement=st.none() | st.integers(0, 4),
        is_late=st.booleans(),
    )
    def start(self, id: str, replace: dict[str, str], entitlement: int | None, is_late: bool) -> None:
        before = self.model.read(self.user_id, now=self.now)
        epoch = next(iter(self.holds.get(id, [])), Hold(epoch=1)).epoch if is_late else None
        named = {other: self.epoch_of(other, which) for other, which in replace.items()}
        result = self.both("start", asking(id, replace=named, entitlement=entitlement, epoch=epoch))
        live = self.model.read(self.user_id, now=self.now).live(self.now)
        if isinstance(result, Admission):
            limit = before.policy(self.model.policy, entitlement).limit
            is_within = len(live) <= (len(before.live(self.now)) if result.lease.took_over else limit)
            assert is_within, "an admission left the user over the limit"
            known = [hold.epoch for hold in self.holds.get(id, [])] if id in before.leases.keys() | before.ended else []
            assert result.lease.epoch > max(known, default=0), "an epoch went back"
            self.holds.setdefault(id, []).append(held(result.lease))
        else:
            assert live == before.live(self.now), "a denial changed something"

    def epoch_of(self, id: str, which: str) -> int | None:
        lease = self.model.read(self.user_id, now=self.now).leases.get(id)
        return None if which == "any" or lease is None else lease.epoch + (which == "another")

    @rule(id=IDS, age=st.integers(0, 2))
    def renew(self, id: str, age: int) -> None:
        holds = self.holds.get(id, [Hold(epoch=1, expires_at=NOW)])
        place = max(0, len(holds) - 1 - age)
        hold = holds[place]
        lease = self.model.read(self.user_id, now=self.now).leases.get(id)
        result = self.both("renew", id, hold=hold)
        if lease and lease.is_live(self.now) and lease.epoch == hold.epoch and result != "old token":
            assert result.expires_at >= max(self.now + LEASE_MS, lease.expires_at), "a holder did not renew"
            if place == len(holds) - 1:
                holds[place] = held(result)
        if hold.epoch != holds[-1].epoch:
            assert result == "not found" or result[0] == "ended", "a fenced player renewed"

    @rule(id=IDS, is_held=st.booleans(), age=st.integers(0, 1))
    def stop(self, id: str, is_held: bool, age: int) -> None:
        holds = self.holds.get(id, [Hold(epoch=1, expires_at=NOW)])
        hold = holds[max(0, len(holds) - 1 - age)] if is_held else None
        account = self.model.read(self.user_id, now=self.now)
        ending = account.ended.get(id)
        if id not in account.leases and ending and (ending.reason, ending.at) == (Reason.STOPPED, self.now):
            # Two stops of one instant are one that was sent twice, as far as anyone can tell.
            assert self.store.stop(self.user_id, id, hold=hold, now=self.now) in (Reason.STOPPED, None)
        else:
            self.both("stop", id, hold=hold)

    @rule(keep=st.none() | IDS)
    def end_all(self, keep: str | None) -> None:
        self.both("end_all", keep=keep)

    @rule()
    def forget(self) -> None:
        for side in (self.store, self.model):
            side.forget(self.user_id, now=self.now)
        self.holds.clear()

    @rule(limit=st.integers(0, 4), when_full=WHEN_FULL)
    def set_limit(self, limit: int, when_full: WhenFull) -> None:
        self.both("set_limit", limit=limit, when_full=when_full)

    @rule()
    def clear_limit(self) -> None:
        self.both("clear_limit")

    @rule(step=st.sampled_from([1, LEASE_MS // 3, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1]))
    def time_passes(self, step: int) -> None:
        self.now += step

    @rule()
    def time_goes_on_to_the_next_expiry(self) -> None:
        ends = [lease.expires_at for lease in self.model.read(self.user_id, now=self.now).live(self.now)]
        self.now = min(ends, default=self.now)

    @rule(step=st.integers(1, LEASE_MS))
    def another_server_with_a_slow_clock_takes_over(self, step: int) -> None:
        self.now -= step

    @invariant()
    def everything_kept_is_the_same(self) -> None:
        if hasattr(self, "store"):
            self.both("read")


StoreAndRule.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.engine
class TestStoreAgreesWithRule(StoreAndRule.TestCase):  # type: ignore[misc,valid-type]
    """Run by pytest."""

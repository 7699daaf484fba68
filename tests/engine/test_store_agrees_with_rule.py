"""The store and the pure rule never disagree, whatever is asked of them in whatever order."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.errors import StreamEnded, StreamLimitReached, StreamNotFound
from streams.rules import Admission, Policy, WhenFull
from streams.storage.store import StreamStore
from tests.conftest import NOW, asking
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
        return "ended", refusal.ending
    except StreamNotFound:
        return "not found"


class StoreAndRule(RuleBasedStateMachine):
    """Every step is taken by both; then everything kept of the user must be the same, to the version."""

    @initialize(limit=st.integers(0, 4), when_full=WHEN_FULL)
    def begin(self, limit: int, when_full: WhenFull) -> None:
        policy = Policy(limit=limit, lease_ms=LEASE_MS, when_full=when_full)
        self.user_id, self.now = str(uuid.uuid4()), NOW
        self.epochs: dict[str, list[int]] = {}
        self.store, self.model = StreamStore(policy=policy), ModelStore(policy)

    def both(self, verb: str, *arguments: Any, **options: Any) -> Any:
        real, pure = (
            outcome(lambda: getattr(side, verb)(self.user_id, *arguments, now=self.now, **options))  # noqa: B023
            for side in (self.store, self.model)
        )
        assert real == pure
        return real

    @rule(id=IDS, replace=st.sets(IDS, max_size=2), entitlement=st.none() | st.integers(0, 4))
    def start(self, id: str, replace: set[str], entitlement: int | None) -> None:
        before = self.model.read(self.user_id, now=self.now)
        result = self.both("start", asking(id, replace=tuple(replace), entitlement=entitlement))
        live = self.model.read(self.user_id, now=self.now).live(self.now)
        if isinstance(result, Admission):
            limit = before.policy(self.model.policy, entitlement).limit
            is_within = len(live) <= (len(before.live(self.now)) if result.took_over else limit)
            assert is_within, "an admission left the user over the limit"
            assert result.lease.epoch > max(self.epochs.get(id, [0])), "an epoch went back"
            self.epochs.setdefault(id, []).append(result.lease.epoch)
        else:
            assert live == before.live(self.now), "a denial changed something"

    @rule(id=IDS, age=st.integers(0, 2))
    def renew(self, id: str, age: int) -> None:
        epochs = self.epochs.get(id, [1])
        epoch = epochs[max(0, len(epochs) - 1 - age)]
        lease = self.model.read(self.user_id, now=self.now).leases.get(id)
        result = self.both("renew", id, epoch=epoch)
        if lease and lease.is_live(self.now) and lease.epoch == epoch:
            assert result.expires_at == self.now + LEASE_MS, "a holder did not renew"
        if epoch != epochs[-1]:
            assert result == "not found" or result[0] == "ended", "a fenced player renewed"

    @rule(id=IDS, with_epoch=st.booleans(), age=st.integers(0, 1))
    def stop(self, id: str, with_epoch: bool, age: int) -> None:
        epochs = self.epochs.get(id, [1])
        self.both("stop", id, epoch=epochs[max(0, len(epochs) - 1 - age)] if with_epoch else None)

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
class TestStoreAgreesWithRule(StoreAndRule.TestCase):  # type: ignore[misc, valid-type]
    """Run by pytest."""

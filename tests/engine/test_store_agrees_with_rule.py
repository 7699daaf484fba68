"""The store agrees with the pure rule for every sequence of calls."""

import uuid
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.rules import (
    Account,
    Admission,
    Entitlement,
    Hold,
    Lease,
    Plan,
    Plans,
    Reason,
    StartRate,
    WhenFull,
)
from streams.storage.store import StreamStore
from tests.builders import NOW, asking, held
from tests.engine.oracle import broken_by
from tests.engine.strategies import FIELDS, IDS, LEASE_MS, PLANS, WHEN_FULL, any_plan
from tests.model import ModelStore
from tests.outcomes import outcome

UNKNOWN = Hold(epoch=1, expires_at=NOW)
"""A claim to a playback that never was."""


class StoreAndRule(RuleBasedStateMachine):
    """Each step runs on both; then both must store the same account and version."""

    @initialize(
        plan=any_plan(),
        small=st.none() | any_plan(name="small"),
        is_shadowed=st.booleans(),
        interval_ms=st.sampled_from([0, 0, LEASE_MS // 3]),
    )
    def begin(
        self,
        plan: Plan,
        small: Plan | None,
        is_shadowed: bool,
        interval_ms: int,
    ) -> None:
        plans = Plans(
            default=plan,
            named={"small": small} if small else {},
            start_rate=StartRate(burst=3, interval_ms=interval_ms),
        )
        self.user_id = str(uuid.uuid4())
        self.now = NOW
        self.holds: dict[str, list[Hold]] = {}
        self.store = StreamStore(plans=plans, is_shadowed=is_shadowed)
        self.model = ModelStore(plans)

    # --- the calls ----------------------------------------------------------------

    @rule(
        id=IDS,
        replace=st.dictionaries(
            IDS,
            st.sampled_from(["any", "this", "another"]),
            max_size=2,
        ),
        entitlement=st.none() | st.integers(0, 4),
        plan=st.sampled_from([None, None, *PLANS]),
        fields=FIELDS,
        is_late=st.booleans(),
    )
    def start(
        self,
        id: str,
        replace: dict[str, str],
        entitlement: int | None,
        plan: str | None,
        fields: dict[str, Any],
        is_late: bool,
    ) -> None:
        before = self.account
        first_hold, *_ = self.holds.get(id, [Hold(epoch=1)])
        seen = {other: self.epoch_of(other, replace[other]) for other in replace}
        request = asking(
            id,
            replace=seen,
            entitlement=entitlement,
            plan=plan,
            epoch=first_hold.epoch if is_late else None,
            **fields,
        )

        result = self.both("start", request)
        if isinstance(result, Admission):
            self.check_admission(
                before,
                result,
                Entitlement(entitlement, plan),
            )
            hold = held(result.lease)
            self.holds.setdefault(id, []).append(hold)
        else:
            unchanged = before.live(self.now)
            assert self.account.live(self.now) == unchanged, "a denial changed it"

    @rule(
        id=IDS,
        age=st.integers(0, 2),
        is_paused=st.sampled_from([False, False, True]),
    )
    def renew(self, id: str, age: int, is_paused: bool) -> None:
        before = self.account
        holds = self.holds.get(id, [UNKNOWN])
        place = max(0, len(holds) - 1 - age)
        hold = holds[place]

        result = self.both("renew", id, hold=hold, is_paused=is_paused)

        lease = before.leases.get(id)
        is_live = lease is not None and lease.is_live(self.now)
        if lease and is_live and lease.epoch == hold.epoch and result != "old token":
            self.check_renewal(lease, result, is_paused=is_paused)
            if place == len(holds) - 1:
                holds[place] = held(result)
        if lease and not is_live and isinstance(result, Lease):
            self.check_revival(before, lease, result)
        if hold.epoch != holds[-1].epoch:
            is_refused = result == "not found" or result[0] == "ended"
            assert is_refused, "a fenced player renewed"

    @rule(
        id=IDS,
        is_held=st.booleans(),
        age=st.integers(0, 1),
    )
    def stop(self, id: str, is_held: bool, age: int) -> None:
        holds = self.holds.get(id, [UNKNOWN])
        position = max(0, len(holds) - 1 - age)
        hold = holds[position] if is_held else None

        if self.was_stopped_now(id):
            # Two stops of one instant look like one that was sent twice.
            reason = self.store.stop(self.user_id, id, hold=hold, now=self.now)
            assert reason in (Reason.STOPPED, None)
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

    @rule(
        limit=st.none() | st.integers(0, 4),
        plan=st.sampled_from(PLANS),
        when_full=st.none() | WHEN_FULL,
        end_surplus=st.booleans(),
    )
    def set_limit(
        self,
        limit: int | None,
        plan: str | None,
        when_full: WhenFull | None,
        end_surplus: bool,
    ) -> None:
        if limit is None and plan is None:
            return
        self.both(
            "set_limit",
            limit=limit,
            plan=plan,
            when_full=when_full,
            end_surplus=end_surplus,
        )
        if end_surplus:
            self.check_surplus()

    @rule()
    def clear_limit(self) -> None:
        self.both("clear_limit")

    # --- the clock ----------------------------------------------------------------

    @rule(
        step=st.sampled_from(
            [
                1,
                LEASE_MS // 3,
                LEASE_MS - 1,
                LEASE_MS,
                LEASE_MS + 1,
            ]
        )
    )
    def time_passes(self, step: int) -> None:
        self.now += step

    @rule()
    def time_passes_until_the_next_expiry(self) -> None:
        expiries = [lease.expires_at for lease in self.account.live(self.now)]
        self.now = min(expiries, default=self.now)

    @rule(step=st.integers(1, LEASE_MS))
    def a_server_with_a_slower_clock_continues(self, step: int) -> None:
        self.now -= step

    # --- checks -------------------------------------------------------------------

    @invariant()
    def both_store_the_same(self) -> None:
        if hasattr(self, "store"):
            self.both("read")

    @property
    def account(self) -> Account:
        return self.model.read(self.user_id, now=self.now)

    def both(self, verb: str, *arguments: Any, **options: Any) -> Any:
        """Call the store and the model, which must agree, and return the outcome."""
        outcomes = []
        for side in (self.store, self.model):
            call = partial(
                getattr(side, verb),
                self.user_id,
                *arguments,
            )
            outcomes.append(outcome(partial(call, now=self.now, **options)))

        stored, expected = outcomes

        assert stored == expected
        return stored

    def epoch_of(self, id: str, which: str) -> int | None:
        lease = self.account.leases.get(id)
        if which == "any" or lease is None:
            return None
        return lease.epoch + (which == "another")

    def was_stopped_now(self, id: str) -> bool:
        ending = self.account.ended.get(id)
        if ending is None or id in self.account.leases:
            return False
        return ending.reason is Reason.STOPPED and ending.at == self.now

    def check_admission(
        self,
        before: Account,
        admission: Admission,
        entitlement: Entitlement,
    ) -> None:
        lease = admission.lease
        live = self.account.live(self.now)
        plan = before.effective_plan(self.model.plans, entitlement)
        own = before.leases.get(lease.id) if lease.took_over else None

        live_before = before.live(self.now)
        allowed = len(live_before) if lease.took_over else plan.limit

        assert len(live) <= allowed, "an admission left the user above the limit"
        assert not broken_by(lease, own, live, plan), "an admission broke a rule"

        is_known = lease.id in before.leases.keys() | before.ended
        holds = self.holds.get(lease.id, []) if is_known else []
        earlier = max((hold.epoch for hold in holds), default=0)
        assert lease.epoch > earlier, "an epoch decreased"

    def check_renewal(
        self,
        lease: Lease,
        renewed: Lease,
        *,
        is_paused: bool,
    ) -> None:
        assert renewed.expires_at >= lease.expires_at, "an expiry moved back"
        is_extended = renewed.expires_at >= self.now + LEASE_MS // 2

        assert is_paused or is_extended, "a holder did not renew"

    def check_revival(
        self,
        before: Account,
        lease: Lease,
        revived: Lease,
    ) -> None:
        live = before.live(self.now)
        others = [other for other in live if other.id != lease.id]
        plan = before.effective_plan(self.model.plans, lease.entitlement)

        assert len(others) < plan.limit, "a revival exceeded the limit"
        broken = broken_by(revived, None, [*others, revived], plan)
        assert not broken, "a revival broke a rule"

    def check_surplus(self) -> None:
        leases = self.account.leases.values()
        if any(lease.entitlement.limit for lease in leases):
            return
        if any(lease.entitlement.plan for lease in leases):
            return
        limit = self.account.effective_plan(self.model.plans).limit

        assert len(self.account.live(self.now)) <= limit, "a surplus continues"


StoreAndRule.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.engine
class TestStoreAgreesWithRule(StoreAndRule.TestCase):  # type: ignore[misc,valid-type]
    """The state machine as a test of pytest."""

"""The store and the pure rule never disagree, whatever is asked of them in whatever order."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace as replace_
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.errors import (
    InvalidToken,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)
from streams.rules import (
    Admission,
    Entitlement,
    Hold,
    Lease,
    Plan,
    Plans,
    Reason,
    Rule,
    StartRate,
    WhenFull,
)
from streams.storage.store import StreamStore
from tests.conftest import NOW, asking, held
from tests.model import ModelStore

LEASE_MS = 10_000
IDS = st.sampled_from(["tv", "phone", "tablet", "B", "a.b:c@d"])
WHEN_FULL = st.sampled_from(WhenFull)


def broken_by(
    lease: Lease, was: Lease | None, live: list[Lease], policy: Plan
) -> list[str]:
    """The rules that this stream, among the live ones, breaks and that its playback before did not break already:
    counted anew, without a line of the rule's."""

    def has(lease: Lease, attribute: str) -> str | None:
        values = {
            "streamId": lease.stream_id,
            "deviceType": lease.device_type,
            "network": lease.network,
        }
        found = (
            lease.metadata.get("kids")
            if attribute == "metadata.kids"
            else values[attribute]
        )
        return None if found is None else json.dumps(found).removesuffix(".0")

    def counts(rule: Rule, lease: Lease) -> bool:
        for attribute, values in rule.where.items():
            if has(lease, attribute) not in [json.dumps(value) for value in values]:
                return False
        return has(lease, rule.per or rule.distinct or "streamId") is not None

    broken = []
    for one in policy.rules if policy.limit else ():
        by = one.per or one.distinct
        if (
            was
            and counts(one, was)
            and counts(one, lease)
            and (not by or has(was, by) == has(lease, by))
        ):
            continue
        values = [has(other, by) if by else "" for other in live if counts(one, other)]
        number = (
            len(set(values))
            if one.distinct
            else values.count(has(lease, by) if by else "")
        )
        if counts(one, lease) and number > one.limit:
            broken.append(one.name)
    return broken


def outcome(verb: Callable[[], Any]) -> Any:
    """What came of it: the value, or the refusal with its facts."""
    try:
        return verb()
    except StreamLimitReached as refusal:
        return (
            "denied",
            refusal.limit,
            refusal.plan,
            refusal.rule,
            refusal.holders,
            refusal.retry_at,
        )
    except StreamEnded as refusal:
        return "ended", refusal.ending, refusal.by
    except TooManyStarts as refusal:
        return "too many", refusal.retry_at
    except StreamNotFound:
        return "not found"
    except InvalidToken:
        return "old token"


PLANS = ["small", "forgotten", None]
TYPES = ["tv", "phone", None]
FILMS = ["one", "two"]
ATTRIBUTES = st.sampled_from(["streamId", "deviceType", "network", "metadata.kids"])
RULES = st.builds(
    Rule,
    name=st.sampled_from(["first", "second"]),
    limit=st.integers(0, 3),
    where=st.just({})
    | st.sampled_from(
        [{"deviceType": ("tv",)}, {"metadata.kids": (True, 2)}, {"streamId": ("one",)}]
    ),
) | st.tuples(st.sampled_from(["per", "distinct"]), ATTRIBUTES, st.integers(1, 3)).map(
    lambda parts: replace_(Rule(name="values", limit=parts[2]), **{parts[0]: parts[1]})  # type: ignore[arg-type]
)
FIELDS = st.fixed_dictionaries(
    {
        "stream_id": st.sampled_from(FILMS),
        "device_type": st.sampled_from(TYPES),
        "network": st.sampled_from(["here", "there", "far"]),
        "metadata": st.sampled_from([{}, {"kids": True}, {"kids": 1}, {"kids": 2.0}]),
    }
)
MANY = st.lists(RULES, max_size=2).map(tuple)


def policies(**more: Any) -> st.SearchStrategy[Plan]:
    """Plans of any kind, most of them without rules."""
    return st.builds(
        Plan,
        limit=st.integers(0, 4),
        lease_ms=st.sampled_from([LEASE_MS, LEASE_MS, LEASE_MS // 2]),
        when_full=WHEN_FULL,
        rules=st.just(()) | MANY,
        relaxed_lease_ms=st.none() | st.just(3 * LEASE_MS),
        paused_ms=st.none() | st.just(4 * LEASE_MS),
        **{name: st.just(value) for name, value in more.items()},
    )


class StoreAndRule(RuleBasedStateMachine):
    """Every step is taken by both; then everything kept of the user must be the same, to the version."""

    @initialize(
        policy=policies(),
        small=st.none() | policies(name="small"),
        is_shadowed=st.booleans(),
        interval_ms=st.sampled_from([0, 0, LEASE_MS // 3]),
    )
    def begin(
        self, policy: Plan, small: Plan | None, is_shadowed: bool, interval_ms: int
    ) -> None:
        plans = Plans(
            default=policy,
            named={"small": small} if small else {},
            start_rate=StartRate(burst=3, interval_ms=interval_ms),
        )
        self.user_id, self.now = str(uuid.uuid4()), NOW
        self.holds: dict[str, list[Hold]] = {}
        self.store, self.model = (
            StreamStore(plans=plans, is_shadowed=is_shadowed),
            ModelStore(plans),
        )

    def both(self, verb: str, *arguments: Any, **options: Any) -> Any:
        real, pure = (
            outcome(
                lambda: getattr(side, verb)(
                    self.user_id, *arguments, now=self.now, **options
                )
            )
            for side in (self.store, self.model)
        )
        assert real == pure
        return real

    @rule(
        id=IDS,
        replace=st.dictionaries(
            IDS, st.sampled_from(["any", "this", "another"]), max_size=2
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
        before = self.model.read(self.user_id, now=self.now)
        epoch = (
            next(iter(self.holds.get(id, [])), Hold(epoch=1)).epoch if is_late else None
        )
        named = {other: self.epoch_of(other, which) for other, which in replace.items()}
        result = self.both(
            "start",
            asking(
                id,
                replace=named,
                entitlement=entitlement,
                plan=plan,
                epoch=epoch,
                **fields,
            ),
        )
        live = self.model.read(self.user_id, now=self.now).live(self.now)
        if isinstance(result, Admission):
            policy = before.effective_plan(
                self.model.plans, Entitlement(entitlement, plan)
            )
            limit = policy.limit
            is_within = len(live) <= (
                len(before.live(self.now)) if result.lease.took_over else limit
            )
            assert is_within, "an admission left the user over the limit"
            own = before.leases.get(id)
            was = own if result.lease.took_over else None
            assert not broken_by(result.lease, was, live, policy), (
                "an admission broke a rule"
            )
            known = (
                [hold.epoch for hold in self.holds.get(id, [])]
                if id in before.leases.keys() | before.ended
                else []
            )
            assert result.lease.epoch > max(known, default=0), "an epoch went back"
            self.holds.setdefault(id, []).append(held(result.lease))
        else:
            assert live == before.live(self.now), "a denial changed something"

    def epoch_of(self, id: str, which: str) -> int | None:
        lease = self.model.read(self.user_id, now=self.now).leases.get(id)
        return (
            None
            if which == "any" or lease is None
            else lease.epoch + (which == "another")
        )

    @rule(
        id=IDS, age=st.integers(0, 2), is_paused=st.sampled_from([False, False, True])
    )
    def renew(self, id: str, age: int, is_paused: bool) -> None:
        holds = self.holds.get(id, [Hold(epoch=1, expires_at=NOW)])
        place = max(0, len(holds) - 1 - age)
        hold = holds[place]
        lease = self.model.read(self.user_id, now=self.now).leases.get(id)
        others = [
            other
            for other in self.model.read(self.user_id, now=self.now).live(self.now)
            if other.id != id
        ]
        result = self.both("renew", id, hold=hold, is_paused=is_paused)
        if (
            lease
            and lease.is_live(self.now)
            and lease.epoch == hold.epoch
            and result != "old token"
        ):
            assert result.expires_at >= lease.expires_at, "an end moved back"
            assert is_paused or result.expires_at >= self.now + LEASE_MS // 2, (
                "a holder did not renew"
            )
            if place == len(holds) - 1:
                holds[place] = held(result)
        if lease and not lease.is_live(self.now) and isinstance(result, Lease):
            policy = self.model.read(self.user_id, now=self.now).effective_plan(
                self.model.plans, lease.entitlement
            )
            assert len(others) < policy.limit, "a revival went over the limit"
            assert not broken_by(result, None, [*others, result], policy), (
                "a revival broke a rule"
            )
        if hold.epoch != holds[-1].epoch:
            assert result == "not found" or result[0] == "ended", (
                "a fenced player renewed"
            )

    @rule(id=IDS, is_held=st.booleans(), age=st.integers(0, 1))
    def stop(self, id: str, is_held: bool, age: int) -> None:
        holds = self.holds.get(id, [Hold(epoch=1, expires_at=NOW)])
        hold = holds[max(0, len(holds) - 1 - age)] if is_held else None
        account = self.model.read(self.user_id, now=self.now)
        ending = account.ended.get(id)
        if (
            id not in account.leases
            and ending
            and (ending.reason, ending.at) == (Reason.STOPPED, self.now)
        ):
            # Two stops of one instant are one that was sent twice, as far as anyone can tell.
            assert self.store.stop(self.user_id, id, hold=hold, now=self.now) in (
                Reason.STOPPED,
                None,
            )
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
        account = self.model.read(self.user_id, now=self.now)
        if end_surplus and not any(
            lease.entitlement.limit for lease in account.leases.values()
        ):
            assert len(account.live(self.now)) <= account.effective_plan(
                self.model.plans
            ).limit or any(
                lease.entitlement.plan for lease in account.leases.values()
            ), "a surplus goes on"

    @rule()
    def clear_limit(self) -> None:
        self.both("clear_limit")

    @rule(
        step=st.sampled_from([1, LEASE_MS // 3, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1])
    )
    def time_passes(self, step: int) -> None:
        self.now += step

    @rule()
    def time_goes_on_to_the_next_expiry(self) -> None:
        ends = [
            lease.expires_at
            for lease in self.model.read(self.user_id, now=self.now).live(self.now)
        ]
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

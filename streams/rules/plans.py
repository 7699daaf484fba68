"""Plans: how many streams a user may hold, of which kind, for how long a lease lasts, and what happens when full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from streams.rules.accounts import Lease

FREE_TO_RELAX = 2  # slots, for a relaxed lease
BLIND_AT_MOST = 60  # comparisons of some 35 bytes, beside those of a plan: DynamoDB takes a condition of 4 KB
FACTS = {
    "streamId": "stream_id",
    "deviceId": "device_id",
    "deviceType": "device_type",
    "network": "network",
}
"""What rules may look at, by its field of a lease; and `metadata.` with a name in it."""


NO_MATTER_HOW_MANY = 10**6


class WhenFull(StrEnum):
    """What a start does when every slot is taken."""

    DENY = "deny"
    EVICT_OLDEST = "evict-oldest"


class Entitlement(NamedTuple):
    """What the viewer's own bearer token grants."""

    limit: int | None = None
    plan: str | None = None


NOTHING_GRANTED = Entitlement()


class Pace(NamedTuple):
    """How long a lease the next heartbeat asks for, provided that no more than `among` leases are stored by then."""

    lease_ms: int
    among: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At most so many of the live streams that match `where`: an attribute to the values it may have, all of them to
    match. With `per`, of those that share its value; with `distinct`, so many values of it. A stream that lacks an
    attribute which the rule names is not counted."""

    name: str
    limit: int
    where: Mapping[str, tuple[str | int | float | bool, ...]] = field(
        default_factory=dict
    )
    per: str | None = None
    distinct: str | None = None
    message: str | None = None

    @property
    def looked_at(self) -> set[str]:
        """The attributes that it names."""
        return {name for name in (*self.where, self.per, self.distinct) if name}

    def group(self, lease: Lease) -> Any:
        """What the rule counts a stream with or as; None when it does not count it."""
        if any(
            fact(lease, name) not in map(_exact, values)
            for name, values in self.where.items()
        ):
            return None
        by = self.per or self.distinct
        return fact(lease, by) if by else True

    def against(self, lease: Lease, others: Iterable[Lease]) -> list[list[Lease]]:
        """What holds the rule's places against a start of `lease`, each entry one: a stream, or where values are
        counted, all streams of another value than its own."""
        own = self.group(lease)
        places: dict[Any, list[Lease]] = {}
        for other in others:
            group = self.group(other)
            if group is not None and (group == own) is not bool(self.distinct):
                places.setdefault(group if self.distinct else other.id, []).append(
                    other
                )
        return list(places.values())


@dataclass(
    frozen=True, kw_only=True
)  # without slots, so that what follows from it is worked out once
class Policy:
    """A plan. A paused stream keeps its slot for `paused_ms`, or for as long as it sends heartbeats. The default one
    knows the others, by name, and how fast streams may start one after the other: `mint_burst` at once, then one every
    `mint_interval_ms`, or as fast as they like at 0."""

    limit: int
    lease_ms: int
    when_full: WhenFull = WhenFull.DENY
    name: str = "default"
    relaxed_lease_ms: int | None = None
    paused_ms: int | None = None
    rules: tuple[Rule, ...] = ()
    plans: Mapping[str, Policy] = field(default_factory=dict)
    mint_burst: int = 1
    mint_interval_ms: int = 0

    @cached_property
    def longest_ms(self) -> int:
        """The longest that a lease may last, under any plan."""
        return max(
            max(plan.lease_ms, plan.relaxed_lease_ms or 0, plan.paused_ms or 0)
            for plan in self.all
        )

    @cached_property
    def all(self) -> tuple[Policy, ...]:
        """This plan and those that it knows."""
        return (self, *self.plans.values())

    @cached_property
    def is_paced(self) -> bool:
        """Whether a heartbeat may ask for another lease than the default plan's."""
        return any(
            plan.relaxed_lease_ms or plan.lease_ms != self.lease_ms for plan in self.all
        )

    @cached_property
    def ways_to_refuse(self) -> tuple[Rule, ...]:
        """The rules, and the limit as one without a name. It comes last: room that a rule needs is room for all."""
        return (*(self.rules if self.limit else ()), Rule(name="", limit=self.limit))

    def counting(self, lease: Lease) -> tuple[list[str], int]:
        """What the rules that count a stream look at, and the lowest limit of theirs."""
        rules = [rule for rule in self.rules if rule.group(lease) is not None]
        names = {name for rule in rules for name in rule.looked_at}
        return sorted(names), min(
            (rule.limit for rule in rules), default=NO_MATTER_HOW_MANY
        )

    def blind(self, entitlement: Entitlement, *, replaced: int) -> list[Policy]:
        """The plans that a start may be written under without knowing which of them is the user's: the first is the one
        that holds unless another is stored, all give a lease as long, and they fit, beside what is replaced."""
        first = self.plans.get(entitlement.plan or "", self)
        others = (
            ()
            if entitlement.plan
            else [
                plan for plan in self.plans.values() if plan.lease_ms == first.lease_ms
            ]
        )
        sizes = accumulate(
            (3 + sum(len(rule.looked_at) for rule in plan.rules) for plan in others),
            initial=replaced,
        )
        return [
            first,
            *(
                plan
                for plan, size in zip(others, sizes, strict=False)
                if size <= BLIND_AT_MOST
            ),
        ]

    def knows(self, plan: str | None) -> bool:
        """Whether there is a plan of that name; no name is that of the default."""
        return plan in (None, self.name) or plan in self.plans


def fact(lease: Lease, attribute: str) -> Any:
    """What a stream has for an attribute, to be compared; None where it has none."""
    of, _, name = attribute.partition(".")
    return _exact(
        lease.metadata.get(name) if of == "metadata" else getattr(lease, FACTS[of])
    )


def _exact(value: str | float | None) -> Any:
    """Tells true from 1, which Python does not."""
    return None if value is None else (isinstance(value, bool), value)

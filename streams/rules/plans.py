"""Plans: how many streams a user may hold, of which kind, and for how long."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from streams.rules.leases import Entitlement, Lease

MIN_FREE_SLOTS_TO_RELAX = 2
UNLIMITED = 10**6

MAX_LATENESS_MS = 12_000
"""Longest time between the `now` of a call and another server's clock.

A call is judged up to 8 s after it arrived, and correct clocks differ by less than
2 s. A value that is later than this allows comes from a wrong clock.
"""

MAX_SKEW_MS = 2000
"""The clocks of two servers differ by less than this."""
MAX_LEASE_MS = 3_600_000
"""Longest lease of a playing stream that a plan can have."""
MAX_PAUSED_MS = 86_400_000
"""Longest pause that a plan can have, and so the longest lease of any release."""

MAX_BLIND_COMPARISONS = 60
"""A condition holds at most 4 KB and a comparison takes about 35 bytes."""

ATTRIBUTES = {
    "streamId": "stream_id",
    "deviceId": "device_id",
    "deviceType": "device_type",
    "network": "network",
}
"""Attributes that a rule may examine, with their fields of a lease.

A rule may also examine `metadata.` followed by a key.
"""


class WhenFull(StrEnum):
    """Behaviour of a start when every slot is taken."""

    DENY = "deny"
    EVICT_OLDEST = "evict-oldest"


def when_full_of(stored: str) -> WhenFull:
    """Return how a stored text decides. One of another release counts as `deny`."""
    return WhenFull(stored) if stored in WhenFull else WhenFull.DENY


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A limit on the live streams whose attributes match `where`.

    `where` maps an attribute to its allowed values; a stream must match all of
    them. `per` limits the streams that share a value. `distinct` limits the
    number of different values. A stream that lacks an attribute is not counted.
    """

    name: str
    limit: int
    where: Mapping[str, tuple[str | int | float | bool, ...]] = field(
        default_factory=dict
    )
    per: str | None = None
    distinct: str | None = None
    message: str | None = None

    @property
    def attributes(self) -> set[str]:
        """The attributes that this rule examines."""
        names = (*self.where, self.per, self.distinct)
        return {name for name in names if name}

    def group(self, lease: Lease) -> Any:
        """Return the value by which the rule counts a stream, or None."""
        for name, allowed in self.where.items():
            if attribute(lease, name) not in map(_typed, allowed):
                return None

        grouped_by = self.per or self.distinct
        return attribute(lease, grouped_by) if grouped_by else True

    def counts(self, lease: Lease) -> bool:
        """Return whether the rule counts a stream."""
        return self.group(lease) is not None

    def places_taken(self, lease: Lease, others: Iterable[Lease]) -> list[list[Lease]]:
        """Return the places that others hold when `lease` starts.

        A place is one stream. For a `distinct` rule it is all streams that
        share a value, except the value of `lease`, which adds no place.
        """
        own_group = self.group(lease)
        places: dict[Any, list[Lease]] = {}

        for other in others:
            group = self.group(other)
            if group is None:
                continue

            is_same_group = group == own_group
            if self.distinct and not is_same_group:
                places.setdefault(group, []).append(other)
            elif not self.distinct and is_same_group:
                places[other.id] = [other]

        return list(places.values())

    def is_full(self, lease: Lease, others: Iterable[Lease]) -> bool:
        """Return whether the rule has no place left for `lease`."""
        return len(self.places_taken(lease, others)) >= self.limit


@dataclass(frozen=True, kw_only=True)  # no slots: cached_property needs __dict__
class Plan:
    """A named limit with rules.

    A paused stream keeps its slot for `paused_ms`. Without that value it keeps
    the slot for as long as it sends heartbeats.
    """

    limit: int
    lease_ms: int
    when_full: WhenFull = WhenFull.DENY
    name: str = "default"
    relaxed_lease_ms: int | None = None
    paused_ms: int | None = None
    rules: tuple[Rule, ...] = ()

    @cached_property
    def limit_and_rules(self) -> tuple[Rule, ...]:
        """Every rule, and last the plan's limit as a rule without a name.

        The limit is last because an eviction for a rule also frees a slot.
        """
        limit = Rule(name="", limit=self.limit)
        if self.limit == 0:
            return (limit,)
        return (*self.rules, limit)

    @cached_property
    def longest_lease_ms(self) -> int:
        """The longest time that a lease of this plan can last."""
        return max(self.longest_playing_ms, self.paused_ms or 0)

    @cached_property
    def longest_playing_ms(self) -> int:
        """The longest time that a heartbeat of a playing stream grants."""
        return max(self.lease_ms, self.relaxed_lease_ms or 0)

    @cached_property
    def comparisons(self) -> int:
        """The number of comparisons in a start's condition for this plan."""
        return 4 + sum(len(rule.attributes) for rule in self.rules)

    def rules_that_count(self, lease: Lease) -> list[Rule]:
        """Return the rules that apply to a stream."""
        return [rule for rule in self.rules if rule.counts(lease)]

    def refusing_rule(self, lease: Lease, others: Collection[Lease]) -> Rule | None:
        """Return the first full rule, or None when the stream fits."""
        for rule in self.limit_and_rules:
            if rule.counts(lease) and rule.is_full(lease, others):
                return rule
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRate:
    """Rate limit for starts: `burst` back to back, then one per `interval_ms`.

    An interval of 0 turns the limit off.
    """

    burst: int = 1
    interval_ms: int = 0

    def earliest_start(self, arrival: int) -> int:
        """Return when the next start is allowed, given the arrival time so far."""
        return arrival - (self.burst - 1) * self.interval_ms

    def arrival_after_start(self, arrival: int, *, now: int) -> int:
        """Return the theoretical arrival time after one more start."""
        return max(arrival, now) + self.interval_ms

    def latest_arrival(self, now: int) -> int:
        """Return the latest theoretical arrival time that a correct clock stores."""
        return now + self.burst * self.interval_ms + MAX_LATENESS_MS


@dataclass(frozen=True, kw_only=True)  # no slots: cached_property needs __dict__
class Plans:
    """The catalogue: the default plan, the named plans, and the start rate."""

    default: Plan
    named: Mapping[str, Plan] = field(default_factory=dict)
    start_rate: StartRate = StartRate()

    @cached_property
    def all(self) -> tuple[Plan, ...]:
        """Every plan, the default first."""
        return (self.default, *self.named.values())

    @cached_property
    def longest_lease_ms(self) -> int:
        """The longest time that a lease of any plan can last."""
        return max(plan.longest_lease_ms for plan in self.all)

    @cached_property
    def longest_playing_ms(self) -> int:
        """The longest time that a heartbeat of a playing stream grants in any plan."""
        return max(plan.longest_playing_ms for plan in self.all)

    @cached_property
    def needs_pace(self) -> bool:
        """Whether any plan's lease differs from the default plan's."""
        return any(
            plan.relaxed_lease_ms or plan.lease_ms != self.default.lease_ms
            for plan in self.all
        )

    def find(self, name: str | None) -> Plan:
        """Return the plan with this name, or the default plan."""
        return self.named.get(name or "", self.default)

    def has(self, name: str | None) -> bool:
        """Return whether this plan exists. None names the default plan."""
        return name in (None, self.default.name) or name in self.named

    def candidates(self, entitlement: Entitlement, *, replaced: int) -> list[Plan]:
        """Return the plans that a start's condition covers before a read.

        The first plan applies unless the item stores another one. Every
        candidate grants a lease of the same length. A plan is added while the
        comparisons so far fit; its own comparisons are counted afterwards.
        """
        first = self.find(entitlement.plan)
        if entitlement.plan:
            return [first]

        candidates = [first]
        comparisons = replaced
        for plan in self.named.values():
            if plan.lease_ms != first.lease_ms:
                continue
            if comparisons > MAX_BLIND_COMPARISONS:
                break
            candidates.append(plan)
            comparisons += plan.comparisons
        return candidates


def attribute(lease: Lease, name: str) -> Any:
    """Return a stream's attribute in a form that compares by type, or None."""
    prefix, _, key = name.partition(".")
    if prefix == "metadata":
        return _typed(lease.metadata.get(key))
    return _typed(getattr(lease, ATTRIBUTES[prefix]))


def _typed(value: str | float | None) -> Any:
    """Return a value that distinguishes True from 1, which are equal in Python."""
    if value is None:
        return None
    return isinstance(value, bool), value

"""Plans as their file describes them (docs/plans.md): limits, rules and counting."""

import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

type Attributes = tuple[tuple[str, Any], ...]
"""The attributes of a stream in a start, as pairs of a name and a value."""


@dataclass(frozen=True)
class Rule:
    """A rule of a plan, or the plan's limit as a rule without a name."""

    name: str | None
    limit: int
    where: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    per: str | None = None
    distinct: str | None = None

    def value_of(self, attributes: Attributes) -> str | None:
        """Return the value by which the rule counts a stream, or None."""
        values = dict(attributes)
        for name, allowed in self.where:
            if name not in values:
                return None
            if json.dumps(values[name]) not in [json.dumps(value) for value in allowed]:
                return None

        counted_by = self.per or self.distinct
        if counted_by is None:
            return "any"
        return json.dumps(values[counted_by]) if counted_by in values else None


@dataclass(frozen=True)
class Plan:
    """A named limit with rules. Lengths are milliseconds, 0 where a plan has none."""

    name: str
    limit: int
    when_full: str
    lease_ms: int
    relaxed_ms: int
    paused_ms: int
    rules: tuple[Rule, ...]

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules in the order of the file, then the limit."""
        limit = Rule(name=None, limit=self.limit)
        return (*self.rules, limit) if self.limit else (limit,)


@dataclass(frozen=True)
class Catalogue:
    """All plans and the start rate: a burst, then one start per interval.

    While the store does not answer, an open service grants a user up to
    `grace_streams` grace leases; a closed one grants none.
    """

    file: str
    plans: Mapping[str, Plan]
    burst: int
    interval_ms: int
    is_open: bool = False
    grace_streams: int = 2

    def find(self, name: str | None) -> Plan:
        """Return the plan with this name, or the default plan."""
        return self.plans.get(name or "default", self.plans["default"])

    @property
    def longest_ms(self) -> int:
        """The longest time that any lease can last."""
        return max(
            max(plan.lease_ms, plan.relaxed_ms, plan.paused_ms)
            for plan in self.plans.values()
        )


def read(
    name: str,
    *,
    burst: int = 6,
    interval_ms: int = 3000,
    is_open: bool = False,
    folder: Path = FOLDER,
    default: Mapping[str, Any] | None = None,
) -> Catalogue:
    """Return the catalogue of a file.

    `default` is the plan of that name, and has the values that other plans omit.
    """
    tables = tomllib.loads((folder / f"{name}.toml").read_text())
    if default is not None:
        tables = {"default": {}, **tables}
        tables = {plan: {**default, **table} for plan, table in tables.items()}
    plans = {plan: _plan(plan, table) for plan, table in tables.items()}
    return Catalogue(name, plans, burst, interval_ms, is_open)


def with_limit(plan: Plan, *, limit: int | None, when_full: str | None) -> Plan:
    """Return the plan with a user's own limit and behaviour when full."""
    limit = plan.limit if limit is None else limit
    return replace(plan, limit=limit, when_full=when_full or plan.when_full)


def places(
    rule: Rule, attributes: Attributes, others: Iterable[Any]
) -> list[list[Any]]:
    """Return the places that other streams take from one with these attributes.

    A place is one stream; for `distinct` it is all streams that share a value.
    """
    own = rule.value_of(attributes)
    if own is None:
        return []

    by_value: dict[str, list[Any]] = {}
    for other in others:
        value = rule.value_of(other.attributes)
        if value is None:
            continue
        if rule.distinct and value != own:
            by_value.setdefault(value, []).append(other)
        if not rule.distinct and value == own:
            by_value[f"stream {other.id}"] = [other]
    return list(by_value.values())


def fits(plan: Plan, attributes: Attributes, others: Collection[Any]) -> bool:
    """Return whether every rule has a place left."""
    return all(
        rule.value_of(attributes) is None
        or len(places(rule, attributes, others)) < rule.limit
        for rule in plan.all_rules
    )


def _plan(name: str, table: Mapping[str, Any]) -> Plan:
    return Plan(
        name=name,
        limit=table["limit"],
        when_full=table.get("when_full", "deny"),
        lease_ms=1000 * table["lease_seconds"],
        relaxed_ms=1000 * table.get("relaxed_lease_seconds", 0),
        paused_ms=1000 * table.get("paused_seconds", 0),
        rules=tuple(_rule(rule) for rule in table.get("rules", ())),
    )


def _rule(table: Mapping[str, Any]) -> Rule:
    where = tuple(
        (name, tuple(allowed)) for name, allowed in table.get("where", {}).items()
    )
    return Rule(
        name=table["name"],
        limit=table["limit"],
        where=where,
        per=table.get("per"),
        distinct=table.get("distinct"),
    )

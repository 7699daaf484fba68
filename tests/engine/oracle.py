"""Which rules of a plan a stream breaks, counted without the code of the rules."""

import json

from streams.rules import Lease, Plan, Rule


def broken_by(
    lease: Lease,
    predecessor: Lease | None,
    live: list[Lease],
    plan: Plan,
) -> list[str]:
    """Return the names of the rules that a stream breaks among the live ones.

    A rule that counted the stream's live predecessor in the same way is not
    broken by it.
    """
    rules = plan.rules if plan.limit else ()
    return [
        rule.name
        for rule in rules
        if _counts(rule, lease)
        and not _kept_its_place(rule, predecessor, lease)
        and _number(rule, lease, live) > rule.limit
    ]


def _value(lease: Lease, attribute: str) -> str | None:
    values = {
        "streamId": lease.stream_id,
        "deviceType": lease.device_type,
        "network": lease.network,
        "metadata.kids": lease.metadata.get("kids"),
    }
    value = values[attribute]
    return None if value is None else json.dumps(value).removesuffix(".0")


def _counts(rule: Rule, lease: Lease) -> bool:
    for attribute, allowed in rule.where.items():
        allowed_values = [json.dumps(value) for value in allowed]
        if _value(lease, attribute) not in allowed_values:
            return False
    return _value(lease, rule.per or rule.distinct or "streamId") is not None


def _kept_its_place(rule: Rule, predecessor: Lease | None, lease: Lease) -> bool:
    if predecessor is None or not _counts(rule, predecessor):
        return False
    grouped_by = rule.per or rule.distinct
    if not grouped_by:
        return True
    return _value(predecessor, grouped_by) == _value(lease, grouped_by)


def _number(rule: Rule, lease: Lease, live: list[Lease]) -> int:
    counted = [other for other in live if _counts(rule, other)]
    if rule.distinct:
        return len({_value(other, rule.distinct) for other in counted})
    if rule.per:
        own = _value(lease, rule.per)
        return sum(_value(other, rule.per) == own for other in counted)
    return len(counted)

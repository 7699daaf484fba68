"""The streams that a rule of a plan counts, for the checker of histories."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.faults.exchanged import Exchanged

type TomlTable = Mapping[str, Any]
"""A plan, or a rule of a plan, as in a file of plans."""


def text_of(rule: TomlTable) -> str:
    name = rule["name"]
    kind = f"rule {name}" if name else "limit"
    return f"{kind} of {rule['limit']}"


def counted_as(rule: TomlTable, stream: Exchanged) -> Any:
    """Return the value by which a rule counts a stream, or None."""
    conditions = rule.get("where", {})
    is_counted = all(
        stream.attributes.get(name) in values for name, values in conditions.items()
    )
    if not is_counted:
        return None

    by = rule.get("per") or rule.get("distinct")
    return stream.attributes.get(by) if by else True


def places(rule: TomlTable, stream: Exchanged, others: Iterable[Exchanged]) -> set[Any]:
    """Return the places of a rule that other streams occupy for a stream.

    These are the ids of other streams, or values that differ from its own value.
    """
    own = counted_as(rule, stream)
    if own is None:
        return set()

    values = [(past.id, counted_as(rule, past)) for past in others]
    if "distinct" in rule:
        return {value for _, value in values} - {own, None}
    return {id for id, value in values if value == own}

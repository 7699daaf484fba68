"""The streams that a rule of a plan counts, for the checker of histories."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.faults.exchanged import Exchanged

type TomlTable = Mapping[str, Any]
"""A plan, or a rule of a plan, as in a file of plans."""


def text_of(rule: TomlTable) -> str:
    return (
        f"rule {rule['name']} of {rule['limit']}"
        if rule["name"]
        else f"limit of {rule['limit']}"
    )


def counted_as(rule: TomlTable, stream: Exchanged) -> Any:
    """Return the value by which a rule counts a stream, or None."""
    by = rule.get("per") or rule.get("distinct")
    is_counted = all(
        stream.attributes.get(name) in values
        for name, values in rule.get("where", {}).items()
    )
    return (stream.attributes.get(by) if by else True) if is_counted else None


def places(rule: TomlTable, stream: Exchanged, others: Iterable[Exchanged]) -> set[Any]:
    """Return the places of a rule that other streams occupy for a stream.

    These are the ids of other streams, or values that differ from its own value.
    """
    own = counted_as(rule, stream)
    values = [(past.id, counted_as(rule, past)) for past in others if own is not None]
    if "distinct" in rule:
        return {value for _, value in values} - {own, None}
    return {id for id, value in values if value == own}

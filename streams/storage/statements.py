"""The conditional writes, in PynamoDB, prepared once and filled in for each request.

Building an expression costs more than sending it; its text is the same every time. So it is built with parameters where
the request's values go, and a name of its own where an id goes. Ids and values never reach an expression as text.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼────────────────────▶ time
            └──────────── is_live ────────────────┘
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, Update

from streams.models import UserStreams
from streams.storage.items import ENDING, LEASE


class _Parameter(Value):
    """A value by name, where PynamoDB would make up a name for the value."""

    def __init__(self, name: str) -> None:
        super().__init__(0)
        self.name = name

    def serialize(self, placeholder_names: dict[str, str], expression_attribute_values: dict[str, Any]) -> str:
        """The parameter's own name; its value comes with the request."""
        return f":{self.name}"


def value(name: str) -> Any:
    """Stands in an expression for a value that each request brings."""
    return _Parameter(name)


def id_parameter(name: str) -> str:
    """Stands in a path for an id that each request brings. No id of a stream can look like it."""
    return f"<{name}>"


@dataclass(frozen=True, slots=True)
class Statement:
    """An UpdateItem without its key, ids and values. A failed condition answers with the item it was judged on."""

    expressions: Mapping[str, str]
    names: Mapping[str, str]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, *actions: Action, condition: Condition | None = None) -> "Statement":
        """Build it, once."""
        placeholders: dict[str, str] = {}
        values: dict[str, Any] = {}
        expressions = {"UpdateExpression": str(Update(*actions).serialize(placeholders, values))}
        if condition is not None:
            expressions["ConditionExpression"] = condition.serialize(placeholders, values)
        return cls(expressions, {placeholder: name for name, placeholder in placeholders.items()}, values)

    def arguments(
        self, user_id: str, *, ids: Mapping[str, str], values: Mapping[str, Any], returning: str = "NONE"
    ) -> dict[str, Any]:
        """UpdateItem's arguments for one request; `values` in DynamoDB's JSON."""
        asked = {id_parameter(name): id for name, id in ids.items()}
        return {
            "TableName": settings.DYNAMODB_TABLE,
            "Key": {"user_id": {"S": user_id}},
            **self.expressions,
            "ExpressionAttributeNames": {key: asked.get(name, name) for key, name in self.names.items()},
            "ExpressionAttributeValues": {**self.values, **{f":{name}": value for name, value in values.items()}},
            "ReturnValues": returning,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


ROW = UserStreams
ID = id_parameter("id")
EXPIRES_AT = ROW.leases[ID][LEASE["expires_at"]]
EPOCH = ROW.leases[ID][LEASE["epoch"]]
IS_LIVE = EXPIRES_AT > value("now")
IS_MINE = value("epoch") == EPOCH
IS_NEWER = ~((EPOCH >= value("epoch")) | (ROW.ended[ID][ENDING["epoch"]] >= value("epoch")))
"""No start of this slot with this epoch or a later one was there: this one was not written before, and is not late."""
IS_NOT_LATE = ~(ROW.limited_at > value("now"))
"""No operator set or cleared the limit after this moment."""
IS_FIRST_FORMAT = [Path(name) for name in ("leases", "epochs", "ended")]
"""Where version 1.0 kept what `leases`, `priors` and `ended` keep."""
KEPT = ROW.ttl.set(ROW.keep_until | value("ttl"))
BOOKKEEPING = (ROW.version.set(ROW.version + 1), KEPT)
"""What every blind write does beside its verb: the version moves on, the row is kept a while longer."""


@cache
def start(*, replaced: int, is_entitled: bool, is_charged: bool) -> Statement:
    """A plain start, as `rules.is_plain_start` has it, that names so many streams to replace (`replaced0`, …).
    Values: `lease`, `epoch`, `limit` (the default, or the entitlement that goes before a stored one), `none` (0),
    `now`, `ttl`, and `mints` when it is charged."""
    has_room = size(ROW.leases) < value("limit")
    if not is_entitled:
        has_room_of_its_own = size(ROW.leases) < ROW.limit  # never true without one
        has_room = has_room_of_its_own | (ROW.limit.does_not_exist() & has_room)
    may_start = (IS_LIVE | has_room) & IS_NEWER
    for number in range(replaced):
        may_start &= ROW.leases[id_parameter(f"replaced{number}")].does_not_exist()
    if is_charged:
        may_start &= ROW.mints.does_not_exist() | (ROW.mints < value("now"))
    return Statement.of(
        ROW.leases[ID].set(value("lease")),
        ROW.priors[ID].set(EXPIRES_AT | value("none")),
        *((ROW.mints.set(value("mints")),) if is_charged else ()),
        *BOOKKEEPING,
        condition=may_start,
    )


@cache
def replace(*, is_new: bool) -> Statement:
    """The whole account, if it is still the one that was judged. Values: `leases`, `priors`, `ended`, `mints`,
    `version`, `ttl`, and `seen`, the version that was judged, unless there was no row."""
    is_unchanged = ROW.user_id.does_not_exist() if is_new else ROW.version == value("seen")
    return Statement.of(
        ROW.leases.set(value("leases")),
        ROW.priors.set(value("priors")),
        ROW.ended.set(value("ended")),
        ROW.mints.set(value("mints")),
        ROW.version.set(value("version")),
        KEPT,
        *(path.remove() for path in IS_FIRST_FORMAT),
        condition=is_unchanged,
    )


@cache
def renew() -> Statement:
    """A live lease goes on, to a later end than it has, by a token that is not long replaced. Values: `epoch`,
    `expires_at`, `last` (the latest end that the stored lease may have), `now`, `ttl`."""
    return Statement.of(
        EXPIRES_AT.set(value("expires_at")),
        *BOOKKEEPING,
        condition=IS_MINE & IS_LIVE & (EXPIRES_AT <= value("last")),
    )


@cache
def stop(*, is_held: bool, forgotten: int | None = None) -> Statement:
    """A live lease ends, while there is room for its ending, or with so many endings forgotten for it (`forgotten0`,
    …). Values: `ending`, `now`, `epoch`, `ttl`; `room`, unless endings are forgotten; and when the playback is
    known, `last`, the latest end that it may have by its token: `epoch` is then its own, and else the last of this
    moment."""
    may_stop = IS_LIVE & (IS_MINE if is_held else EPOCH <= value("epoch"))
    if is_held:
        may_stop &= EXPIRES_AT <= value("last")
    if forgotten is None:
        may_stop &= ROW.ended[ID].exists() | (size(ROW.ended) < value("room"))
    return Statement.of(
        ROW.leases[ID].remove(),
        ROW.priors[ID].remove(),
        ROW.ended[ID].set(value("ending")),
        *(ROW.ended[id_parameter(f"forgotten{number}")].remove() for number in range(forgotten or 0)),
        *BOOKKEEPING,
        condition=may_stop,
    )


@cache
def set_limit() -> Statement:
    """An operator's override; it makes the row where there is none. Values: `limit`, `when_full`, `keep_until`, `now`,
    and `version`, which a new row begins at."""
    return Statement.of(
        ROW.limit.set(value("limit")),
        ROW.when_full.set(value("when_full")),
        ROW.keep_until.set(value("keep_until")),
        ROW.limited_at.set(value("now")),
        ROW.ttl.set(value("keep_until")),
        ROW.leases.set(ROW.leases | {}),
        ROW.priors.set(ROW.priors | {}),
        ROW.ended.set(ROW.ended | {}),
        ROW.version.set((ROW.version | value("version")) + 1),
        condition=IS_FIRST_FORMAT[0].does_not_exist() & IS_NOT_LATE,
    )


@cache
def clear_limit() -> Statement:
    """The override goes, if there is one. Values: `now`, `ttl`."""
    return Statement.of(
        ROW.limit.remove(),
        ROW.when_full.remove(),
        ROW.keep_until.remove(),
        ROW.limited_at.set(value("now")),
        ROW.ttl.set(value("ttl")),
        ROW.version.set(ROW.version + 1),
        condition=ROW.limit.exists() & IS_NOT_LATE,
    )


def forget(last: int) -> dict[str, Any]:
    """A DeleteItem's condition: the row is at this version, or at an earlier one."""
    placeholders: dict[str, str] = {}
    values: dict[str, Any] = {}
    return {
        "ConditionExpression": (ROW.version <= last).serialize(placeholders, values),
        "ExpressionAttributeNames": {placeholder: name for name, placeholder in placeholders.items()},
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }

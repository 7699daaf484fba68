"""The conditional writes, in PynamoDB, prepared once and filled in for each request.

Building an expression costs more than sending it; its text is the same every time. So it is built with parameters where
the request's values go, and a name of its own where an id goes. Ids and values never reach an expression as text.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼────────────────────▶ time
            └──────────── is_live ────────────────┘
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import getitem, or_
from typing import Any

from django.conf import settings
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, Update

from streams.models import UserStreams
from streams.rules import NO_MATTER_HOW_MANY
from streams.storage.items import ENDING, LEASE


class _Parameter(Value):
    """A value by name, where PynamoDB would make up a name for the value."""

    def __init__(self, name: str) -> None:
        super().__init__(0)
        self.name = name

    def serialize(
        self,
        placeholder_names: dict[str, str],
        expression_attribute_values: dict[str, Any],
    ) -> str:
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
        expressions = {
            "UpdateExpression": str(Update(*actions).serialize(placeholders, values))
        }
        if condition is not None:
            expressions["ConditionExpression"] = condition.serialize(
                placeholders, values
            )
        return cls(
            expressions,
            {placeholder: name for name, placeholder in placeholders.items()},
            values,
        )

    def arguments(
        self,
        user_id: str,
        *,
        ids: Mapping[str, str],
        values: Mapping[str, Any],
        returning: str = "NONE",
    ) -> dict[str, Any]:
        """UpdateItem's arguments for one request; `values` in DynamoDB's JSON."""
        asked = {id_parameter(name): id for name, id in ids.items()}
        return {
            "TableName": settings.DYNAMODB_TABLE,
            "Key": {"user_id": {"S": user_id}},
            **self.expressions,
            "ExpressionAttributeNames": {
                key: asked.get(name, name) for key, name in self.names.items()
            },
            "ExpressionAttributeValues": {
                **self.values,
                **{f":{name}": value for name, value in values.items()},
            },
            "ReturnValues": returning,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


ROW = UserStreams
ID = id_parameter("id")
EXPIRES_AT = ROW.leases[ID][LEASE["expires_at"]]
EPOCH = ROW.leases[ID][LEASE["epoch"]]
PAUSED_AT = ROW.leases[ID][LEASE["paused_at"]]
IS_LIVE = EXPIRES_AT > value("now")
IS_MINE = value("epoch") == EPOCH
IS_NEWER = ~(
    (EPOCH >= value("epoch")) | (ROW.ended[ID][ENDING["epoch"]] >= value("epoch"))
)
"""No start of this slot with this epoch or a later one was there: this one was not written before, and is not late."""
IS_FIRST_FORMAT = [Path(name) for name in ("leases", "epochs", "ended")]
"""Where version 1.0 kept what `leases`, `priors` and `ended` keep."""
KEPT = ROW.ttl.set(ROW.keep_until | value("ttl"))
BOOKKEEPING = (ROW.version.set(ROW.version + 1), KEPT)
"""What every blind write does beside its verb: the version moves on, the row is kept a while longer."""


type PlanClause = tuple[str | None, int, int, tuple[tuple[str, ...], ...]]
"""What the condition of a start says of one plan: its name, where others may be stored; its limit; the lowest limit of
its rules that count the stream; and where the lease has what those look at."""


@lru_cache(maxsize=512)
def start(
    *, replaced: int, is_entitled: bool, is_charged: bool, plans: tuple[PlanClause, ...]
) -> Statement:
    """A plain start under one of these plans, as `rules.is_plain_start` has it, that names so many streams to replace
    (`replaced0`, …). An entitlement's limit goes before a stored one. Values: `lease`, `epoch`, `none` (0), `now`,
    `ttl`, `mints` when it is charged, and `looked0_0`, …, what the lease has where a plan looks at it."""
    may_start = reduce(
        or_,
        (
            _may_start(plan, str(number), is_entitled)
            for number, plan in enumerate(plans)
        ),
    )
    may_start &= IS_NEWER
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


def _may_start(plan: PlanClause, number: str, is_entitled: bool) -> Condition:
    """The stream takes over and counts as before, or there is room; and it is this plan that holds."""
    name, limit, lowest, looked_at = plan
    has_room = size(ROW.leases) < min(limit, lowest)
    if not is_entitled:
        has_room_of_its_own = size(ROW.leases) < ROW.limit  # never true without one
        if lowest < NO_MATTER_HOW_MANY:
            has_room_of_its_own &= size(ROW.leases) < lowest
        has_room = has_room_of_its_own | (ROW.limit.does_not_exist() & has_room)
    is_as_before = IS_LIVE
    for index, place in enumerate(looked_at):
        is_as_before &= reduce(getitem, place, ROW.leases[ID]) == value(
            f"looked{number}_{index}"
        )
    may_start: Condition = is_as_before | has_room
    if name:
        may_start &= (
            (ROW.plan == name) | ROW.plan.does_not_exist()
            if number == "0"
            else ROW.plan == name
        )
    return may_start


@cache
def replace(*, is_new: bool, override: tuple[str, ...]) -> Statement:
    """The whole account, if it is still the one that was judged. Values: `leases`, `priors`, `ended`, `mints`,
    `version`, `ttl`, and `seen`, the version that was judged, unless there was no row; of an operator's override what
    there is of `limit`, `plan` and `when_full`, and `keep_until`."""
    is_unchanged = (
        ROW.user_id.does_not_exist() if is_new else ROW.version == value("seen")
    )
    parts: dict[str, Any] = {
        name: getattr(ROW, name)
        for name in ("limit", "plan", "when_full", "keep_until")
    }
    given = {*override, "keep_until"} if override else ()
    return Statement.of(
        ROW.leases.set(value("leases")),
        ROW.priors.set(value("priors")),
        ROW.ended.set(value("ended")),
        ROW.mints.set(value("mints")),
        ROW.version.set(value("version")),
        ROW.ttl.set(value("ttl")),
        *(
            part.set(value(name)) if name in given else part.remove()
            for name, part in parts.items()
        ),
        *(path.remove() for path in IS_FIRST_FORMAT),
        condition=is_unchanged,
    )


@cache
def renew(*, is_paced: bool) -> Statement:
    """A live lease that is not paused goes on, to a later end than it has, by a token that is not long replaced.
    Values: `epoch`, `expires_at`, `last` (the latest end that the stored lease may have), `now`, `ttl`; and of a paced
    one `among`, how many leases there may be."""
    may_renew = (
        IS_MINE & IS_LIVE & (EXPIRES_AT <= value("last")) & PAUSED_AT.does_not_exist()
    )
    if is_paced:
        may_renew &= size(ROW.leases) <= value("among")
    return Statement.of(
        EXPIRES_AT.set(value("expires_at")), *BOOKKEEPING, condition=may_renew
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
        *(
            ROW.ended[id_parameter(f"forgotten{number}")].remove()
            for number in range(forgotten or 0)
        ),
        *BOOKKEEPING,
        condition=may_stop,
    )


def forget(last: int) -> dict[str, Any]:
    """A DeleteItem's condition: the row is at this version, or at an earlier one."""
    placeholders: dict[str, str] = {}
    values: dict[str, Any] = {}
    return {
        "ConditionExpression": (ROW.version <= last).serialize(placeholders, values),
        "ExpressionAttributeNames": {
            placeholder: name for name, placeholder in placeholders.items()
        },
        "ExpressionAttributeValues": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }

"""The conditional writes, as PynamoDB expressions that are prepared once.

Building an expression costs more than sending it, and its text is the same for
every request. So it is built once, with parameters where a request's values go
and a placeholder where an id goes. Ids and values never become part of the text.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼────────────────────▶ time
            └──────────── IS_LIVE ────────────────┘
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import getitem, or_
from typing import Any

from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, Update

from streams.conf import settings
from streams.models import UserStreams
from streams.rules import UNLIMITED, immutable
from streams.storage.items import ENDING, LEASE


class _Parameter(Value):
    """A named value. PynamoDB would generate a name for each value."""

    def __init__(self, name: str) -> None:
        super().__init__(0)
        self.name = name

    def serialize(
        self,
        placeholder_names: dict[str, str],
        expression_attribute_values: dict[str, Any],
    ) -> str:
        """Return the parameter's name. Its value comes with the request."""
        return f":{self.name}"


def value(name: str) -> Any:
    """Return a placeholder for a value that each request brings."""
    return _Parameter(name)


def id_placeholder(name: str) -> str:
    """Return a placeholder for an id in a path. No stream's id has this form."""
    return f"<{name}>"


@dataclass(frozen=True, slots=True)
class Statement:
    """An UpdateItem without its key, ids and values.

    If its condition fails, DynamoDB returns the item that it was evaluated on.
    """

    expressions: Mapping[str, str]
    names: Mapping[str, str]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, *actions: Action, condition: Condition | None = None) -> "Statement":
        """Serialize the actions and the condition once."""
        placeholders: dict[str, str] = {}
        values: dict[str, Any] = {}

        update = Update(*actions).serialize(placeholders, values)
        expressions = {"UpdateExpression": str(update)}
        if condition is not None:
            serialized = condition.serialize(placeholders, values)
            expressions["ConditionExpression"] = serialized

        names = {placeholder: name for name, placeholder in placeholders.items()}
        return cls(expressions, names, values)

    def arguments(
        self,
        user_id: str,
        *,
        ids: Mapping[str, str],
        values: Mapping[str, Any],
        returning: str = "NONE",
    ) -> dict[str, Any]:
        """Return the arguments of UpdateItem. `values` are DynamoDB's JSON."""
        id_of = {id_placeholder(name): id for name, id in ids.items()}
        names = {key: id_of.get(name, name) for key, name in self.names.items()}
        request_values = {f":{name}": value for name, value in values.items()}
        return {
            "TableName": settings.DYNAMODB_TABLE,
            "Key": {"user_id": {"S": user_id}},
            **self.expressions,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {**self.values, **request_values},
            "ReturnValues": returning,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


ITEM = UserStreams
ID = id_placeholder("id")
LEASE_AT_ID = ITEM.leases[ID]
ENDING_AT_ID = ITEM.ended[ID]
EXPIRES_AT = LEASE_AT_ID[LEASE["expires_at"]]
EPOCH = LEASE_AT_ID[LEASE["epoch"]]
PAUSED_AT = LEASE_AT_ID[LEASE["paused_at"]]
ENDED_AT = ENDING_AT_ID[ENDING["at"]]
ENDING_EPOCH = ENDING_AT_ID[ENDING["epoch"]]

IS_LIVE = EXPIRES_AT > value("now")
HAS_EPOCH = value("epoch") == EPOCH
IS_NEWEST = PAUSED_AT.does_not_exist() & ~(
    (EPOCH >= value("epoch"))
    | (ENDING_EPOCH >= value("epoch"))
    | (ENDED_AT >= value("now"))
    | (EXPIRES_AT > value("expires_at"))
)
"""The start is certainly not late and not a repeat.

The slot had no epoch at or above this one, and nothing ended in it since this start
was sent. Its lease does not last longer than the one that is granted now, and is not
paused: otherwise its player may have sent a heartbeat since.
"""

FIRST_FORMAT_ATTRIBUTES = [Path(name) for name in ("leases", "epochs", "ended")]
"""Where version 1.0 kept the content of `leases`, `priors` and `ended`."""
KEEP_LONGER = ITEM.ttl.set(ITEM.keep_until | value("ttl"))
BOOKKEEPING = (ITEM.version.set(ITEM.version + 1), KEEP_LONGER)
"""Part of every blind write: increment the version and keep the item longer."""
RECORD_WRITE = (
    ITEM.write_1.set(value("write")),
    ITEM.write_2.set(ITEM.write_1 | value("write")),
    ITEM.write_3.set(ITEM.write_2 | value("write")),
)
"""Part of every write but a plain heartbeat: remember its id for a repeat.

An update reads the item as it was, so each id moves one place on.
"""
FIRST_WRITE = (
    ITEM.write_1.set(value("write")),
    ITEM.write_2.remove(),
    ITEM.write_3.remove(),
)


@immutable
class PlanClause:
    """The part of a start's condition that covers one plan.

    `index` numbers the clause; the first one also covers users without a plan.
    `name` is None if all users have the same plan.
    `limit` is the plan's limit, or that of the entitlement.
    `lowest_rule_limit` is the lowest limit of the rules that count the stream.
    `paths` lead to the values of a stored lease that those rules examine.
    """

    index: int
    name: str | None
    limit: int
    lowest_rule_limit: int
    paths: tuple[tuple[str, ...], ...]

    def parameter(self, position: int) -> str:
        """Return the name of the value at this position of `paths`."""
        return f"attribute{self.index}_{position}"

    def condition(self, *, is_entitled: bool) -> Condition:
        """Return the condition: the slot or a place is free, and the plan applies."""
        keeps_its_places = self._keeps_its_places()
        has_room = self._has_room(is_entitled=is_entitled)
        may_start: Condition = keeps_its_places | has_room
        if self.name is None:
            return may_start

        is_stored_plan: Condition = ITEM.plan == self.name
        if self.index == 0:
            is_stored_plan |= ITEM.plan.does_not_exist()
        may_start &= is_stored_plan
        return may_start

    def _has_room(self, *, is_entitled: bool) -> Condition:
        """Return the condition that fewer leases are stored than any limit allows.

        The entitlement's limit takes precedence over a stored one.
        """
        stored_leases = size(ITEM.leases)
        is_below_plan: Condition = stored_leases < min(
            self.limit, self.lowest_rule_limit
        )
        if is_entitled:
            return is_below_plan

        # False if no limit is stored.
        is_below_stored: Condition = stored_leases < ITEM.limit
        if self.lowest_rule_limit < UNLIMITED:
            is_below_stored &= stored_leases < self.lowest_rule_limit
        is_below_stored |= ITEM.limit.does_not_exist() & is_below_plan
        return is_below_stored

    def _keeps_its_places(self) -> Condition:
        """Return the condition that a live stream changes no attribute of a rule."""
        is_unchanged: Condition = IS_LIVE
        for position, path in enumerate(self.paths):
            stored = reduce(getitem, path, LEASE_AT_ID)
            is_unchanged &= stored == value(self.parameter(position))
        return is_unchanged


@lru_cache(maxsize=512)
def start(
    *,
    replaced: int,
    is_entitled: bool,
    is_charged: bool,
    plans: tuple[PlanClause, ...],
) -> Statement:
    """Return the blind write of a start, as `rules.is_plain_start` describes it.

    Ids: `id`, and `replaced0` … for each stream to replace.
    Values: `lease`, its `epoch` and `expires_at`, `none` (0), `now`, `ttl`, `write`;
    `theoretical_arrival_at` if the start is charged; and the parameters of each
    plan's clause.
    """
    clauses = (plan.condition(is_entitled=is_entitled) for plan in plans)
    may_start = reduce(or_, clauses) & IS_NEWEST
    for index in range(replaced):
        may_start &= ITEM.leases[id_placeholder(f"replaced{index}")].does_not_exist()

    arrival = ITEM.theoretical_arrival_at
    actions = [
        LEASE_AT_ID.set(value("lease")),
        ITEM.priors[ID].set(EXPIRES_AT | value("none")),
        *BOOKKEEPING,
        *RECORD_WRITE,
    ]
    # Also without a start rate: a fence sets the arrival time.
    may_start &= arrival.does_not_exist() | (arrival < value("now"))
    if is_charged:
        actions.append(arrival.set(value("theoretical_arrival_at")))

    return Statement.of(*actions, condition=may_start)


@cache
def replace(*, is_new: bool, override: tuple[str, ...], dropped: int = 0) -> Statement:
    """Return the write of a whole account, if the item is the one that was judged.

    Other attributes of the item stay, except `dropped` ones.
    Ids: the names of these, `dropped0` ….
    Values: `leases`, `priors`, `ended`, `theoretical_arrival_at`, `limit_set_at`,
    `version`,
    `ttl`, `write`; `seen`, the version that was judged, unless no item existed; and the
    operator's overrides in `override`, with `keep_until`.
    """
    if is_new:
        is_unchanged = ITEM.user_id.does_not_exist()
    else:
        is_unchanged = ITEM.version == value("seen")
    actions = _replacing(*override, dropped=dropped)
    return Statement.of(*actions, condition=is_unchanged)


@cache
def replace_any(*, dropped: int) -> Statement:
    """Return the write of an account without overrides over any stored item.

    The ids of earlier writes are removed, because they may be unreadable too.
    """
    actions = _replacing(dropped=dropped, record_write=FIRST_WRITE)
    return Statement.of(*actions, condition=ITEM.user_id.exists())


def _replacing(
    *override: str, dropped: int, record_write: tuple[Action, ...] = RECORD_WRITE
) -> list[Action]:
    """Return the actions that write a whole account."""
    actions: list[Action] = [
        ITEM.leases.set(value("leases")),
        ITEM.priors.set(value("priors")),
        ITEM.ended.set(value("ended")),
        ITEM.theoretical_arrival_at.set(value("theoretical_arrival_at")),
        ITEM.limit_set_at.set(value("limit_set_at")),
        ITEM.version.set(value("version")),
        ITEM.ttl.set(value("ttl")),
        *record_write,
    ]

    stored = {*override, "keep_until"} if override else set()
    for name in ("limit", "plan", "when_full", "keep_until"):
        attribute = getattr(ITEM, name)
        is_stored = name in stored
        actions.append(attribute.set(value(name)) if is_stored else attribute.remove())

    actions += [path.remove() for path in FIRST_FORMAT_ATTRIBUTES]
    actions += [
        Path(id_placeholder(f"dropped{index}")).remove() for index in range(dropped)
    ]
    return actions


@cache
def renew(*, is_paced: bool) -> Statement:
    """Return the blind write of a heartbeat.

    The lease must be live, playing and the caller's, and must expire earlier than
    it will after the write.
    Values: `epoch`, `expires_at`, `now`, `ttl`; `last`, the latest expiry that
    the stored lease may have; `max_stored_leases` and `issued_at` if it is
    paced: the pace that an operator changed since must be judged.
    """
    is_valid_token = EXPIRES_AT <= value("last")
    is_playing = PAUSED_AT.does_not_exist()
    may_renew = HAS_EPOCH & IS_LIVE & is_valid_token & is_playing
    if is_paced:
        set_at = ITEM.limit_set_at
        is_newer_than_limit = set_at.does_not_exist() | (set_at < value("issued_at"))
        may_renew &= size(ITEM.leases) <= value("max_stored_leases")
        may_renew &= is_newer_than_limit

    return Statement.of(
        EXPIRES_AT.set(value("expires_at")), *BOOKKEEPING, condition=may_renew
    )


@cache
def stop(
    *, is_held: bool, dropped: int | None = None, is_fencing: bool = False
) -> Statement:
    """Return the blind write of a stop.

    The lease must be live. The item must have room for its ending, or `dropped`
    older endings (`dropped0` …) are removed. A fence makes the starts count as late
    that these endings kept out.
    Values: `ending`, `now`, `epoch`, `ttl`, `write`; `room` unless endings are dropped;
    `late_before` with a fence; and `last`, the latest expiry that the token allows, if
    the caller has one.
    """
    may_stop = IS_LIVE
    if is_held:
        may_stop &= HAS_EPOCH & (EXPIRES_AT <= value("last"))
    else:
        may_stop &= EPOCH <= value("epoch")
    if dropped is None:
        has_room = size(ITEM.ended) < value("room")
        may_stop &= ENDING_AT_ID.exists() | has_room

    actions = [
        LEASE_AT_ID.remove(),
        ITEM.priors[ID].remove(),
        ENDING_AT_ID.set(value("ending")),
        *BOOKKEEPING,
        *RECORD_WRITE,
    ]
    if is_fencing:
        arrival = ITEM.theoretical_arrival_at
        may_stop &= arrival.does_not_exist() | (arrival <= value("late_before"))
        actions.append(arrival.set(value("late_before")))
    for index in range(dropped or 0):
        actions.append(ITEM.ended[id_placeholder(f"dropped{index}")].remove())

    return Statement.of(*actions, condition=may_stop)

"""The rule as conditional writes: one DynamoDB call per verb when nothing stands in the way.

Each verb is written blind, on a condition that says the rule would allow it. When the condition fails, DynamoDB hands
back the item it judged (`ReturnValuesOnConditionCheckFailure=ALL_OLD`); the pure rule judges the same item, and what
it decides is written on condition that the item is still at the version that was judged. A lost race is judged again,
a bounded number of times.

    write blind ──ok──▶ done
        │ condition failed: here is the item
        ▼
    the rule ──refuses──▶ refusal
        │ decides                        ▲
        ▼                                │
    write if unchanged ──lost the race───┴──▶ judged again, at most `ATTEMPTS` times, then `StoreContended`
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from streams import rules
from streams.models import UserStreams
from streams.rules import Account, Admission, Ending, Lease, Policy, Reason, StartRequest, WhenFull

ATTEMPTS = 12
"""Writes tried for one request before it is called contended. The first retry is immediate, the later ones back off."""
BACKOFF_SECONDS = 0.005
BACKOFF_AT_MOST_SECONDS = 0.25

REMEMBERED_FOR = timedelta(days=1)
"""How long after its last lease a row may be forgotten."""
OVERRIDE_KEPT_FOR = timedelta(days=36_500)
"""A row with an operator's override outlives its streams."""


class StoreUnavailable(Exception):
    """DynamoDB could not be reached, throttled us, or refused the call. Nothing is known of the write."""


class StoreContended(Exception):
    """Every attempt lost its race against other writers of the same user. Nothing was written."""


class _ConditionFailed(Exception):
    """The condition did not hold. `account` is what DynamoDB judged, None when there was no item."""

    def __init__(self, account: Account | None) -> None:
        super().__init__(account)
        self.account = account


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStore:
    """Starts, renews, stops and reads the streams of a user.

    Every verb takes `now` (ms since 1970 UTC) and raises, beside the refusals of `streams.rules`, `StoreUnavailable`
    and (writes only) `StoreContended`. A verb that could not be written is refused, never waved through: a limiter
    that admits when its store is down is no limiter."""

    policy: Policy
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def start(self, user_id: str, request: StartRequest, *, now: int) -> Admission:
        """Admit one more stream, or raise `StreamLimitReached`."""
        lease = request.lease(epoch=0, now=now, policy=self.policy)

        def blind() -> Admission:
            before = _account(
                _update(
                    user_id,
                    actions=[
                        UserStreams.leases[request.id].set(_lease_item(lease)),
                        UserStreams.epochs[request.id].set(UserStreams.version + 1),
                        UserStreams.ended[request.id].remove(),
                        *_bookkeeping(now=now, policy=self.policy),
                    ],
                    condition=_may_start(request, now=now, limit=self.policy.limit),
                    return_values="ALL_OLD",
                )
            )
            return rules.start(before, request, now=now, policy=self.policy)

        def judge(account: Account) -> tuple[Admission, Account | None]:
            admission = rules.start(account, request, now=now, policy=self.policy)
            is_new = account == rules.empty_account(now)
            something_goes = account.leases.keys() - admission.account.leases.keys()
            return admission, admission.account if is_new or something_goes else None

        return self._write(user_id, blind, judge, now=now)

    def renew(self, user_id: str, id: str, *, epoch: int, now: int) -> Lease:
        """Extend the lease of `id`, or raise `StreamEnded` or `StreamNotFound`."""

        def blind() -> Lease:
            expires_at = UserStreams.leases[id]["expires_at"]
            is_mine = UserStreams.epochs[id] == epoch
            is_live = expires_at > now
            after = _account(
                _update(
                    user_id,
                    actions=[expires_at.set(now + self.policy.lease_ms), *_bookkeeping(now=now, policy=self.policy)],
                    condition=is_mine & is_live,
                    return_values="ALL_NEW",
                )
            )
            return after.leases[id]

        def judge(account: Account) -> tuple[Lease, Account]:
            after = rules.renew(account, id, epoch=epoch, now=now, policy=self.policy)
            return after.leases[id], after

        return self._write(user_id, blind, judge, now=now)

    def stop(self, user_id: str, id: str, *, epoch: int | None, now: int) -> None:
        """Free the slot of `id`; harmless when its stream is over already. Raise `StreamEnded` when `epoch` is given
        and the slot has changed hands, `StreamNotFound` when the id is not known."""

        def blind() -> None:
            is_live = UserStreams.leases[id]["expires_at"] > now
            is_memory_left = size(UserStreams.ended) < rules.ENDINGS_AT_MOST
            condition = is_live & is_memory_left
            if epoch is not None:
                condition &= UserStreams.epochs[id] == epoch
            _update(
                user_id,
                actions=[
                    UserStreams.leases[id].remove(),
                    UserStreams.epochs[id].remove(),
                    UserStreams.ended[id].set(_ending_item(Ending(reason=Reason.STOPPED, at=now))),
                    *_bookkeeping(now=now, policy=self.policy),
                ],
                condition=condition,
            )

        def judge(account: Account) -> tuple[None, Account]:
            return None, rules.stop(account, id, epoch=epoch, now=now)

        self._write(user_id, blind, judge, now=now)

    def read(self, user_id: str, *, now: int) -> Account:
        """The account as it is this moment (a consistent read); an empty one for a user nothing is kept of."""
        response = _call("GetItem", UserStreams._get_connection().get_operation_kwargs(user_id, consistent_read=True))
        return _account(response["Item"]) if "Item" in response else rules.empty_account(now)

    def set_limit(self, user_id: str, *, limit: int, when_full: WhenFull, now: int) -> None:
        """Override the default limit of one user, from the next start on. Live streams stay."""
        row = UserStreams
        keep_until = _forget_at(now=now, policy=self.policy) + OVERRIDE_KEPT_FOR
        _update(
            user_id,
            actions=[
                row.limit.set(limit),
                row.when_full.set(when_full),
                row.keep_until.set(int(keep_until.timestamp())),
                row.ttl.set(keep_until),
                row.leases.set(row.leases | {}),
                row.epochs.set(row.epochs | {}),
                row.ended.set(row.ended | {}),
                row.version.set((row.version | rules.empty_account(now).version) + 1),
            ],
        )

    def clear_limit(self, user_id: str, *, now: int) -> None:
        """Go back to the default limit; harmless when there was no override."""
        try:
            _update(
                user_id,
                actions=[
                    UserStreams.limit.remove(),
                    UserStreams.when_full.remove(),
                    UserStreams.keep_until.remove(),
                    UserStreams.ttl.set(_forget_at(now=now, policy=self.policy)),
                    UserStreams.version.set(UserStreams.version + 1),
                ],
                condition=UserStreams.limit.exists(),
            )
        except _ConditionFailed:
            return

    def ping(self, *, now: int) -> None:
        """Raise `StoreUnavailable` unless DynamoDB answers for this table. Asks for an item, which is all that the
        service is allowed to do in production."""
        self.read("readyz", now=now)

    def _write[Outcome](
        self,
        user_id: str,
        blind: Callable[[], Outcome],
        judge: Callable[[Account], tuple[Outcome, Account | None]],
        *,
        now: int,
    ) -> Outcome:
        """Write blind, then as judged. `judge` gives the outcome and the account to write: the same account when
        there is nothing to write, None when the blind write will do."""
        write = blind
        for attempt in range(ATTEMPTS):
            if (
                attempt > 1
            ):  # full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
                self.sleep(self.random() * min(BACKOFF_AT_MOST_SECONDS, BACKOFF_SECONDS * 2**attempt))
            try:
                return write()
            except _ConditionFailed as failed:
                seen = failed.account
            outcome, after = judge(seen or rules.empty_account(now))
            if after is seen and seen is not None:
                return outcome
            write = blind if after is None else partial(self._replace, user_id, seen, after, outcome, now=now)
        raise StoreContended

    def _replace[Outcome](
        self, user_id: str, seen: Account | None, after: Account, outcome: Outcome, *, now: int
    ) -> Outcome:
        is_unchanged = UserStreams.user_id.does_not_exist() if seen is None else UserStreams.version == seen.version
        _update(
            user_id,
            actions=[
                UserStreams.leases.set({id: _lease_item(lease) for id, lease in after.leases.items()}),
                UserStreams.epochs.set({id: lease.epoch for id, lease in after.leases.items()}),
                UserStreams.ended.set({id: _ending_item(ending) for id, ending in after.ended.items()}),
                UserStreams.version.set(after.version),
                _keep(now=now, policy=self.policy),
            ],
            condition=is_unchanged,
        )
        return outcome


def create_table() -> None:
    """Make the table of an empty engine; harmless when it is there."""
    try:
        if not UserStreams.exists():
            UserStreams.create_table(wait=True)
    except (BotoCoreError, ClientError, PynamoDBException) as exc:
        raise StoreUnavailable from exc


def is_empty() -> bool:
    """Whether nothing is kept of any user."""
    response = _call("Scan", {"TableName": UserStreams.Meta.table_name, "Limit": 1})
    return not response["Items"]


def _may_start(request: StartRequest, *, now: int, limit: int) -> Condition:
    """The rule's plain yes as a condition: nothing has to go for this start."""
    row = UserStreams
    own_slot = row.leases[request.id]

    def fits(limit: Any) -> Any:
        has_room = size(row.leases) < limit
        keeps_its_slot = size(row.leases) <= limit
        is_live = own_slot["expires_at"] > now
        takes_over_its_own = own_slot.exists() & (keeps_its_slot | is_live)
        return has_room | takes_over_its_own

    has_override = row.limit.exists()
    may_start: Condition = (has_override & fits(row.limit)) | (row.limit.does_not_exist() & fits(limit))
    for id in sorted(request.replace - {request.id}):
        may_start &= row.leases[id].does_not_exist()
    return may_start


def _bookkeeping(*, now: int, policy: Policy) -> list[Action]:
    """What every blind write does beside its verb: the version moves on, the row is kept a while longer."""
    return [UserStreams.version.set(UserStreams.version + 1), _keep(now=now, policy=policy)]


def _keep(*, now: int, policy: Policy) -> Action:
    return UserStreams.ttl.set(UserStreams.keep_until | int(_forget_at(now=now, policy=policy).timestamp()))


def _forget_at(*, now: int, policy: Policy) -> datetime:
    return datetime.fromtimestamp((now + policy.lease_ms) / 1000, UTC) + REMEMBERED_FOR


def _lease_item(lease: Lease) -> dict[str, Any]:
    columns = asdict(lease)
    return {name: columns[name] for name in columns if name not in ("id", "epoch") and columns[name] is not None}


def _ending_item(ending: Ending) -> dict[str, Any]:
    item = {"reason": ending.reason.value, "at": ending.at}
    return item if ending.by is None else item | {"by": ending.by}


def _account(item: Mapping[str, Any]) -> Account:
    row = UserStreams.from_raw_data(dict(item))
    epochs = row.epochs.as_dict()
    return Account(
        version=int(row.version),
        leases={id: Lease(id=id, epoch=epochs[id], **lease) for id, lease in row.leases.as_dict().items()},
        ended={
            id: Ending(reason=Reason(ending["reason"]), at=ending["at"], by=ending.get("by"))
            for id, ending in row.ended.as_dict().items()
        },
        limit=None if row.limit is None else int(row.limit),
        when_full=None if row.when_full is None else WhenFull(row.when_full),
    )


def _update(
    user_id: str, *, actions: list[Action], condition: Condition | None = None, return_values: str = "NONE"
) -> Mapping[str, Any]:
    """One UpdateItem. The item before or after it, as `return_values` asks; `_ConditionFailed` with the account that
    was judged when the condition does not hold."""
    operation = UserStreams(user_id).get_update_kwargs_from_instance(
        actions, condition=condition, return_values_on_condition_failure="ALL_OLD"
    )
    item: Mapping[str, Any] = _call("UpdateItem", operation | {"ReturnValues": return_values}).get("Attributes", {})
    return item


def _call(operation: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
    """One call to DynamoDB. The only place where the driver's errors become ours."""
    try:
        response: Mapping[str, Any] = UserStreams._get_connection().connection.dispatch(operation, arguments)
        return response
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
            # PynamoDB's error leaves the item out; botocore's, which it was raised from, has it.
            cause = exc.__cause__ if isinstance(exc.__cause__, ClientError) else exc
            item: Any = cause.response.get("Item")
            raise _ConditionFailed(_account(item) if item else None) from exc
        raise StoreUnavailable from exc
    except (BotoCoreError, PynamoDBException) as exc:
        raise StoreUnavailable from exc

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

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import SystemRandom
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from pynamodb.exceptions import PynamoDBException

from streams import rules
from streams.errors import StoreContended, StoreUnavailable
from streams.models import UserStreams
from streams.rules import Account, Admission, Ending, Lease, Policy, Reason, StartRequest, WhenFull
from streams.storage import items, statements
from streams.storage.items import number

type Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""An operation (`UpdateItem`) and its arguments, to its answer, all in DynamoDB's JSON."""

ATTEMPTS = 12
"""Writes tried for one request before it is called contended. The first retry is immediate, the later ones back off."""
BACKOFF_SECONDS = 0.005
BACKOFF_AT_MOST_SECONDS = 0.25

REMEMBERED_FOR = timedelta(days=1)
"""How long after its last lease a row may be forgotten."""
OVERRIDE_KEPT_FOR = timedelta(days=36_500)
"""A row with an operator's override outlives its streams."""


class _LostRace(Exception):
    """The condition did not hold. `account` is what DynamoDB judged, None when there was no row."""

    def __init__(self, account: Account | None) -> None:
        super().__init__(account)
        self.account = account


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStore:
    """Starts, renews, stops and reads the streams of a user.

    Every verb takes `now` (ms since 1970 UTC) and raises, beside the refusals of `streams.errors`, `StoreUnavailable`
    and (writes only) `StoreContended`. A verb that could not be written is refused, never waved through: a limiter
    that admits when its store is down is no limiter.
    """

    policy: Policy
    call: Call = UserStreams.call
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = SystemRandom().random  # a seeded one would be the same in every resumed instance

    def start(self, user_id: str, request: StartRequest, *, now: int) -> Admission:
        """Admit one more stream, or raise `StreamLimitReached`."""

        def blind() -> Admission:
            lease = request.lease(epoch=0, now=now, policy=self.policy)
            replaced = sorted(request.replace - {request.id})
            limit = self.policy.limit if request.entitlement is None else request.entitlement
            statement = statements.start(replaced=len(replaced), is_entitled=request.entitlement is not None)
            before = self._update(
                statement.arguments(
                    user_id,
                    ids={"id": request.id} | {f"replaced{index}": id for index, id in enumerate(replaced)},
                    values={
                        "lease": items.lease_item(lease),
                        "limit": number(limit),
                        "now": number(now),
                        "ttl": number(self._forget_at(now)),
                    },
                    returning="ALL_OLD",
                )
            )
            own = before["leases"]["M"].get(request.id)
            return Admission(
                lease=replace(lease, epoch=items.plain(before["version"])),
                took_over=own is not None and items.lease(request.id, own, epoch=0).is_live(now),
            )

        def judge(account: Account) -> tuple[Admission, Account]:
            after, admission = rules.start(account, request, now=now, policy=self.policy)
            return admission, after

        def plainly(account: Account) -> Callable[[], Admission] | None:
            return blind if rules.is_plain_start(account, request, now=now, policy=self.policy) else None

        return self._write(user_id, blind, judge, plainly, now=now)

    def renew(self, user_id: str, id: str, *, epoch: int, now: int) -> Lease:
        """Extend the lease of `id`, or raise `StreamEnded` or `StreamNotFound`."""

        def blind() -> Lease:
            after = self._update(
                statements.renew().arguments(
                    user_id,
                    ids={"id": id},
                    values={
                        "epoch": number(epoch),
                        "expires_at": number(now + self.policy.lease_ms),
                        "now": number(now),
                        "ttl": number(self._forget_at(now)),
                    },
                    returning="ALL_NEW",
                )
            )
            return items.lease(id, after["leases"]["M"][id], epoch=epoch)

        def judge(account: Account) -> tuple[Lease, Account]:
            after = rules.renew(account, id, epoch=epoch, now=now, policy=self.policy)
            return after.leases[id], after

        return self._write(user_id, blind, judge, now=now)

    def stop(self, user_id: str, id: str, *, epoch: int | None, now: int) -> Reason | None:
        """Free the slot of `id`, and say how its stream ended: stopped, expired before that, or None when it was over
        already, which does no harm. Raise `StreamEnded` when `epoch` is given and the slot has changed hands,
        `StreamNotFound` when the id is not known."""

        def blind(forgotten: Collection[str] = ()) -> Reason:
            values = {
                "ending": items.ending_item(Ending(reason=Reason.STOPPED, at=now)),
                "now": number(now),
                "ttl": number(self._forget_at(now)),
            }
            if epoch is not None:
                values["epoch"] = number(epoch)
            statement = statements.stop(with_epoch=epoch is not None, forgotten=len(forgotten))
            ids = {"id": id} | {f"forgotten{index}": id for index, id in enumerate(forgotten)}
            self._update(statement.arguments(user_id, ids=ids, values=values))
            return Reason.STOPPED

        def judge(account: Account) -> tuple[Reason | None, Account]:
            after = rules.stop(account, id, epoch=epoch, now=now)
            if after is account:
                return None, after
            return Reason.STOPPED if account.leases[id].is_live(now) else Reason.EXPIRED, after

        def plainly(account: Account) -> Callable[[], Reason] | None:
            if not account.leases[id].is_live(now):
                return None
            after = rules.stop(account, id, epoch=epoch, now=now)
            return partial(blind, sorted(account.ended.keys() - after.ended.keys()))

        return self._write(user_id, blind, judge, plainly, now=now)

    def read(self, user_id: str, *, now: int) -> Account:
        """The account as it is this moment (a consistent read); an empty one for a user nothing is kept of."""
        key = {"TableName": settings.DYNAMODB_TABLE, "Key": {"user_id": {"S": user_id}}}
        item = self._send("GetItem", key | {"ConsistentRead": True}).get("Item")
        return items.account(item) if item else rules.empty_account(now)

    def set_limit(self, user_id: str, *, limit: int, when_full: WhenFull, now: int) -> Account | None:
        """Override the default limit of one user, from the next start on. Live streams stay. The account before, None
        when there was none."""
        values = {
            "limit": number(limit),
            "when_full": {"S": when_full.value},
            "keep_until": number(now // 1000 + int(OVERRIDE_KEPT_FOR.total_seconds())),
            "version": number(rules.empty_account(now).version),
        }
        before = self._update(statements.set_limit().arguments(user_id, ids={}, values=values, returning="ALL_OLD"))
        return items.account(before) if before else None

    def clear_limit(self, user_id: str, *, now: int) -> Account | None:
        """Go back to the default limit; harmless when there was no override. The account before, None when nothing was
        cleared."""
        values = {"ttl": number(self._forget_at(now))}
        with suppress(_LostRace):
            arguments = statements.clear_limit().arguments(user_id, ids={}, values=values, returning="ALL_OLD")
            return items.account(self._update(arguments))
        return None

    def ping(self, *, now: int) -> None:
        """Raise `StoreUnavailable` unless DynamoDB answers for this table. Asks for an item, which is all that the
        service is allowed to do in production."""
        self.read("readyz", now=now)

    def is_empty(self) -> bool:
        """Whether nothing is kept of any user."""
        return not self._send("Scan", {"TableName": settings.DYNAMODB_TABLE, "Limit": 1})["Items"]

    def _write[Outcome](
        self,
        user_id: str,
        blind: Callable[[], Outcome],
        judge: Callable[[Account], tuple[Outcome, Account]],
        plainly: Callable[[Account], Callable[[], Outcome] | None] = lambda account: None,
        *,
        now: int,
    ) -> Outcome:
        """Write blind, then as judged. `judge` gives the outcome and the account to write, the same one when there is
        nothing to write; `plainly` gives a write that does the same to this account and that no other verb of the user
        races against, if there is one."""
        write: Callable[[], Outcome] = blind
        for attempt in range(ATTEMPTS):
            if attempt > 1:
                # Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
                self.sleep(self.random() * min(BACKOFF_AT_MOST_SECONDS, BACKOFF_SECONDS * 2**attempt))
            try:
                return write()
            except _LostRace as lost:
                seen = lost.account
            outcome, after = judge(seen or rules.empty_account(now))
            if after is seen and seen is not None:
                return outcome
            plain = plainly(seen) if seen is not None else None
            write = plain or partial(self._replace, user_id, seen, after, outcome, now=now)
        raise StoreContended

    def _replace[Outcome](
        self, user_id: str, seen: Account | None, after: Account, outcome: Outcome, *, now: int
    ) -> Outcome:
        """Write the whole account, if it is still the one that was judged."""
        values = items.account_item(after) | {"ttl": number(self._forget_at(now))}
        if seen is not None:
            values["seen"] = number(seen.version)
        self._update(statements.replace(is_new=seen is None).arguments(user_id, ids={}, values=values))
        return outcome

    def _forget_at(self, now: int) -> int:
        """When the row may be forgotten, unless an override keeps it (epoch seconds)."""
        return (now + self.policy.lease_ms) // 1000 + int(REMEMBERED_FOR.total_seconds())

    def _update(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """One UpdateItem. The item before or after it, as the arguments ask; `_LostRace` with the account that was
        judged when the condition does not hold."""
        item: Mapping[str, Any] = self._send("UpdateItem", arguments).get("Attributes", {})
        return item

    def _send(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """One call. The only place where DynamoDB's errors, and those of the way there, become ours."""
        try:
            return self.call(operation, arguments)
        except ClientError as exc:
            if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                # PynamoDB's own error drops the item that was judged; the one that it wraps has it.
                cause: Any = exc.__cause__ or exc
                item = cause.response.get("Item")
                raise _LostRace(items.account(item) if item else None) from exc
            raise StoreUnavailable(str(exc)) from exc
        except BotoCoreError as exc:
            raise StoreUnavailable(str(exc)) from exc


def create_table() -> None:
    """Make the table of an empty engine; harmless when it is there, or when another process makes it now."""
    try:
        if not UserStreams.exists():
            UserStreams.create_table(wait=True)
    except PynamoDBException as exc:
        if exc.cause_response_code != "ResourceInUseException":
            raise StoreUnavailable(str(exc)) from exc

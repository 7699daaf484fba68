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
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial, reduce
from random import SystemRandom
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from pybreaker import CircuitBreakerError
from pynamodb.exceptions import PynamoDBException

from streams import rules
from streams.errors import StoreContended, StoreDown, StoreThrottled, StoreUnavailable
from streams.models import UserStreams
from streams.rules import (
    Account,
    Admission,
    Ending,
    Entitlement,
    Hold,
    Lease,
    Policy,
    Reason,
    StartRequest,
    last_epoch_of,
)
from streams.storage import calls, deadline, items, statements
from streams.storage.items import Item, number

type Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""An operation (`UpdateItem`) and its arguments, to its answer, all in DynamoDB's JSON."""

ATTEMPTS = 30
"""Writes tried for one request before it is called contended. The first retry is immediate, the later ones back off."""
BACKOFF_SECONDS = 0.005
BACKOFF_AT_MOST_SECONDS = 0.1

REPLACED_AT_MOST = 40
"""Streams that a start names and its condition too, since DynamoDB takes one of 4 KB. With more it reads first."""
REMEMBERED_FOR = timedelta(days=1)
"""How long after its last lease a row may be forgotten."""
NEVER_MS = 2**53
OVERRIDE_KEPT_FOR = timedelta(days=36_500)
"""A row with an operator's override outlives its streams."""


class _LostRace(Exception):
    """The condition did not hold. `account` is what DynamoDB judged, None when there was no row."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.account = _account(item) if item else None
        self.is_first_format = item is not None and items.is_first_format(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStore:
    """Starts, renews, stops and reads the streams of a user.

    Every verb takes `now` (ms since 1970 UTC) and raises, beside the refusals of `streams.errors`, `StoreUnavailable`
    and (writes only) `StoreContended`. A verb that could not be written is refused, never waved through: a limiter
    that admits when its store is down is no limiter.
    """

    policy: Policy
    is_shadowed: bool = False
    """Whether a start has to tell of the account that it found, even when it need not look at it."""
    call: Call = UserStreams.call
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = (
        SystemRandom().random
    )  # a seeded one would be the same in every resumed instance

    def start(self, user_id: str, request: StartRequest, *, now: int) -> Admission:
        """Admit one more stream, or raise `StreamLimitReached` or `TooManyStarts`."""

        def blind() -> Admission:
            plans = self.policy.blind(
                request.entitlement, replaced=len(request.replace)
            )
            lease = request.lease(now=now, policy=plans[0])
            stored = items.lease_item(lease)
            clauses, values = self._clauses(plans, request.entitlement, lease, stored)
            replaced = sorted(request.replace.keys() - {request.id})
            interval_ms = self.policy.mint_interval_ms
            statement = statements.start(
                replaced=len(replaced),
                is_entitled=request.entitlement.limit is not None,
                is_charged=interval_ms > 0,
                plans=clauses,
            )
            before = self._update(
                statement.arguments(
                    user_id,
                    ids={"id": request.id}
                    | {f"replaced{index}": id for index, id in enumerate(replaced)},
                    values=values
                    | {
                        "lease": stored,
                        "epoch": number(request.epoch),
                        "none": number(0),
                        "now": number(now),
                        "ttl": number(self._forget_at(now)),
                        **({"mints": number(now + interval_ms)} if interval_ms else {}),
                    },
                    returning="ALL_OLD",
                )
            )
            own = _reading(items.lease_of, before, request.id)
            if own:
                lease = replace(lease, prior_expires_at=own.expires_at)
            if not (self.is_shadowed or self.policy.is_paced):
                return Admission(lease=lease, plan=before.get("plan", {}).get("S"))
            found = _account(before)
            after = replace(found, leases={**found.leases, request.id: lease})
            paced = rules.paced(after, lease, now=now, policy=self.policy)
            return Admission(lease=paced, plan=found.plan, before=found)

        def judge(account: Account) -> tuple[Admission, Account]:
            after, admission = rules.start(
                account, request, now=now, policy=self.policy
            )
            return admission, after

        def plainly(account: Account) -> Callable[[], Admission] | None:
            is_plain = fits and rules.is_plain_start(
                account, request, now=now, policy=self.policy
            )
            return blind if is_plain else None

        def written(account: Account) -> Admission | None:
            return rules.admitted(account, request, now=now, policy=self.policy)

        fits = len(request.replace) <= REPLACED_AT_MOST
        return self._write(
            user_id,
            judge,
            blind=blind if fits else None,
            plainly=plainly,
            written=written,
            now=now,
        )

    def renew(
        self, user_id: str, id: str, *, hold: Hold, now: int, is_paused: bool = False
    ) -> Lease:
        """Extend the lease of `id`, or raise `StreamEnded`, `StreamNotFound` or `InvalidToken`. A pause is judged on
        what is read: told of again, there is nothing to write."""

        def blind() -> Lease:
            expires_at = now + (
                hold.pace.lease_ms if hold.pace else self.policy.lease_ms
            )
            values = {
                "epoch": number(hold.epoch),
                "expires_at": number(expires_at),
                "now": number(now),
                "last": number(min(expires_at - 1, self._latest_end(hold))),
                "ttl": number(self._forget_at(now)),
            }
            if hold.pace:
                values["among"] = number(hold.pace.among)
            statement = statements.renew(is_paced=hold.pace is not None)
            after = self._update(
                statement.arguments(
                    user_id, ids={"id": id}, values=values, returning="ALL_NEW"
                )
            )
            renewed = _reading(items.lease_of, after, id)
            assert renewed is not None, "its condition held"
            if not self.policy.is_paced:
                return renewed
            return rules.paced(_account(after), renewed, now=now, policy=self.policy)

        def judge(account: Account) -> tuple[Lease, Account]:
            after = rules.renew(
                account, id, hold=hold, now=now, policy=self.policy, is_paused=is_paused
            )
            return rules.paced(
                after, after.leases[id], now=now, policy=self.policy
            ), after

        return self._write(user_id, judge, blind=None if is_paused else blind, now=now)

    def stop(
        self, user_id: str, id: str, *, hold: Hold | None, now: int
    ) -> Reason | None:
        """Free the slot of `id`, and say how its stream ended: stopped, expired before that, or None when it was over
        already, which does no harm. Raise `StreamEnded` when a hold is given and the slot has changed hands,
        `InvalidToken` for one of an old token, `StreamNotFound` when the id is not known."""
        epoch = last_epoch_of(now) if hold is None else hold.epoch
        ending = Ending(reason=Reason.STOPPED, at=now, epoch=epoch)

        def blind(forgotten: Collection[str] | None = None) -> Reason:
            values = {
                "ending": items.ending_item(ending),
                "epoch": number(epoch),
                "now": number(now),
                "ttl": number(self._forget_at(now)),
            }
            if forgotten is None:
                values["room"] = number(rules.room_for_endings((id, ending)))
            if hold is not None:
                values["last"] = number(self._latest_end(hold))
            statement = statements.stop(
                is_held=hold is not None,
                forgotten=None if forgotten is None else len(forgotten),
            )
            ids = {"id": id} | {
                f"forgotten{index}": id for index, id in enumerate(forgotten or ())
            }
            self._update(statement.arguments(user_id, ids=ids, values=values))
            return Reason.STOPPED

        def judge(account: Account) -> tuple[Reason | None, Account]:
            after = rules.stop(account, id, hold=hold, now=now, policy=self.policy)
            return None if after is account else after.ended[id].reason, after

        def plainly(account: Account) -> Callable[[], Reason] | None:
            lease = account.leases.get(id)
            if (
                lease is None
                or not lease.is_live(now)
                or lease.expires_at > self._latest_end(hold)
            ):
                return None
            if lease.epoch > epoch or (hold and lease.epoch < epoch):
                return None
            after = rules.stop(account, id, hold=hold, now=now, policy=self.policy)
            return partial(blind, sorted(account.ended.keys() - after.ended.keys()))

        def written(account: Account) -> Reason | None:
            return (
                Reason.STOPPED
                if id not in account.leases and account.ended.get(id) == ending
                else None
            )

        return self._write(
            user_id, judge, blind=blind, plainly=plainly, written=written, now=now
        )

    def end_all(self, user_id: str, *, keep: str | None, now: int) -> list[str]:
        """Free every slot but that of `keep`; the ids of the live streams that ended, oldest first."""
        mine: list[Account] = []
        """What this call has written, perhaps."""

        def judge(account: Account) -> tuple[list[str], Account]:
            after, ended = rules.end_all(account, keep=keep, now=now)
            mine.append(after)
            return ended, after

        def written(account: Account) -> list[str] | None:
            for after in mine:
                new = {
                    id: ending for id, ending in after.ended.items() if ending.at == now
                }
                if new and new.items() <= account.ended.items():
                    return [
                        id
                        for id, ending in new.items()
                        if ending.reason is Reason.STOPPED
                    ]
            return None

        return self._write(user_id, judge, written=written, now=now)

    def forget(self, user_id: str, *, now: int) -> None:
        """Drop everything kept of a user; harmless when there is nothing. One that comes late drops nothing that was
        made anew since: that has a later version."""
        last: int | None = now
        while last is not None:
            try:
                self._send("DeleteItem", self._key(user_id) | statements.forget(last))
                return
            except (
                _LostRace
            ) as lost:  # nothing is kept, or by a server whose clock is ahead
                last = lost.account.version if lost.account else None

    def read(self, user_id: str, *, now: int) -> Account:
        """The account as it is this moment (a consistent read); an empty one for a user nothing is kept of."""
        item = self._item(user_id)
        return _account(item) if item else rules.empty_account(now)

    def set_limit(
        self, user_id: str, *, now: int, end_surplus: bool = False, **given: Any
    ) -> tuple[Account, Account]:
        """As `rules.override`, from the next start on. The account before, empty when there was none, and after."""
        options = {
            "limit": None,
            "plan": None,
            "when_full": None,
            **given,
            "end_surplus": end_surplus,
        }

        mine: list[tuple[Account, Account]] = []
        """What this call has written, perhaps, and what was there before."""

        def judge(account: Account) -> tuple[tuple[Account, Account], Account]:
            after = rules.override(account, **options, now=now, policy=self.policy)
            mine.append((account, after))
            return mine[-1], after

        def written(account: Account) -> tuple[Account, Account] | None:
            for before, after in mine:
                new = after.ended.items() - before.ended.items()
                if account == after or (new and new <= account.ended.items()):
                    return before, after
            return None

        return self._write(user_id, judge, written=written, now=now)

    def clear_limit(self, user_id: str, *, now: int) -> Account | None:
        """Go back to the default. The account before, None when nothing was cleared."""
        before, _ = self.set_limit(user_id, now=now)
        return before if items.override_item(before) else None

    def is_empty(self) -> bool:
        """Whether nothing is kept of any user."""
        return not self._send(
            "Scan", {"TableName": settings.DYNAMODB_TABLE, "Limit": 1}
        )["Items"]

    def _write[Outcome](
        self,
        user_id: str,
        judge: Callable[[Account], tuple[Outcome, Account]],
        *,
        blind: Callable[[], Outcome] | None = None,
        plainly: Callable[[Account], Callable[[], Outcome] | None] = lambda account: (
            None
        ),
        written: Callable[[Account], Outcome | None] = lambda account: None,
        now: int,
    ) -> Outcome:
        """Write blind, then as judged; without a blind write, as judged on what is read.

        `judge` gives the outcome and the account to write, the same one when there is nothing to write. `plainly`
        gives a write that does the same to this account and that no other verb of the user races against, if there is
        one. `written` gives the outcome where this call's own write is found: it was sent twice, because no answer came
        or because the network did so.
        """
        write = blind or partial(self._judge_what_is_read, user_id, now=now)
        for attempt in range(ATTEMPTS):
            if attempt > 0 and deadline.is_over():
                break
            if attempt > 1:
                # Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
                self.sleep(
                    self.random()
                    * min(BACKOFF_AT_MOST_SECONDS, BACKOFF_SECONDS * 2**attempt)
                )
            try:
                return write()
            except _LostRace as lost:
                seen, is_first_format = lost.account, lost.is_first_format
            except StoreDown as exc:
                raise (
                    StoreUnavailable(str(exc)) if attempt else exc
                ) from exc.__cause__  # it answered before
            if seen is not None:
                if (outcome := written(seen)) is not None:
                    return outcome
                if is_first_format and blind:
                    write = partial(
                        self._write_anew, user_id, seen, then=blind, now=now
                    )
                    continue
            account = seen or rules.empty_account(now)
            outcome, after = judge(account)
            if after is account:
                return outcome
            plain = plainly(seen) if seen is not None else None
            write = plain or partial(
                self._replace, user_id, seen, after, outcome, now=now
            )
        raise StoreContended

    def _judge_what_is_read(self, user_id: str, *, now: int) -> Any:
        """In the place of a blind write: nothing is written yet, and this is what there is."""
        raise _LostRace(self._item(user_id))

    def _write_anew[Outcome](
        self, user_id: str, seen: Account, *, then: Callable[[], Outcome], now: int
    ) -> Outcome:
        """Bring an item of the first format to the present one, and go on."""
        self._replace(
            user_id, seen, replace(seen, version=seen.version + 1), None, now=now
        )
        return then()

    def _replace[Outcome](
        self,
        user_id: str,
        seen: Account | None,
        after: Account,
        outcome: Outcome,
        *,
        now: int,
    ) -> Outcome:
        """Write the whole account, if it is still the one that was judged."""
        override = items.override_item(after)
        values = (
            items.account_item(after) | {"ttl": number(self._forget_at(now))} | override
        )
        if override:
            values["ttl"] = values["keep_until"] = number(
                now // 1000 + int(OVERRIDE_KEPT_FOR.total_seconds())
            )
        if seen is not None:
            values["seen"] = number(seen.version)
        statement = statements.replace(is_new=seen is None, override=tuple(override))
        self._update(statement.arguments(user_id, ids={}, values=values))
        return outcome

    def _clauses(
        self, plans: list[Policy], granted: Entitlement, lease: Lease, stored: Item
    ) -> tuple[tuple[statements.PlanClause, ...], dict[str, Item]]:
        """What the condition of a start says of each plan that it may be written under, and its values."""
        clauses: list[statements.PlanClause] = []
        values: dict[str, Item] = {}
        for index, plan in enumerate(plans):
            looked_at, lowest = plan.counting(lease)
            places = tuple(items.place_of(name) for name in looked_at)
            for at, place in enumerate(places):
                values[f"looked{index}_{at}"] = reduce(
                    lambda item, name: item["M"][name], place, stored
                )
            name = plan.name if self.policy.plans and not granted.plan else None
            clauses.append(
                (
                    name,
                    plan.limit if granted.limit is None else granted.limit,
                    lowest,
                    places,
                )
            )
        return tuple(clauses), values

    def _item(self, user_id: str) -> Item | None:
        return self._send("GetItem", self._key(user_id) | {"ConsistentRead": True}).get(
            "Item"
        )

    def _key(self, user_id: str) -> dict[str, Any]:
        return {
            "TableName": settings.DYNAMODB_TABLE,
            "Key": {"user_id": {"S": user_id}},
        }

    def _latest_end(self, hold: Hold | None) -> int:
        """The latest end that the stored lease may have for this token: later ones have replaced it a lease ago."""
        return (
            NEVER_MS
            if hold is None or hold.expires_at is None
            else hold.expires_at + self.policy.longest_ms
        )

    def _forget_at(self, now: int) -> int:
        """When the row may be forgotten, unless an override keeps it (epoch seconds)."""
        return (now + self.policy.longest_ms) // 1000 + int(
            REMEMBERED_FOR.total_seconds()
        )

    def _update(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """One UpdateItem. The item before or after it, as the arguments ask; `_LostRace` with the account that was
        judged when the condition does not hold."""
        item: Mapping[str, Any] = self._send("UpdateItem", arguments).get(
            "Attributes", {}
        )
        return item

    def _send(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """One call. The only place where DynamoDB's errors, and those of the way there, become ours."""
        try:
            answer = self.call(operation, arguments)
        except ClientError as exc:
            said = calls.refusal(exc) or {}
            if (
                said["Error"]["Code"] == "ConditionalCheckFailedException"
                and "ConditionExpression" in arguments
            ):
                raise _LostRace(said.get("Item")) from exc
            refused = StoreThrottled if calls.is_throttled(exc) else StoreUnavailable
            raise (refused if calls.is_answer(exc) else StoreDown)(str(exc)) from exc
        except (BotoCoreError, CircuitBreakerError, TimeoutError) as exc:
            raise StoreDown(f"{operation}: {exc}") from exc
        except (
            Exception
        ) as exc:  # botocore's client lets its parser's own errors through
            raise StoreDown(
                f"{operation}: the answer is not DynamoDB's: {exc!r}"
            ) from exc
        # Every call asks for the capacity it consumes, so even one that finds nothing has something to say.
        is_missing = not answer.keys() - {"ResponseMetadata"}
        if arguments.get("ReturnValues") == "ALL_NEW":
            is_missing = not isinstance(answer.get("Attributes"), dict)
        if is_missing:
            raise StoreUnavailable(
                f"{operation}: status 200 without what was asked for: {answer!r:.200}"
            )
        return answer


def _account(item: Item) -> Account:
    """Everything that an item says."""
    return _reading(
        items.account_of_first_format if items.is_first_format(item) else items.account,
        item,
    )


def _reading[Read](read: Callable[..., Read], item: Item, *arguments: Any) -> Read:
    """What an item says. An answer that is none of ours says nothing."""
    try:
        return read(item, *arguments)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise StoreUnavailable(
            f"the item is not one that this service wrote: {exc!r}"
        ) from exc


def create_table() -> None:
    """Make the table of an empty engine; harmless when it is there, or when another process makes it now."""
    try:
        if not UserStreams.exists():
            UserStreams.create_table(wait=True)
    except PynamoDBException as exc:
        if exc.cause_response_code != "ResourceInUseException":
            raise StoreUnavailable(str(exc)) from exc

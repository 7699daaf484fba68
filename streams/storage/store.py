"""The store: starts, renews, stops and lists the streams of a user.

Each verb is one DynamoDB call unless another writer interferes. See `verbs` for
the steps of a verb; this module runs them.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from random import SystemRandom
from secrets import token_urlsafe
from typing import Any, NoReturn

from pynamodb.exceptions import PynamoDBException

from streams import rules
from streams.conf import settings
from streams.dynamodb import calls, deadline
from streams.errors import (
    StoreContended,
    StoreDown,
    StoreUnavailable,
    StreamsError,
)
from streams.models import UserStreams
from streams.rules import (
    Account,
    Admission,
    Hold,
    Lease,
    Plans,
    Reason,
    StartRequest,
    WhenFull,
    immutable,
)
from streams.storage import items, statements
from streams.storage.items import number, text
from streams.storage.lifetime import delete_forgotten_at, keep_override_until
from streams.storage.table import Call, ConditionFailed, StoredItem, Table
from streams.storage.verbs import EndAll, Forget, Renew, SetLimit, Start, Stop, Verb

MAX_ATTEMPTS = 30
"""Calls of one request before it fails as contended."""
BACKOFF_SECONDS = 0.005
MAX_BACKOFF_SECONDS = 0.1


@immutable
class Done[Outcome]:
    """The outcome of a verb that needs no further write."""

    outcome: Outcome


@dataclass(frozen=True, kw_only=True)  # no slots: cached_property needs __dict__
class StreamStore:
    """Starts, renews, stops and reads the streams of a user.

    `now` is milliseconds since 1970, UTC. Every method raises `StoreUnavailable`
    when DynamoDB does not work, and methods that write raise `StoreContended`.
    The store fails closed: a write that could not be made admits no stream.
    """

    plans: Plans
    is_shadowed: bool = False
    """Whether each admission carries the account that the start stored."""
    call: Call = UserStreams.call
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = SystemRandom().random
    """A seeded generator would repeat itself in every resumed Lambda instance."""

    def start(
        self,
        user_id: str,
        request: StartRequest,
        *,
        now: int,
        is_paused: bool = False,
    ) -> Admission:
        """Admit one more stream. A grace lease may be paused already.

        Raises:
            StreamLimitReached, TooManyStarts, StreamEnded (grace lease)
        """
        return self._run(
            Start(
                table=self.table,
                plans=self.plans,
                user_id=user_id,
                now=now,
                request=request,
                is_shadowed=self.is_shadowed,
                is_paused=is_paused,
            )
        )

    def renew(
        self, user_id: str, id: str, *, hold: Hold, now: int, is_paused: bool = False
    ) -> Lease:
        """Extend a lease.

        Raises:
            StreamEnded, StreamNotFound, InvalidToken
        """
        return self._run(
            Renew(
                table=self.table,
                plans=self.plans,
                user_id=user_id,
                now=now,
                id=id,
                hold=hold,
                is_paused=is_paused,
            )
        )

    def stop(
        self, user_id: str, id: str, *, hold: Hold | None, now: int
    ) -> Reason | None:
        """Free a slot and return how the stream ended.

        Returns `STOPPED`, `EXPIRED`, or None when it was over already.

        Raises:
            StreamEnded: the slot changed hands since the hold was issued.
            InvalidToken: the hold comes from a token that was replaced long ago.
            StreamNotFound: the id is unknown.
        """
        return self._run(
            Stop(
                table=self.table,
                plans=self.plans,
                user_id=user_id,
                now=now,
                id=id,
                hold=hold,
            )
        )

    def end_all(self, user_id: str, *, keep: str | None, now: int) -> list[str]:
        """End all streams except `keep` and return the ids of the live ones."""
        return self._run(
            EndAll(
                table=self.table, plans=self.plans, user_id=user_id, now=now, keep=keep
            )
        )

    def forget(self, user_id: str, *, now: int) -> None:
        """Erase everything that is stored for a user. Repeats do no harm."""
        self._run(Forget(table=self.table, plans=self.plans, user_id=user_id, now=now))

    def repair(self, user_id: str, *, now: int) -> None:
        """Replace an item that cannot be read by an empty one.

        Everything that it stores is lost. An item that can be read is erased in
        the same way.
        """
        dropped = items.unknown_attributes(self.table.read_item(user_id) or {})
        emptied = rules.forget(rules.empty_account(now), now=now)
        values = items.account_item(emptied)
        values["ttl"] = number(delete_forgotten_at(now))
        values["write"] = text(token_urlsafe(4))

        statement = statements.replace_any(dropped=len(dropped))
        ids = _dropped_ids(dropped)
        with suppress(ConditionFailed):  # the user has no item
            self.table.update(statement.arguments(user_id, ids=ids, values=values))

    def read_item(self, user_id: str) -> items.Item | None:
        """Return the user's item in DynamoDB's JSON, readable or not."""
        return self.table.read_item(user_id)

    def read(self, user_id: str, *, now: int) -> Account:
        """Return the account as it is now, by a consistent read."""
        stored = self.table.read(user_id)
        return stored.account or rules.empty_account(now)

    def set_limit(
        self,
        user_id: str,
        *,
        now: int,
        limit: int | None = None,
        plan: str | None = None,
        when_full: WhenFull | None = None,
        end_surplus: bool = False,
    ) -> tuple[Account, Account]:
        """Store an operator's overrides and return the account before and after."""
        return self._run(
            SetLimit(
                table=self.table,
                plans=self.plans,
                user_id=user_id,
                now=now,
                limit=limit,
                plan=plan,
                when_full=when_full,
                end_surplus=end_surplus,
            )
        )

    def clear_limit(self, user_id: str, *, now: int) -> Account | None:
        """Remove the overrides. Returns the account before, if it had any."""
        before, _ = self.set_limit(user_id, now=now)
        return before if items.override_item(before) else None

    def is_empty(self) -> bool:
        """Return whether the table has no items."""
        arguments = {"TableName": settings.DYNAMODB_TABLE, "Limit": 1}
        return not self.table.send("Scan", arguments)["Items"]

    @cached_property
    def table(self) -> Table:
        """The table, reached by `call`."""
        return Table(self.call)

    def _run[Outcome](self, verb: Verb[Outcome]) -> Outcome:
        """Run the steps of a verb until a write succeeds or the rule refuses."""
        write = verb.attempt if verb.has_attempt else None

        for attempt in range(MAX_ATTEMPTS):
            if attempt > 0 and deadline.is_over():
                break
            self._back_off(attempt)

            try:
                result = self._write_or_read(verb, write)
            except StoreDown as exc:
                raise _as_seen_at(attempt, exc) from exc.__cause__
            if isinstance(result, Done):
                return result.outcome

            step = self._next_step(verb, result)
            if isinstance(step, Done):
                return step.outcome
            write = step

        raise StoreContended

    def _write_or_read[Outcome](
        self, verb: Verb[Outcome], write: Callable[[], Outcome] | None
    ) -> Done[Outcome] | StoredItem:
        """Return the outcome of a write, or the item that the rule must judge."""
        if write is None:
            return verb.table.read(verb.user_id)

        unanswered = calls.unanswered.get()
        try:
            return Done(outcome=write())
        except ConditionFailed as failed:
            if calls.unanswered.get() > unanswered:
                verb.writes.has_unanswered = True
            return failed.stored

    def _next_step[Outcome](
        self, verb: Verb[Outcome], stored: StoredItem
    ) -> Done[Outcome] | Callable[[], Outcome]:
        """Return the write that follows from an item, or the outcome without one."""
        if stored.account is None:
            return self._judge(verb, stored, rules.empty_account(verb.now))

        outcome = verb.find_own_write(stored.account)
        if outcome is not None:
            return Done(outcome=outcome)
        if stored.is_first_format and verb.has_attempt:
            return partial(self._upgrade_then_attempt, verb, stored)
        return self._judge(verb, stored, stored.account)

    def _judge[Outcome](
        self, verb: Verb[Outcome], stored: StoredItem, account: Account
    ) -> Done[Outcome] | Callable[[], Outcome]:
        """Let the rule decide about an account, and return how to write that."""
        try:
            outcome, after = verb.decide(account)
        except StreamsError as refusal:
            if not verb.writes.has_unanswered:
                raise
            fenced = verb.fence(account, refusal)
            if fenced is account or stored.account is None:
                raise
            return partial(self._fence_then_refuse, verb, stored, fenced, refusal)
        if after is account:
            return Done(outcome=outcome)

        narrow_write = verb.narrow_write(account) if stored.account else None
        if narrow_write is not None:
            return narrow_write
        return partial(self._replace_item, verb, stored, after, outcome)

    def _fence_then_refuse(
        self,
        verb: Verb[Any],
        stored: StoredItem,
        fenced: Account,
        refusal: StreamsError,
    ) -> NoReturn:
        """Refuse a call whose first send got no answer and may still arrive."""
        self._write_account(verb, stored, fenced, write_id=verb.writes.prefix)
        raise refusal

    def _back_off(self, attempt: int) -> None:
        """Wait before a retry. The first retry is immediate; later ones jitter.

        https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        if attempt > 1:
            longest = min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt)
            self.sleep(self.random() * longest)

    def _upgrade_then_attempt[Outcome](
        self, verb: Verb[Outcome], stored: StoredItem
    ) -> Outcome:
        """Convert an item of version 1.0, then write blind."""
        assert stored.account is not None, "only an item has a format"
        converted = replace(stored.account, version=stored.account.version + 1)
        self._write_account(verb, stored, converted, write_id=verb.writes.prefix)
        return verb.attempt()

    def _replace_item[Result](
        self, verb: Verb[Any], stored: StoredItem, after: Account, outcome: Result
    ) -> Result:
        """Write the whole account, as the verb decided, and return the outcome."""
        expected_version = stored.account.version if stored.account else None
        write_id = verb.writes.add(outcome, expected_version=expected_version)
        self._write_account(verb, stored, after, write_id=write_id)
        return outcome

    def _write_account(
        self, verb: Verb[Any], stored: StoredItem, after: Account, *, write_id: str
    ) -> None:
        """Write the whole account if the item is still the one that was judged."""
        override = items.override_item(after)
        values = items.account_item(after) | override
        values["ttl"] = number(verb.item_ttl)
        if override:
            values["ttl"] = number(keep_override_until(verb.now))
            values["keep_until"] = values["ttl"]
        values["write"] = text(write_id)
        dropped: list[str] = []
        if stored.account is not None:
            values["seen"] = number(stored.account.version)
            before = stored.account.unknown_attributes
            dropped = [name for name in before if name not in after.unknown_attributes]

        statement = statements.replace(
            is_new=stored.account is None,
            override=tuple(override),
            dropped=len(dropped),
        )
        ids = _dropped_ids(dropped)
        self.table.update(statement.arguments(verb.user_id, ids=ids, values=values))


def _dropped_ids(names: Iterable[str]) -> dict[str, str]:
    """Return the ids of a statement that drops these attributes."""
    return {f"dropped{index}": name for index, name in enumerate(names)}


def _as_seen_at(attempt: int, exc: StoreDown) -> StoreUnavailable:
    """Return the error for a call that got no answer.

    `StoreDown` opens grace leases, so it is reserved for the first call: after
    an answer in the same request the store is unavailable, not down.
    """
    return StoreUnavailable(str(exc)) if attempt else exc


def create_table() -> None:
    """Create the table if it does not exist. Concurrent calls do no harm."""
    try:
        if not UserStreams.exists():
            UserStreams.create_table(wait=True)
    except PynamoDBException as exc:
        if exc.cause_response_code != "ResourceInUseException":
            raise StoreUnavailable(str(exc)) from exc

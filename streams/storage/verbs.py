"""The verbs: each is one conditional write whose condition encodes the rule.

    attempt ──ok──▶ done
        │ ConditionFailed: DynamoDB returns the item
        ▼
    find_own_write ──found──▶ done: an earlier send of this call took effect
        │
        ▼
    decide ──────────────▶ error, or done: no change is needed
        │ a new account
        ▼
    write if unchanged ──ConditionFailed──▶ again, from find_own_write

`StreamStore` runs this loop. A verb supplies its steps. A repeat is not a new
request: it reports what the first send did, or that this is not known.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

from streams import rules
from streams.errors import (
    InvalidToken,
    StoreUnavailable,
    StreamEnded,
    StreamsError,
)
from streams.rules import (
    MAX_SKEW_MS,
    UNLIMITED,
    Account,
    Admission,
    Ending,
    Hold,
    Lease,
    Plan,
    Plans,
    Reason,
    Rule,
    StartRequest,
    WhenFull,
    last_epoch_of,
)
from streams.storage import items, statements
from streams.storage.items import Item, number, text
from streams.storage.lifetime import delete_forgotten_at, forget_at
from streams.storage.table import (
    ConditionFailed,
    StoredItem,
    Table,
    account_of,
    lease_of,
)
from streams.storage.writes import SentWrites

MAX_REPLACED = 40
"""A condition holds at most 4 KB. A start that replaces more reads first."""
NEVER_MS = 2**53

type Path = tuple[str, ...]
"""Names that lead to a value inside a stored lease."""


@dataclass(slots=True, kw_only=True)
class Verb[Outcome](ABC):
    """One call of one user, as steps that `StreamStore` runs."""

    table: Table
    plans: Plans
    user_id: str
    now: int
    writes: SentWrites[Outcome] = field(default_factory=SentWrites)

    @property
    def has_attempt(self) -> bool:
        """Whether a blind write exists. Otherwise the item is read first."""
        return False

    def attempt(self) -> Outcome:
        """Write without a read. The condition allows what the rule allows.

        Raises:
            ConditionFailed: the rule must decide about the item.
        """
        raise NotImplementedError

    @abstractmethod
    def decide(self, account: Account) -> tuple[Outcome, Account]:
        """Return the rule's outcome and the account to write.

        The same account means that no write is needed.
        """

    def find_own_write(self, account: Account) -> Outcome | None:
        """Return the outcome of this call if an earlier send of it took effect.

        Raises:
            StoreUnavailable: it took effect or may have, and the outcome is lost.
        """
        write_id = self.writes.find(account)
        if write_id is None:
            if self.writes.may_be_forgotten(account, kept=len(items.RECENT_WRITES)):
                raise _unknown("too many changes followed a write without an answer")
            return None

        outcome = self.writes.outcomes[write_id]
        if outcome is None:
            raise _unknown("the answer to a write was lost, and others followed it")
        return outcome

    def fence(self, account: Account, refusal: StreamsError) -> Account:
        """Return an account in which no earlier send of this call can take effect.

        It is written before a call is refused whose first send got no answer. The
        same account means that no write is needed.
        """
        return account

    @property
    def item_ttl(self) -> int:
        """When DynamoDB may delete the item after this call, in epoch seconds."""
        return forget_at(self.now, self.plans)

    def narrow_write(self, account: Account) -> Callable[[], Outcome] | None:
        """Return a write with the same effect that other verbs cannot disturb."""
        return None

    def latest_expiry(self, hold: Hold | None) -> int:
        """Return the latest stored expiry for which a token is still valid.

        While the token's own lease has not expired, a later expiry comes from a
        release that grants longer leases.
        """
        if hold is None or hold.expires_at is None or self.now < hold.expires_at:
            return NEVER_MS
        return hold.expires_at + self.plans.longest_playing_ms


@dataclass(slots=True, kw_only=True)
class Start(Verb[Admission]):
    """Admit one more stream."""

    request: StartRequest
    is_shadowed: bool
    is_paused: bool = False

    @property
    def has_attempt(self) -> bool:
        """Whether the condition can express the rule.

        It has room for a number of replaced streams. The length of a pause depends on
        the stored plan, and a ticket must not have started the id before: both need
        a read.
        """
        has_room = len(self.request.replace) <= MAX_REPLACED
        return has_room and not (self.is_paused or self.request.is_by_ticket)

    def attempt(self) -> Admission:
        """Write the lease if the slot is the stream's own, or if there is room."""
        request = self.request
        candidates = self.plans.candidates(
            request.entitlement, replaced=len(request.replace)
        )
        lease = request.lease(now=self.now, lease_ms=candidates[0].lease_ms)
        stored_lease = items.lease_item(lease)

        clauses, clause_values = self._clauses(candidates, lease, stored_lease)
        replaced = sorted(request.replace.keys() - {request.id})
        interval_ms = self.plans.start_rate.interval_ms

        statement = statements.start(
            replaced=len(replaced),
            is_entitled=request.entitlement.limit is not None,
            is_charged=interval_ms > 0,
            plans=clauses,
        )

        ids = {"id": request.id}
        for index, id in enumerate(replaced):
            ids[f"replaced{index}"] = id

        values = clause_values | {
            "lease": stored_lease,
            "epoch": number(request.epoch),
            "expires_at": number(lease.expires_at),
            "none": number(0),
            "now": number(self.now),
            "ttl": number(self.item_ttl),
            "write": text(self.writes.add(None, expected_version=None)),
        }
        if interval_ms > 0:
            values["theoretical_arrival_at"] = number(self.now + interval_ms)

        before = self.table.update(
            statement.arguments(
                self.user_id, ids=ids, values=values, returning="ALL_OLD"
            )
        )
        return self._admission(lease, before)

    def decide(self, account: Account) -> tuple[Admission, Account]:
        """Judge the start by the whole account."""
        after, admission = rules.start(
            account,
            self.request,
            now=self.now,
            plans=self.plans,
            is_paused=self.is_paused,
        )
        return admission, after

    def find_own_write(self, account: Account) -> Admission | None:
        """Return the admission that an earlier send of this start wrote.

        Raises:
            StoreUnavailable: the slot changed hands since that send, or it may have.
        """
        write_id = self.writes.find(account)
        admission = self.writes.outcomes.get(write_id or "")
        if admission is None:
            admission = rules.find_admission(
                account, self.request, now=self.now, plans=self.plans
            )
        if admission is None:
            admission = Verb.find_own_write(self, account)
        if admission is not None:
            return admission

        has_later_epoch = account.last_epoch(self.request.id) >= self.request.epoch
        if self.writes.has_unanswered and has_later_epoch:
            raise _unknown("a start got no answer, and its slot changed hands since")
        return None

    def fence(self, account: Account, refusal: StreamsError) -> Account:
        """Return the account in which this start's blind write counts as late."""
        if account.theoretical_arrival_at >= self.now:
            return account
        return account.changed(theoretical_arrival_at=self.now)

    def narrow_write(self, account: Account) -> Callable[[], Admission] | None:
        """Return the blind write if the start affects no other stream."""
        is_plain = rules.is_plain_start(
            account, self.request, now=self.now, plans=self.plans
        )
        return self.attempt if self.has_attempt and is_plain else None

    def _admission(self, lease: Lease, before: Item) -> Admission:
        """Return the admission of a lease, given the item that it was added to."""
        own = lease_of(before, lease.id)
        if own:
            lease = replace(lease, prior_expires_at=own.expires_at)

        if not self.is_shadowed and not self.plans.needs_pace:
            plan = before.get("plan", {}).get("S")
            return Admission(lease=lease, plan=plan)

        account = account_of(before)
        after = replace(account, leases={**account.leases, lease.id: lease})
        return Admission(
            lease=rules.with_pace(after, lease, now=self.now, plans=self.plans),
            plan=account.plan,
            before=account,
        )

    def _clauses(
        self, candidates: list[Plan], lease: Lease, stored_lease: Item
    ) -> tuple[tuple[statements.PlanClause, ...], dict[str, Item]]:
        """Return one clause of the condition per plan, and the clauses' values."""
        clauses = []
        values: dict[str, Item] = {}
        for index, plan in enumerate(candidates):
            clause = self._clause(index, plan, lease)
            clauses.append(clause)
            for position, path in enumerate(clause.paths):
                values[clause.parameter(position)] = _value_at(stored_lease, path)
        return tuple(clauses), values

    def _clause(self, index: int, plan: Plan, lease: Lease) -> statements.PlanClause:
        entitlement = self.request.entitlement
        is_plan_stored = bool(self.plans.named) and not entitlement.plan
        rules_that_count = plan.rules_that_count(lease)
        rule_limits = [rule.limit for rule in rules_that_count]

        return statements.PlanClause(
            index=index,
            name=plan.name if is_plan_stored else None,
            limit=plan.limit if entitlement.limit is None else entitlement.limit,
            lowest_rule_limit=min(rule_limits, default=UNLIMITED),
            paths=_paths(rules_that_count),
        )


@dataclass(slots=True, kw_only=True)
class Renew(Verb[Lease]):
    """Extend a lease. A pause is decided on a read: a repeat needs no write.

    If the hold is of another network than the lease, the rule judges it by the item
    that the renewal returned. So only a player that moves costs one more call.
    """

    id: str
    hold: Hold
    is_paused: bool

    @property
    def has_attempt(self) -> bool:
        """Whether the stream plays."""
        return not self.is_paused

    def attempt(self) -> Lease:
        """Move the expiry if the lease is live, the caller's, and not paused.

        Raises:
            ConditionFailed: the rule must decide about the item, or about the network
                of the renewed lease.
        """
        pace = self.hold.pace
        lease_ms = pace.lease_ms if pace else self.plans.default.lease_ms
        expires_at = self.now + lease_ms
        latest_expiry = min(expires_at - 1, self.latest_expiry(self.hold))

        statement = statements.renew(is_paced=pace is not None)
        values = {
            "epoch": number(self.hold.epoch),
            "expires_at": number(expires_at),
            "now": number(self.now),
            "last": number(latest_expiry),
            "ttl": number(self.item_ttl),
        }
        if pace:
            values["max_stored_leases"] = number(pace.max_stored_leases)
            issued_at = self.hold.issued_after(self.plans.longest_lease_ms)
            values["issued_at"] = number(issued_at)

        after = self.table.update(
            statement.arguments(
                self.user_id, ids={"id": self.id}, values=values, returning="ALL_NEW"
            )
        )
        lease = lease_of(after, self.id)
        assert lease is not None, "the condition requires a lease"

        if self.hold.has_moved(lease):
            raise ConditionFailed(StoredItem.of(after))
        if not self.plans.needs_pace:
            return lease
        account = account_of(after)
        return rules.with_pace(account, lease, now=self.now, plans=self.plans)

    def decide(self, account: Account) -> tuple[Lease, Account]:
        """Judge the heartbeat by the whole account.

        Raises:
            StoreUnavailable: the network may have delivered it twice, and the first
                delivery may have extended the lease.
        """
        try:
            after = rules.renew(
                account,
                self.id,
                hold=self.hold,
                now=self.now,
                plans=self.plans,
                is_paused=self.is_paused,
            )
        except StreamEnded as refusal:
            if self._may_have_extended(refusal.ending):
                raise _unknown("a heartbeat was overtaken by an ending") from refusal
            raise
        lease = after.leases[self.id]
        return rules.with_pace(after, lease, now=self.now, plans=self.plans), after

    def fence(self, account: Account, refusal: StreamsError) -> Account:
        """Raise `StoreUnavailable` if an earlier send may have extended the lease."""
        if isinstance(refusal, StreamEnded | InvalidToken):
            raise _unknown(
                "a heartbeat got no answer, and its stream ended or was renewed"
            ) from refusal
        return account

    def _may_have_extended(self, ending: Ending) -> bool:
        """Return whether only a heartbeat that overtook this one explains an ending.

        The stream ended after this heartbeat was sent, and it lived longer than the
        token's lease. A heartbeat is not recorded, so it may have been this one.
        """
        token_expires_at = self.hold.expires_at or 0
        was_renewed = self.now < token_expires_at <= ending.at
        is_later = ending.at > self.now + MAX_SKEW_MS
        return is_later and was_renewed and ending.reason is not Reason.EXPIRED


@dataclass(slots=True, kw_only=True)
class Stop(Verb[Reason | None]):
    """Free the slot of a stream. The outcome is None when it was over already."""

    id: str
    hold: Hold | None
    ending: Ending = field(init=False)
    """The ending that this stop writes."""

    def __post_init__(self) -> None:
        epoch = self.hold.epoch if self.hold else last_epoch_of(self.now)
        self.ending = Ending(reason=Reason.STOPPED, at=self.now, epoch=epoch)

    @property
    def has_attempt(self) -> bool:
        """True: a stop needs no read."""
        return True

    def attempt(self) -> Reason:
        """Write the ending if the lease is live and the item has room for it."""
        room = rules.room_for_endings((self.id, self.ending))
        statement = statements.stop(is_held=self.hold is not None)
        return self._write(
            statement, ids={"id": self.id}, values={"room": number(room)}
        )

    def decide(self, account: Account) -> tuple[Reason | None, Account]:
        """Judge the stop by the whole account."""
        after = self._after(account)
        if after is account:
            return None, account
        return after.ended[self.id].reason, after

    def find_own_write(self, account: Account) -> Reason | None:
        """Return `STOPPED` if an earlier send of this stop wrote its ending."""
        is_written = account.ended.get(self.id) == self.ending
        if is_written and self.id not in account.leases:
            return Reason.STOPPED
        return Verb.find_own_write(self, account)

    def fence(self, account: Account, refusal: StreamsError) -> Account:
        """Raise `StoreUnavailable`: an earlier send may have stopped the stream."""
        raise _unknown("a stop got no answer, and the stream is over") from refusal

    def narrow_write(self, account: Account) -> Callable[[], Reason] | None:
        """Return a write that drops old endings and touches no other stream."""
        lease = account.leases.get(self.id)
        if lease is None or not self._may_stop(lease):
            return None

        after = self._after(account)
        dropped = account.ended.keys() - after.ended.keys()
        arrival = after.theoretical_arrival_at
        is_fencing = arrival > account.theoretical_arrival_at
        return partial(
            self._write_dropping,
            sorted(dropped),
            late_before=arrival if is_fencing else None,
        )

    def _may_stop(self, lease: Lease) -> bool:
        is_token_valid = lease.expires_at <= self.latest_expiry(self.hold)
        if self.hold:
            is_same_playback = lease.epoch == self.hold.epoch
        else:
            is_same_playback = lease.epoch <= self.ending.epoch
        return lease.is_live(self.now) and is_token_valid and is_same_playback

    def _after(self, account: Account) -> Account:
        return rules.stop(
            account, self.id, hold=self.hold, now=self.now, plans=self.plans
        )

    def _write_dropping(self, dropped: list[str], *, late_before: int | None) -> Reason:
        statement = statements.stop(
            is_held=self.hold is not None,
            dropped=len(dropped),
            is_fencing=late_before is not None,
        )
        ids = {"id": self.id}
        for index, id in enumerate(dropped):
            ids[f"dropped{index}"] = id

        values = {}
        if late_before is not None:
            values["late_before"] = number(late_before)
        return self._write(statement, ids=ids, values=values)

    def _write(
        self,
        statement: statements.Statement,
        *,
        ids: dict[str, str],
        values: dict[str, Item],
    ) -> Reason:
        write_id = self.writes.add(Reason.STOPPED, expected_version=None)
        values |= {
            "ending": items.ending_item(self.ending),
            "epoch": number(self.ending.epoch),
            "now": number(self.now),
            "ttl": number(self.item_ttl),
            "write": text(write_id),
        }
        if self.hold is not None:
            values["last"] = number(self.latest_expiry(self.hold))
        self.table.update(statement.arguments(self.user_id, ids=ids, values=values))
        return Reason.STOPPED


@dataclass(slots=True, kw_only=True)
class EndAll(Verb[list[str]]):
    """End every stream except `keep`. The outcome is the ids, oldest first."""

    keep: str | None

    def decide(self, account: Account) -> tuple[list[str], Account]:
        """Judge the call by the whole account."""
        after, ended = rules.end_all(account, keep=self.keep, now=self.now)
        return ended, after


@dataclass(slots=True, kw_only=True)
class SetLimit(Verb[tuple[Account, Account]]):
    """Store an operator's overrides. The outcome is the account before and after."""

    limit: int | None
    plan: str | None
    when_full: WhenFull | None
    end_surplus: bool

    def decide(self, account: Account) -> tuple[tuple[Account, Account], Account]:
        """Judge the call by the whole account."""
        after = rules.override(
            account,
            limit=self.limit,
            plan=self.plan,
            when_full=self.when_full,
            end_surplus=self.end_surplus,
            now=self.now,
            plans=self.plans,
        )
        return (account, after), after


@dataclass(slots=True, kw_only=True)
class Forget(Verb[bool]):
    """Erase everything about a user. The outcome is True.

    An empty item remains until its `ttl`, so that a start or a limit that was sent
    before and arrives late does not bring the user back.
    """

    def decide(self, account: Account) -> tuple[bool, Account]:
        """Erase the account, regardless of what it holds."""
        return True, rules.forget(account, now=self.now)

    @property
    def item_ttl(self) -> int:
        """When DynamoDB may delete the empty item, in epoch seconds."""
        return delete_forgotten_at(self.now)


def _unknown(reason: str) -> StoreUnavailable:
    """Return the error of a call whose effect is not known."""
    return StoreUnavailable(f"the outcome is not known: {reason}")


def _paths(rules_that_count: list[Rule]) -> tuple[Path, ...]:
    """Return where a stored lease has what these rules examine."""
    names: set[str] = set()
    for rule in rules_that_count:
        names |= rule.attributes
    return tuple(items.path_of(name) for name in sorted(names))


def _value_at(stored_lease: Item, path: Path) -> Any:
    return reduce(lambda item, name: item["M"][name], path, stored_lease)

"""A model of the store: the pure rule over a dictionary."""

from dataclasses import dataclass, field
from typing import Any

from streams import rules
from streams.rules import Account, Admission, Hold, Lease, Plans, Reason, StartRequest


@dataclass
class ModelStore:
    """`StreamStore` without concurrent writers."""

    plans: Plans
    accounts: dict[str, Account] = field(default_factory=dict)

    def read(self, user_id: str, *, now: int) -> Account:
        return self.accounts.get(user_id) or rules.empty_account(now)

    def start(
        self,
        user_id: str,
        request: StartRequest,
        *,
        now: int,
        is_paused: bool = False,
    ) -> Admission:
        account, admission = rules.start(
            self.read(user_id, now=now),
            request,
            now=now,
            plans=self.plans,
            is_paused=is_paused,
        )
        self.accounts[user_id] = account
        return admission

    def renew(
        self,
        user_id: str,
        id: str,
        *,
        hold: Hold,
        now: int,
        is_paused: bool = False,
    ) -> Lease:
        before = self.read(user_id, now=now)
        account = rules.renew(
            before,
            id,
            hold=hold,
            now=now,
            plans=self.plans,
            is_paused=is_paused,
        )
        self.accounts[user_id] = account
        return rules.with_pace(account, account.leases[id], now=now, plans=self.plans)

    def stop(
        self, user_id: str, id: str, *, hold: Hold | None, now: int
    ) -> Reason | None:
        before = self.read(user_id, now=now)
        after = self.accounts[user_id] = rules.stop(
            before, id, hold=hold, now=now, plans=self.plans
        )
        if after is before:
            return None
        return Reason.STOPPED if before.leases[id].is_live(now) else Reason.EXPIRED

    def end_all(self, user_id: str, *, keep: str | None, now: int) -> list[str]:
        after, ended = rules.end_all(self.read(user_id, now=now), keep=keep, now=now)
        if user_id in self.accounts:
            self.accounts[user_id] = after
        return ended

    def forget(self, user_id: str, *, now: int) -> None:
        account = self.read(user_id, now=now)
        self.accounts[user_id] = rules.forget(account, now=now)

    def set_limit(
        self,
        user_id: str,
        *,
        now: int,
        end_surplus: bool = False,
        **given: Any,
    ) -> tuple[Account, Account]:
        before = self.read(user_id, now=now)
        override = {
            "limit": None,
            "plan": None,
            "when_full": None,
        } | given
        after = rules.override(
            before,
            **override,
            end_surplus=end_surplus,
            now=now,
            plans=self.plans,
        )
        if after is not before:
            self.accounts[user_id] = after
        return before, after

    def clear_limit(self, user_id: str, *, now: int) -> Account | None:
        before, _ = self.set_limit(user_id, now=now)
        return (
            before
            if (before.limit, before.plan, before.when_full) != (None, None, None)
            else None
        )

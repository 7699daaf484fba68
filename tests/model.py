"""What the store promises, without a store: the pure rule over a dictionary."""

from dataclasses import dataclass, field, replace

from streams import rules
from streams.rules import Account, Admission, Hold, Lease, Policy, Reason, StartRequest, WhenFull


@dataclass
class ModelStore:
    """`StreamStore` as it would be if nobody else were writing."""

    policy: Policy
    accounts: dict[str, Account] = field(default_factory=dict)

    def read(self, user_id: str, *, now: int) -> Account:
        return self.accounts.get(user_id) or rules.empty_account(now)

    def start(self, user_id: str, request: StartRequest, *, now: int) -> Admission:
        account, admission = rules.start(self.read(user_id, now=now), request, now=now, policy=self.policy)
        self.accounts[user_id] = account
        return admission

    def renew(self, user_id: str, id: str, *, hold: Hold, now: int) -> Lease:
        account = rules.renew(self.read(user_id, now=now), id, hold=hold, now=now, policy=self.policy)
        self.accounts[user_id] = account
        return account.leases[id]

    def stop(self, user_id: str, id: str, *, hold: Hold | None, now: int) -> Reason | None:
        before = self.read(user_id, now=now)
        after = self.accounts[user_id] = rules.stop(before, id, hold=hold, now=now, policy=self.policy)
        if after is before:
            return None
        return Reason.STOPPED if before.leases[id].is_live(now) else Reason.EXPIRED

    def end_all(self, user_id: str, *, keep: str | None, now: int) -> list[str]:
        after, ended = rules.end_all(self.read(user_id, now=now), keep=keep, now=now)
        if user_id in self.accounts:
            self.accounts[user_id] = after
        return ended

    def forget(self, user_id: str, *, now: int) -> None:
        self.accounts.pop(user_id, None)

    def set_limit(self, user_id: str, *, limit: int, when_full: WhenFull, now: int) -> Account | None:
        before, account = self.accounts.get(user_id), self.read(user_id, now=now)
        self.accounts[user_id] = replace(account, limit=limit, when_full=when_full, version=account.version + 1)
        return before

    def clear_limit(self, user_id: str, *, now: int) -> Account | None:
        account = self.read(user_id, now=now)
        if account.limit is None:
            return None
        self.accounts[user_id] = replace(account, limit=None, when_full=None, version=account.version + 1)
        return account

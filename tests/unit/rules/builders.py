"""Accounts, starts and refusals for the tests of the rules."""

from typing import Any

import pytest

from streams import rules
from streams.errors import StreamLimitReached
from streams.rules import Account, Ending, Lease, Plans, Reason, Rule, WhenFull
from streams.rules.leases import StartRequest
from tests.builders import LEASE_MS, NOW, asking, changed, held, plans_of
from tests.model import ModelStore

PLANS = plans_of()
EVICT = changed(PLANS, when_full=WhenFull.EVICT_OLDEST)

BIG = Rule(
    name="two-big-screens",
    where={"deviceType": ("tv", "console")},
    limit=2,
)
TITLE = Rule(name="one-per-title", per="streamId", limit=1)
NETWORKS = Rule(name="two-networks", distinct="network", limit=2)
FAMILY = plans_of(name="family", limit=6, rules=(BIG, TITLE, NETWORKS))
EVICTING_FAMILY = changed(FAMILY, when_full=WhenFull.EVICT_OLDEST)

EXPIRED_AT = NOW + LEASE_MS
"""The instant at which a lease from `NOW` is no longer live."""


def account(*ids: str, plans: Plans = PLANS, now: int = NOW) -> Account:
    """Return an account with streams that started a millisecond apart."""
    store = ModelStore(changed(plans, limit=100))
    for at, id in enumerate(ids, start=now):
        store.start("ana", asking(id, now=at), now=at)

    return store.read("ana", now=now)


def playing(*requests: StartRequest, plans: Plans = FAMILY) -> Account:
    """Return an account in which these starts succeeded a millisecond apart."""
    account = rules.empty_account(NOW)
    for at, request in enumerate(requests, start=NOW):
        account, _ = rules.start(account, request, now=at, plans=plans)

    return account


def stream(
    id: str,
    device_type: str | None = None,
    *,
    film: str | None = None,
    network: str = "home",
    **fields: Any,
) -> StartRequest:
    """Return a start of a film that no other stream plays, at home."""
    return asking(
        id,
        stream_id=film or f"film of {id}",
        device_type=device_type,
        network=network,
        **fields,
    )


def lease(id: str = "a", **changes: Any) -> Lease:
    """Return a lease that started at `NOW`."""
    fields: dict[str, Any] = {
        "stream_id": "film",
        "started_at": NOW,
        "expires_at": NOW + LEASE_MS,
        "epoch": NOW * 1000,
    }
    return Lease(id=id, **fields | changes)


def ending(at: int = NOW, **changes: Any) -> Ending:
    """Return a stop."""
    fields: dict[str, Any] = {
        "reason": Reason.STOPPED,
        "at": at,
        "epoch": 1,
    }
    return Ending(**fields | changes)


def holding(*leases: Lease, **fields: Any) -> Account:
    """Return an account with these leases."""
    return Account(
        version=1,
        leases={one.id: one for one in leases},
        **fields,
    )


def live_ids(account: Account, now: int = NOW) -> list[str]:
    """Return the ids of the live streams, oldest first."""
    return [lease.id for lease in account.live(now)]


def renewed(
    account: Account,
    id: str,
    *,
    now: int,
    plans: Plans = PLANS,
    **options: Any,
) -> Account:
    """Return the account after a heartbeat with the newest token."""
    hold = held(account.leases[id])
    return rules.renew(
        account,
        id,
        hold=hold,
        now=now,
        plans=plans,
        **options,
    )


def stopped(
    account: Account,
    id: str,
    *,
    now: int = NOW,
    plans: Plans = PLANS,
) -> Account:
    """Return the account after an operator ended a stream."""
    return rules.stop(account, id, hold=None, now=now, plans=plans)


def started(
    account: Account,
    request: StartRequest,
    *,
    now: int = NOW,
    plans: Plans = PLANS,
) -> Account:
    """Return the account after a start that must succeed."""
    after, _ = rules.start(account, request, now=now, plans=plans)
    return after


def refusal_of(
    account: Account,
    request: StartRequest,
    *,
    plans: Plans = FAMILY,
    now: int = NOW + 10,
) -> StreamLimitReached:
    """Return the denial of a start that must be denied."""
    with pytest.raises(StreamLimitReached) as refusal:
        rules.start(account, request, now=now, plans=plans)
    return refusal.value


def counted(
    denial: StreamLimitReached,
) -> tuple[str | None, list[str]]:
    """Return the rule that refused and the ids of the streams that count."""
    rule = denial.rule.name if denial.rule else None
    return rule, [holder.id for holder in denial.holders]

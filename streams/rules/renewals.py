"""Renewals: what a heartbeat does to a lease."""

from dataclasses import replace

from streams.rules.accounts import Account
from streams.rules.holders import held_lease, stream_ended
from streams.rules.leases import Hold, Lease, Pace
from streams.rules.plans import MIN_FREE_SLOTS_TO_RELAX, UNLIMITED, Plan, Plans


def renew(
    account: Account,
    id: str,
    *,
    hold: Hold,
    now: int,
    plans: Plans,
    is_paused: bool = False,
) -> Account:
    """Extend a lease and return the account after it.

    A live stream always renews. An expired one is revived while its slot is
    still unused and the live streams leave room for it. A pause lasts at most
    `paused_ms` from its first heartbeat. An expiry never moves back: if the
    lease already lasts that long, because another server's clock is ahead, the
    same account is returned.

    If the hold has another network than the lease, the lease moves there, unless a
    rule about networks has no place for it. Then it is renewed where it is.

    Raises:
        StreamEnded, StreamNotFound, InvalidToken
    """
    stored = held_lease(account, id, hold=hold, now=now, plans=plans)
    plan = account.effective_plan(plans, stored.entitlement)
    lease = _moved(account, stored, plan, hold, now=now)
    is_live = lease.is_live(now)

    paused_at = (lease.paused_at or now) if is_paused else 0
    pause_ends_at = paused_at + plan.paused_ms if paused_at and plan.paused_ms else 0
    lease_ms = _lease_ms(account, lease, hold, now=now, plans=plans)
    expires_at = pause_ends_at or now + lease_ms

    if not is_live and not _may_revive(account, lease, plan, expires_at, now=now):
        raise stream_ended(account, lease.expiry)

    is_already_renewed = lease.expires_at >= expires_at
    if is_already_renewed and lease.paused_at == paused_at and lease == stored:
        return account

    renewed = replace(
        lease,
        expires_at=max(lease.expires_at, expires_at),
        paused_at=paused_at,
    )
    if not is_live:
        # The answer may be lost. Then this token is the only one that the player has.
        revived_from = hold.expires_at or lease.expires_at
        renewed = replace(renewed, revived_from=revived_from, revived_to=expires_at)
    return account.changed(leases={**account.leases, id: renewed})


def _moved(
    account: Account, lease: Lease, plan: Plan, hold: Hold, *, now: int
) -> Lease:
    """Return the lease in the player's network, or unchanged if it may not move."""
    if not hold.has_moved(lease):
        return lease

    moved = replace(lease, network=hold.networks[0])
    others = [other for other in account.live(now) if other.id != lease.id]
    for rule in plan.rules_that_count(moved):
        if "network" in rule.attributes and rule.is_full(moved, others):
            return lease
    return moved


def _may_revive(
    account: Account, lease: Lease, plan: Plan, expires_at: int, *, now: int
) -> bool:
    """Return whether an expired stream can continue until `expires_at`."""
    has_room = plan.refusing_rule(lease, account.live(now)) is None
    return now < expires_at and has_room


def with_pace(account: Account, lease: Lease, *, now: int, plans: Plans) -> Lease:
    """Return the lease with the length that its next heartbeat requests.

    The lease is relaxed while enough slots are free and no stream is added.
    """
    plan = account.effective_plan(plans, lease.entitlement)

    if plan.relaxed_lease_ms:
        # An expired stream counts as well, because a heartbeat may revive it.
        stored = len(account.leases)
        if plan.limit - stored >= MIN_FREE_SLOTS_TO_RELAX:
            pace = Pace(plan.relaxed_lease_ms, max_stored_leases=stored)
            return replace(lease, pace=pace)

    if plan.lease_ms != plans.default.lease_ms:
        pace = Pace(plan.lease_ms, max_stored_leases=UNLIMITED)
        return replace(lease, pace=pace)

    return lease


def _lease_ms(
    account: Account, lease: Lease, hold: Hold, *, now: int, plans: Plans
) -> int:
    """Return the length that a heartbeat gives to a lease."""
    pace = hold.pace
    if pace and not _still_applies(pace, hold, account, plans=plans):
        pace = with_pace(account, lease, now=now, plans=plans).pace
    return pace.lease_ms if pace else plans.default.lease_ms


def _still_applies(pace: Pace, hold: Hold, account: Account, *, plans: Plans) -> bool:
    """Return whether a token's pace holds: no stream more and no change of limit."""
    has_no_more_streams = len(account.leases) <= pace.max_stored_leases
    issued_at = hold.issued_after(plans.longest_lease_ms)
    return has_no_more_streams and account.limit_set_at < issued_at

"""Holders: which caller may act on a stored lease, and the errors for the others."""

from streams.errors import InvalidToken, StreamEnded, StreamNotFound
from streams.rules.accounts import Account
from streams.rules.leases import Ending, Hold, Lease, Reason, last_epoch_of
from streams.rules.plans import MAX_LATENESS_MS, Plan, Plans


def read(account: Account, id: str, *, now: int) -> Lease:
    """Return the live lease of a stream.

    Raises:
        StreamEnded, StreamNotFound
    """
    lease = stored_lease(account, id)
    if not lease.is_live(now):
        raise stream_ended(account, lease.expiry)
    return lease


def stored_lease(account: Account, id: str) -> Lease:
    """Return the stored lease of an id, live or expired."""
    lease = account.leases.get(id)
    if lease is not None:
        return lease
    if id in account.ended:
        raise stream_ended(account, account.ended[id])
    raise StreamNotFound(id)


def held_lease(
    account: Account, id: str, *, hold: Hold | None, now: int, plans: Plans
) -> Lease:
    """Return the stored lease of an id if the hold is its holder's.

    Without a hold, any holder's lease is returned.
    """
    if hold is None:
        return stored_lease(account, id)

    ending = account.ended.get(id)
    if ending and id not in account.leases and _is_of_later_playback(ending, hold):
        raise _taken_over(account, id, hold, at=ending.at)

    is_unknown = account.last_epoch(id) < hold.epoch
    if is_unknown:  # a grace lease that was never admitted
        raise StreamNotFound(id)

    lease = stored_lease(account, id)
    if hold.epoch < lease.epoch:
        raise _taken_over(account, id, hold, at=lease.started_at)
    plan = account.effective_plan(plans, lease.entitlement)
    if _is_of_other_plans(lease, now=now, plans=plans):
        return lease
    if _is_replaced_token(lease, hold, plan=plan, now=now):
        raise InvalidToken
    return lease


def _is_of_later_playback(ending: Ending, hold: Hold) -> bool:
    """Return whether an ending is that of a playback after the hold's."""
    return hold.epoch < ending.epoch and not _fences_late_starts(ending)


def _fences_late_starts(ending: Ending) -> bool:
    """Return whether an ending's epoch is the moment when an operator ended it.

    Then the epoch is the last one of that millisecond. For a lease that had
    expired before, the ending's time is earlier than that moment.
    """
    last_epoch = last_epoch_of(ending.at)
    if ending.reason is Reason.EXPIRED:
        return ending.epoch >= last_epoch
    return ending.epoch == last_epoch


def _is_replaced_token(lease: Lease, hold: Hold, *, plan: Plan, now: int) -> bool:
    """Return whether newer tokens replaced the hold's more than one lease ago.

    A token whose lease has not expired was not replaced that long ago; a later
    expiry is then the work of a call that overtook this one, or of a release that
    grants longer leases.
    The answer to a late heartbeat may be lost. Then the token from before the
    revival is the only one that the player has, and it stays valid.
    """
    if hold.expires_at is None:
        return False
    if now < hold.expires_at:
        return False

    is_from_before_revival = hold.expires_at == lease.revived_from
    expires_at = lease.revived_to if is_from_before_revival else hold.expires_at
    return lease.expires_at > expires_at + plan.longest_lease_ms


def _is_of_other_plans(lease: Lease, *, now: int, plans: Plans) -> bool:
    """Return whether a server of another release granted a longer lease.

    Then the length of these plans does not tell when newer tokens replaced one.
    """
    return lease.expires_at > now + plans.longest_lease_ms + MAX_LATENESS_MS


def _taken_over(account: Account, id: str, hold: Hold, *, at: int) -> StreamEnded:
    ending = Ending(reason=Reason.TAKEN_OVER, at=at, epoch=hold.epoch, by=id)
    return stream_ended(account, ending)


def stream_ended(account: Account, ending: Ending) -> StreamEnded:
    """Return the error for a stream that is over, with its live successor."""
    successor = account.leases.get(ending.by) if ending.by else None
    return StreamEnded(ending, by=successor)

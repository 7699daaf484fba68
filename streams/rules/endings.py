"""Endings: a stop, an operator's end, and a limit that ends the surplus."""

from collections.abc import Mapping
from dataclasses import replace

from streams.rules.accounts import Account
from streams.rules.history import endings_of, keep_newest, late_before
from streams.rules.holders import held_lease
from streams.rules.leases import Ending, Hold, Lease, Reason, age, last_epoch_of
from streams.rules.plans import (
    MAX_LATENESS_MS,
    MAX_SKEW_MS,
    Plan,
    Plans,
    WhenFull,
)


def stop(
    account: Account, id: str, *, hold: Hold | None, now: int, plans: Plans
) -> Account:
    """Free a slot and return the account after it.

    The same account is returned when the stream was over already. Without a
    hold, the stop ends any stream with this id, except a playback that began
    after `now`: then the stop arrives late and meant an earlier playback.

    Raises:
        StreamEnded: the hold's epoch is not the holder's; the slot changed hands.
        InvalidToken: the hold comes from a token that was replaced long ago.
        StreamNotFound: the id is unknown.
    """
    if hold is not None and _is_unseen_grace_lease(account, id, hold):
        return _stop_unseen_grace_lease(account, id, hold.epoch, now=now)
    if id in account.ended and id not in account.leases:
        return account

    lease = held_lease(account, id, hold=hold, now=now, plans=plans)
    has_later_epoch = lease.epoch > last_epoch_of(now)
    # Its epoch may be later than its start, after a playback on a server ahead.
    began_later = has_later_epoch and lease.started_at > now
    if hold is None and began_later:
        followed_another = lease.prior_expires_at > 0 or id in account.ended
        if followed_another:
            return account

    after = _end_leases(account, [lease], now=now, fences_late_starts=hold is None)
    if hold is None or lease.is_live(now):
        return after
    # The ending's time is in the past, so the arrival time keeps late starts out.
    arrival = max(account.theoretical_arrival_at, now)
    return replace(after, theoretical_arrival_at=arrival)


def end_all(
    account: Account, *, keep: str | None, now: int
) -> tuple[Account, list[str]]:
    """Free every slot except that of `keep`.

    Returns the account (the same one when no slot was taken) and the ids of the
    live streams that ended, oldest first.
    """
    leases = [lease for lease in account.leases.values() if lease.id != keep]
    if not leases:
        return account, []

    after = _end_leases(account, leases, now=now, fences_late_starts=True)
    ended_live = sorted((lease for lease in leases if lease.is_live(now)), key=age)
    return after, [lease.id for lease in ended_live]


def override(
    account: Account,
    *,
    limit: int | None,
    plan: str | None,
    when_full: WhenFull | None,
    end_surplus: bool,
    now: int,
    plans: Plans,
) -> Account:
    """Store an operator's overrides and return the account after it.

    Equal overrides get a new version too, so that an earlier change that arrives late
    does not undo this one. Only an account that stores nothing, and continues to,
    is returned as it is. With `end_surplus`, the streams end that would not play if the
    overrides had applied from the start: the newest under `deny`, the oldest under
    `evict-oldest`.
    """
    after = replace(account, limit=limit, plan=plan, when_full=when_full)
    if after != account:
        # A token may be issued while this call is judged, after its `now`.
        after = replace(after, limit_set_at=now + MAX_LATENESS_MS)
    effective = after.effective_plan(plans)

    surplus = []
    if end_surplus:
        # Also the expired streams: a heartbeat that is late could revive one.
        expired = [lease for lease in after.leases.values() if not lease.is_live(now)]
        surplus = _surplus(after, effective, now=now) + expired
    if surplus:
        reason = Reason.STOPPED if effective.limit else Reason.SUSPENDED
        return _end_leases(
            after, surplus, now=now, reason=reason, fences_late_starts=True
        )

    stores_nothing = after == Account(version=account.version)
    return account if stores_nothing else after.changed()


def forget(account: Account, *, now: int) -> Account:
    """Return the account without anything that is stored about the user.

    The arrival time makes every start that was sent before count as late, also one of
    a server whose clock is ahead.
    """
    return Account(
        version=account.version + 1, theoretical_arrival_at=now + MAX_SKEW_MS
    )


def _is_unseen_grace_lease(account: Account, id: str, hold: Hold) -> bool:
    """Return whether a hold is that of a grace lease that was never stored."""
    return hold.is_grace and account.last_epoch(id) < hold.epoch


def _stop_unseen_grace_lease(
    account: Account, id: str, epoch: int, *, now: int
) -> Account:
    """Record the ending of a grace lease, so that it is not admitted later.

    The stream that it would have taken over ends too.
    """
    ending = Ending(reason=Reason.STOPPED, at=now, epoch=epoch)
    return _without(account, {id: ending}, now=now)


def _surplus(account: Account, plan: Plan, *, now: int) -> list[Lease]:
    """Return the live streams that do not fit under a plan, oldest first."""
    live = account.live(now)
    in_order = live if plan.when_full is WhenFull.DENY else list(reversed(live))

    kept: list[Lease] = []
    for lease in in_order:
        if plan.refusing_rule(lease, kept) is None:
            kept.append(lease)
    return [lease for lease in live if lease not in kept]


def _end_leases(
    account: Account,
    leases: list[Lease],
    *,
    now: int,
    fences_late_starts: bool,
    reason: Reason = Reason.STOPPED,
) -> Account:
    """Return the account after these leases ended.

    A fence keeps starts from before this moment from taking the slots again if
    they arrive late.
    """
    endings = endings_of(leases, reason, now=now)
    if fences_late_starts:
        endings = {id: _fenced(ending, now=now) for id, ending in endings.items()}

    return _without(account, endings, now=now)


def _without(account: Account, endings: Mapping[str, Ending], *, now: int) -> Account:
    """Return the account with these endings and without their leases."""
    ended = keep_newest(account.ended, endings)
    arrival = account.theoretical_arrival_at
    return account.changed(
        leases=account.leases_except(endings),
        ended=ended,
        theoretical_arrival_at=max(arrival, late_before(account.ended, ended, now=now)),
    )


def _fenced(ending: Ending, *, now: int) -> Ending:
    return replace(ending, epoch=max(ending.epoch, last_epoch_of(now)))

"""The pure rule: given this account, this request and this now, what happens?

Standard library only. Nothing here reads a clock, a table or a setting: `now` (ms) and the policy come in, a new
`Account` (or a refusal that carries facts) goes out. `streams.storage` makes DynamoDB do the same, and the tests hold
the two together.
"""

from collections.abc import Mapping
from dataclasses import replace

from streams.errors import InvalidToken, StreamEnded, StreamLimitReached, StreamNotFound
from streams.rules.accounts import (
    Account,
    Admission,
    Ending,
    Hold,
    Lease,
    Policy,
    Reason,
    StartRequest,
    WhenFull,
    age,
    last_epoch_of,
)

ENDINGS_BYTES = 320
"""About how much of a user's item endings may take. Over that the oldest are dropped, down to two thirds: dropping them
is a write that needs to have read, and so it is one stop in three or four and not each one."""
ENDING_BYTES = 24
"""What an ending takes beside its ids."""


def empty_account(now: int) -> Account:
    """A user nothing is kept of. The version starts at the clock, which runs faster than versions grow, so that a row
    that was forgotten and made anew never has a version it had before."""
    return Account(version=now)


def start(account: Account, request: StartRequest, *, now: int, policy: Policy) -> tuple[Account, Admission]:
    """Admit a start (the account after it, and the admission), or raise `StreamLimitReached`.

    In this order room is made: what `replace` names goes; a live slot of the same id is taken over; ghosts go, longest
    dead first, as few as needed (one that keeps its slot can still be revived); under `evict-oldest`, live streams
    go, oldest first. A grace lease whose slot changed hands since it began is over, as its `StreamEnded` says.
    """
    if request.is_grace and _last_epoch(account, request.id) >= request.epoch:
        _held(account, request.id, hold=Hold(epoch=request.epoch), policy=policy)
    policy = account.policy(policy, request.entitlement)
    own = account.leases.get(request.id)
    took_over = own is not None and own.is_live(now)
    others = {id: lease for id, lease in account.leases.items() if id != request.id}
    endings: dict[str, Ending] = {}

    for lease in _replaced(account, request):
        del others[lease.id]
        endings[lease.id] = _ending(lease, Reason.REPLACED, now=now, by=request.id)

    if not took_over:  # a live own slot stays its own, even above a lowered limit
        surplus = max(0, len(others) + 1 - policy.limit)
        ghosts = sorted((lease for lease in others.values() if not lease.is_live(now)), key=_end)
        for lease in ghosts[:surplus]:
            endings[lease.id] = _expired(others.pop(lease.id))
        surplus = max(0, len(others) + 1 - policy.limit)
        if surplus:
            live = sorted(others.values(), key=age)
            if policy.when_full is WhenFull.DENY or surplus > len(live):
                raise _limit_reached(account, policy.limit, now=now)
            for lease in live[:surplus]:
                endings[lease.id] = _ending(others.pop(lease.id), Reason.EVICTED, now=now, by=request.id)

    lease = request.lease(
        epoch=max(request.epoch, _last_epoch(account, request.id) + 1),
        now=now,
        policy=policy,
        prior_expires_at=own.expires_at if own else 0,
    )
    after = replace(
        account,
        version=account.version + 1,
        leases=others | {request.id: lease},
        ended=_remembered(account.ended, endings),
    )
    return after, Admission(lease=lease, ended=tuple(ending.reason for ending in endings.values()))


def is_plain_start(account: Account, request: StartRequest, *, now: int, policy: Policy) -> bool:
    """Whether a start needs nothing of the other streams: its slot is its own and live, or there is room, ghosts
    counted; it replaces none; and its epoch is above every earlier one of its slot. What a condition on the stored item
    can say."""
    own = account.leases.get(request.id)
    has_room = len(account.leases) < account.policy(policy, request.entitlement).limit
    return (
        ((own is not None and own.is_live(now)) or has_room)
        and not (request.replace.keys() - {request.id}) & account.leases.keys()
        and _last_epoch(account, request.id) < request.epoch
    )


def admitted(account: Account, request: StartRequest) -> Admission | None:
    """The admission of this very start, when the account holds its lease: its write was repeated, or came late."""
    lease = account.leases.get(request.id)
    if lease is None or lease.nonce != request.nonce:
        return None
    ended = (end.reason for end in account.ended.values() if end.by == request.id and end.at == lease.started_at)
    return Admission(lease=lease, ended=tuple(ended))


def renew(account: Account, id: str, *, hold: Hold, now: int, policy: Policy) -> Account:
    """Extend a lease to `now` plus the lease time, or raise `StreamEnded`, `StreamNotFound` or `InvalidToken`. The same
    account when the lease lasts that long already: another server's clock is ahead, and an end never moves back.

    A live stream always renews. One whose lease has run out is revived while its slot is still there and the other live
    streams leave room for it, by the policy that its start was admitted under.
    """
    lease = _held(account, id, hold=hold, policy=policy)
    limit = account.policy(policy, lease.entitlement).limit
    if not lease.is_live(now) and len(account.live(now)) >= limit:
        raise _over(account, id, _expired(lease))
    if lease.expires_at >= now + policy.lease_ms:
        return account
    renewed = replace(lease, expires_at=now + policy.lease_ms)
    if not lease.is_live(now):
        renewed = replace(renewed, revived_from=lease.expires_at, revived_to=renewed.expires_at)
    return replace(account, version=account.version + 1, leases={**account.leases, id: renewed})


def stop(account: Account, id: str, *, hold: Hold | None, now: int, policy: Policy) -> Account:
    """Free a slot; the same account when the stream was over already. Raise `StreamEnded` (taken over) for a hold with
    another epoch than the holder's, `InvalidToken` for one of an old token, `StreamNotFound` for an id that is not
    known.

    Without a hold it ends whoever holds the id, but no playback that began after `now`: then the stop comes late, for
    one that is over already.
    """
    lease = account.leases.get(id)
    if hold is not None and hold.is_grace and _last_epoch(account, id) < hold.epoch:
        # What its start would have taken over ends, and the grace lease may not be admitted any more.
        ended = _remembered(account.ended, {id: Ending(reason=Reason.STOPPED, at=now, epoch=hold.epoch)})
        leases = {other: kept for other, kept in account.leases.items() if other != id}
        return replace(account, version=account.version + 1, leases=leases, ended=ended)
    if lease is None and id in account.ended:
        return account
    lease = _held(account, id, hold=hold, policy=policy)
    if hold is None and lease.started_at > now and (lease.took_over or id in account.ended):
        return account
    return _without(account, [lease], now=now, is_fenced=hold is not None)


def end_all(account: Account, *, keep: str | None, now: int) -> tuple[Account, list[str]]:
    """Free every slot but that of `keep`: the account after it (the same when there was none to free), and the ids of
    the live streams that ended."""
    going = [lease for lease in account.leases.values() if lease.id != keep]
    if not going:
        return account, []
    return _without(account, going, now=now), [lease.id for lease in sorted(going, key=age) if lease.is_live(now)]


def read(account: Account, id: str, *, now: int) -> Lease:
    """The live lease of `id`, or raise `StreamEnded` or `StreamNotFound`."""
    lease = _known(account, id)
    if not lease.is_live(now):
        raise _over(account, id, _expired(lease))
    return lease


def _replaced(account: Account, request: StartRequest) -> list[Lease]:
    """The leases that a start names to be ended, its own slot apart."""
    named = (account.leases[id] for id in request.replace.keys() & account.leases.keys() if id != request.id)
    return [lease for lease in named if request.replace[lease.id] in (None, lease.epoch)]


def _limit_reached(account: Account, limit: int, *, now: int) -> StreamLimitReached:
    """A denial with every live stream that counts. So many have to expire that a start fits beside the others."""
    holders = account.live(now)
    ends = sorted(lease.expires_at for lease in holders)
    surplus = len(holders) - limit + 1
    return StreamLimitReached(
        limit=limit, holders=holders, retry_at=ends[surplus - 1] if 0 < surplus <= len(ends) and limit else None
    )


def _known(account: Account, id: str) -> Lease:
    """The lease of `id`, live or a ghost."""
    lease = account.leases.get(id)
    if lease is not None:
        return lease
    if id in account.ended:
        raise _over(account, id, account.ended[id])
    raise StreamNotFound(id)


def _held(account: Account, id: str, *, hold: Hold | None, policy: Policy) -> Lease:
    """The lease of `id` when the hold, if there is one, is still its holder's, by a token that is not long replaced."""
    lease = _known(account, id)
    if hold is None:
        return lease
    if hold.epoch > lease.epoch:  # a grace lease that was never admitted
        raise StreamNotFound(id)
    if hold.epoch != lease.epoch:
        raise _over(account, id, Ending(reason=Reason.TAKEN_OVER, at=lease.started_at, epoch=hold.epoch, by=id))
    if hold.expires_at is not None:
        # The answer to a late heartbeat may be lost: then its token is all that the player has.
        end = lease.revived_to if hold.expires_at == lease.revived_from else hold.expires_at
        if lease.expires_at > end + policy.lease_ms:
            raise InvalidToken
    return lease


def _over(account: Account, id: str, ending: Ending) -> StreamEnded:
    """The refusal of a stream that is over, with the stream that took its place, while that lasts."""
    return StreamEnded(ending, by=account.leases.get(ending.by) if ending.by else None)


def _without(account: Account, going: list[Lease], *, now: int, is_fenced: bool = False) -> Account:
    """The account after these streams were stopped. Unless it was by their own epoch, no start from before this moment
    that comes late may take their slots again."""
    endings = {lease.id: _ending(lease, Reason.STOPPED, now=now) for lease in going}
    if not is_fenced:
        endings = {id: replace(end, epoch=max(end.epoch, last_epoch_of(now))) for id, end in endings.items()}
    return replace(
        account,
        version=account.version + 1,
        leases={id: lease for id, lease in account.leases.items() if id not in endings},
        ended=_remembered(account.ended, endings),
    )


def _remembered(kept: Mapping[str, Ending], added: Mapping[str, Ending]) -> Mapping[str, Ending]:
    """The endings worth their bytes: the newest, and in any case those that were added. All are kept while so many of
    the longest that was added would fit."""
    ended = {**kept, **added}
    if not added or len(ended) <= max(len(kept), room_for_endings(*added.items())):
        return ended
    newest_first = sorted(ended.items(), key=lambda item: (item[0] not in added, -item[1].at, item[0]))
    size, remembered = 0, {}
    for id, ending in newest_first:
        size += _bytes(id, ending)
        if size > ENDINGS_BYTES * 2 // 3 and id not in added:
            break
        remembered[id] = ending
    return remembered


def room_for_endings(*endings: tuple[str, Ending]) -> int:
    """How many endings fit into an item, if all were as long as the longest of these."""
    return ENDINGS_BYTES // max(_bytes(id, ending) for id, ending in endings)


def _bytes(id: str, ending: Ending) -> int:
    return ENDING_BYTES + len(id) + len(ending.by or "")


def _last_epoch(account: Account, id: str) -> int:
    lease, ending = account.leases.get(id), account.ended.get(id)
    return max(lease.epoch if lease else 0, ending.epoch if ending else 0)


def _ending(lease: Lease, reason: Reason, *, now: int, by: str | None = None) -> Ending:
    """How a lease ends now, unless it had run out before."""
    return Ending(reason=reason, at=now, epoch=lease.epoch, by=by) if lease.is_live(now) else _expired(lease)


def _expired(lease: Lease) -> Ending:
    return Ending(reason=Reason.EXPIRED, at=lease.expires_at, epoch=lease.epoch)


def _end(lease: Lease) -> tuple[int, str]:
    return lease.expires_at, lease.id

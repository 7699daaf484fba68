"""The pure rule: given this account, this request and this now, what happens?

Standard library only. Nothing here reads a clock, a table or a setting: `now` (ms) and the policy come in, a new
`Account` (or a refusal that carries facts) goes out. `streams.storage` makes DynamoDB do the same, and the tests hold
the two together.
"""

from collections.abc import Mapping
from dataclasses import replace

from streams.errors import StreamEnded, StreamLimitReached, StreamNotFound
from streams.rules.accounts import Account, Admission, Ending, Lease, Policy, Reason, StartRequest, WhenFull, age

ENDINGS_REMEMBERED = 8
"""How many endings are always kept. Up to half as many again pile up before the oldest are dropped, so that dropping
them (a write that needs to have read) costs one stop in five a second call, and not every one."""
ENDINGS_AT_MOST = ENDINGS_REMEMBERED * 3 // 2


def empty_account(now: int) -> Account:
    """A user nothing is kept of. The version starts at the clock, which runs faster than versions grow, so that epochs
    keep growing for a user whose row was forgotten and made anew."""
    return Account(version=now)


def start(account: Account, request: StartRequest, *, now: int, policy: Policy) -> tuple[Account, Admission]:
    """Admit a start (the account after it, and the admission), or raise `StreamLimitReached`.

    In this order room is made: what `replace` names goes; a live slot of the same id is taken over; ghosts go, longest
    dead first, as few as needed (one that keeps its slot can still be revived); under `evict-oldest`, live streams
    go, oldest first.
    """
    policy = account.policy(policy, request.entitlement)
    own = account.leases.get(request.id)
    took_over = own is not None and own.is_live(now)
    others = {id: lease for id, lease in account.leases.items() if id != request.id}
    endings: dict[str, Ending] = {}

    for id in request.replace & others.keys():
        lease = others.pop(id)
        endings[id] = Ending(reason=Reason.REPLACED, at=now, by=request.id) if lease.is_live(now) else _expired(lease)

    if not took_over:  # a live own slot stays its own, even above a lowered limit
        surplus = max(0, len(others) + 1 - policy.limit)
        ghosts = sorted((lease for lease in others.values() if not lease.is_live(now)), key=_end)
        for lease in ghosts[:surplus]:
            endings[lease.id] = _expired(others.pop(lease.id))
        surplus = max(0, len(others) + 1 - policy.limit)
        if surplus:
            holders = sorted(others.values(), key=age)
            if policy.when_full is WhenFull.DENY or surplus > len(holders):
                raise StreamLimitReached(
                    limit=policy.limit,
                    holders=holders,
                    retry_at=min((lease.expires_at for lease in holders), default=None),
                )
            for lease in holders[:surplus]:
                del others[lease.id]
                endings[lease.id] = Ending(reason=Reason.EVICTED, at=now, by=request.id)

    lease = request.lease(epoch=account.version, now=now, policy=policy)
    after = replace(
        account,
        version=account.version + 1,
        leases=others | {request.id: lease},
        ended=_remembered(account.ended, endings),
    )
    reasons = tuple(ending.reason for ending in endings.values())
    return after, Admission(lease=lease, took_over=took_over, ended=reasons)


def is_plain_start(account: Account, request: StartRequest, *, now: int, policy: Policy) -> bool:
    """Whether a start needs nothing of the other streams: its slot is its own and live, or there is room, ghosts
    counted; and it replaces none. What a condition on the stored item can say."""
    own = account.leases.get(request.id)
    has_room = len(account.leases) < account.policy(policy, request.entitlement).limit
    return ((own is not None and own.is_live(now)) or has_room) and not (
        (request.replace - {request.id}) & account.leases.keys()
    )


def renew(account: Account, id: str, *, epoch: int, now: int, policy: Policy) -> Account:
    """Extend a lease to `now` plus the lease time, or raise `StreamEnded` or `StreamNotFound`.

    A live stream always renews. One whose lease has run out is revived while its slot is still there and the other live
    streams leave room for it.
    """
    lease = _held(account, id, epoch=epoch, now=now)
    limit = account.policy(policy).limit
    if not lease.is_live(now) and len(account.live(now)) >= limit:
        raise StreamEnded(_expired(lease))
    renewed = replace(lease, expires_at=now + policy.lease_ms)
    return replace(account, version=account.version + 1, leases={**account.leases, id: renewed})


def stop(account: Account, id: str, *, epoch: int | None, now: int) -> Account:
    """Free a slot; the same account when the stream was over already. Raise `StreamEnded` (taken over) for an epoch
    that is not the holder's, `StreamNotFound` for an id that is not known. Without an epoch it ends whoever holds the
    id."""
    if id in account.ended and id not in account.leases:
        return account
    lease = _held(account, id, epoch=epoch, now=now)
    ending = Ending(reason=Reason.STOPPED, at=now) if lease.is_live(now) else _expired(lease)
    leases = {other: held for other, held in account.leases.items() if other != id}
    return replace(account, version=account.version + 1, leases=leases, ended=_remembered(account.ended, {id: ending}))


def read(account: Account, id: str, *, now: int) -> Lease:
    """The live lease of `id`, or raise `StreamEnded` or `StreamNotFound`."""
    lease = _held(account, id, epoch=None, now=now)
    if not lease.is_live(now):
        raise StreamEnded(_expired(lease))
    return lease


def _held(account: Account, id: str, *, epoch: int | None, now: int) -> Lease:
    """The lease of `id`, live or a ghost, when `epoch` (if one is given) is still its epoch."""
    lease = account.leases.get(id)
    if lease is None:
        if id in account.ended:
            raise StreamEnded(account.ended[id])
        raise StreamNotFound(id)
    if epoch is not None and epoch != lease.epoch:
        raise StreamEnded(Ending(reason=Reason.TAKEN_OVER, at=lease.started_at, by=id))
    return lease


def _remembered(kept: Mapping[str, Ending], added: Mapping[str, Ending]) -> Mapping[str, Ending]:
    ended = {**kept, **added}
    if len(ended) <= ENDINGS_AT_MOST:
        return ended
    newest_first = sorted(ended.items(), key=lambda item: (-item[1].at, item[0] not in added, item[0]))
    return dict(newest_first[:ENDINGS_REMEMBERED])


def _expired(lease: Lease) -> Ending:
    return Ending(reason=Reason.EXPIRED, at=lease.expires_at)


def _end(lease: Lease) -> tuple[int, str]:
    return lease.expires_at, lease.id

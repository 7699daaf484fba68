"""The pure rule: given this account, this request and this now, what happens?

Standard library only. Nothing here reads a clock, a table or a setting: `now` and the policy come in, a new `Account`
(or a refusal that carries facts) goes out. `store.py` makes DynamoDB do the same, and the tests hold the two together.

Every instant is an integer of milliseconds since 1970 UTC; a stream is live while `now < expires_at`, so expiry is a
comparison and never waits for a deletion.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼────────────────────▶ time
            └──────────── live: holds a slot ─────┘ a ghost: its slot is there for whoever asks
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

ENDINGS_REMEMBERED = 8
"""How many endings are always kept. Up to half as many again pile up before the oldest are dropped, so that dropping
them (a write that needs to have read) costs one stop in five a second call, and not every one."""
ENDINGS_AT_MOST = ENDINGS_REMEMBERED * 3 // 2


class WhenFull(StrEnum):
    """What a start does when every slot is taken."""

    DENY = "deny"
    EVICT_OLDEST = "evict-oldest"


class Reason(StrEnum):
    """Why a stream is over."""

    STOPPED = "stopped"
    EVICTED = "evicted"
    REPLACED = "replaced"
    TAKEN_OVER = "taken-over"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How many streams a user may hold, for how long a lease lasts, and what happens when full."""

    limit: int
    lease_ms: int
    when_full: WhenFull = WhenFull.DENY


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One stream's right to play until `expires_at`. `epoch`, the version that its start met, grows each time the slot
    changes hands."""

    id: str
    stream_id: str
    started_at: int
    expires_at: int
    epoch: int
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None

    def is_live(self, now: int) -> bool:
        """Whether it still holds its slot."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why and when (ms) a stream ended, and which stream's start ended it, if one did."""

    reason: Reason
    at: int
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is kept of one user. `version` grows with every change; `limit` and `when_full` are overrides. A lease
    goes before an ending of the same id, which is of an earlier playback."""

    version: int
    leases: Mapping[str, Lease] = field(default_factory=dict)
    ended: Mapping[str, Ending] = field(default_factory=dict)
    limit: int | None = None
    when_full: WhenFull | None = None

    def live(self, now: int) -> list[Lease]:
        """The streams that hold a slot, oldest first."""
        return sorted((lease for lease in self.leases.values() if lease.is_live(now)), key=_age)

    def policy(self, default: Policy, entitlement: int | None = None) -> Policy:
        """The policy that holds for this user: the entitlement's limit, else the override's, else the default's."""
        limits = (entitlement, self.limit, default.limit)
        return replace(
            default,
            limit=next(limit for limit in limits if limit is not None),
            when_full=self.when_full or default.when_full,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a player asks for. `replace` names streams to end in the same write; `entitlement` is the limit that the
    caller was granted for this start, whatever is stored."""

    id: str
    stream_id: str
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None
    replace: frozenset[str] = frozenset()
    entitlement: int | None = None

    def lease(self, *, epoch: int, now: int, policy: Policy) -> Lease:
        """The lease this request gets when it is admitted."""
        return Lease(
            id=self.id,
            stream_id=self.stream_id,
            started_at=now,
            expires_at=now + policy.lease_ms,
            epoch=epoch,
            device_id=self.device_id,
            device_name=self.device_name,
            device_type=self.device_type,
            title=self.title,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A start that was admitted: its lease, whether it took over its own live slot, and why others ended for it."""

    lease: Lease
    took_over: bool
    ended: tuple[Reason, ...] = ()


class StreamLimitReached(Exception):
    """Refused: every slot is held by another live stream. `holders` says which; `retry_at` (ms) is when one may
    free."""

    def __init__(self, *, limit: int, holders: list[Lease], retry_at: int | None) -> None:
        super().__init__(limit, holders, retry_at)
        self.limit, self.holders, self.retry_at = limit, holders, retry_at


class StreamEnded(Exception):
    """Refused: the stream is over. `ending` says why, when and through whom."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class StreamNotFound(Exception):
    """Refused: the user has no such stream, or it is forgotten."""


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
            holders = sorted(others.values(), key=_age)
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


def _age(lease: Lease) -> tuple[int, str]:
    return lease.started_at, lease.id


def _end(lease: Lease) -> tuple[int, str]:
    return lease.expires_at, lease.id

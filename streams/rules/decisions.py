"""The pure rule: given this account, this request and this now, what happens?

Standard library only. Nothing here reads a clock, a table or a setting: `now` (ms) and the policy come in, a new
`Account` (or a refusal that carries facts) goes out. `streams.storage` makes DynamoDB do the same, and the tests hold
the two together.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from streams.errors import (
    InvalidToken,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)
from streams.rules.accounts import (
    Account,
    Admission,
    Ending,
    Hold,
    Lease,
    Reason,
    StartRequest,
    age,
    last_epoch_of,
)
from streams.rules.plans import (
    FREE_TO_RELAX,
    NO_MATTER_HOW_MANY,
    Pace,
    Policy,
    Rule,
    WhenFull,
    fact,
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


def start(
    account: Account, request: StartRequest, *, now: int, policy: Policy
) -> tuple[Account, Admission]:
    """Admit a start (the account after it, and the admission), or raise `StreamLimitReached`, or `TooManyStarts` where
    there would be room.

    In this order room is made: what `replace` names goes; a live slot of the same id is taken over; then for each rule
    that counts the stream, and for the limit, ghosts go, longest dead first, as few as needed (one that keeps its slot
    can still be revived); under `evict-oldest`, live streams go, oldest first. Where a rule counts values, all streams
    of a value go. A stream that takes over keeps its place under a rule that counts it as it counted the one before.
    A grace lease whose slot changed hands since it began is over, as its `StreamEnded` says.
    """
    if request.is_grace and _last_epoch(account, request.id) >= request.epoch:
        _held(account, request.id, hold=Hold(epoch=request.epoch), policy=policy)
    own = account.leases.get(request.id)
    took_over = own is not None and own.is_live(now)
    plan = account.policy(policy, request.entitlement)
    lease = request.lease(
        epoch=max(request.epoch, _last_epoch(account, request.id) + 1),
        now=now,
        policy=plan,
        prior_expires_at=own.expires_at if own else 0,
    )
    others = {id: lease for id, lease in account.leases.items() if id != request.id}
    endings: dict[str, Ending] = {}

    for going in _replaced(account, request):
        del others[going.id]
        endings[going.id] = _ending(going, Reason.REPLACED, now=now, by=request.id)

    for rule in plan.ways_to_refuse:
        group = rule.group(lease)
        if group is None or (own and took_over and rule.group(own) == group):
            continue  # a live own slot stays its own, even above a lowered limit
        places = rule.against(lease, others.values())
        surplus = max(0, len(places) + 1 - rule.limit)
        ghosts = sorted((place for place in places if _end(place)[0] <= now), key=_end)[
            :surplus
        ]
        held = sorted(
            (place for place in places if _end(place)[0] > now),
            key=lambda place: min(map(age, place)),
        )
        surplus -= len(ghosts)
        if surplus and (plan.when_full is WhenFull.DENY or surplus > len(held)):
            raise _limit_reached(account, lease, rule, plan=plan, now=now)
        for going in chain(*ghosts, *held[:surplus]):
            endings[going.id] = _ending(
                others.pop(going.id), Reason.EVICTED, now=now, by=request.id
            )

    after = replace(
        account,
        version=account.version + 1,
        mints=_minted(account, now=now, policy=policy),
        leases=others | {request.id: lease},
        ended=_remembered(account.ended, endings),
    )
    return after, Admission(
        lease=paced(after, lease, now=now, policy=policy),
        ended=endings,
        plan=account.plan,
        before=account,
    )


def is_plain_start(
    account: Account, request: StartRequest, *, now: int, policy: Policy
) -> bool:
    """Whether a start needs nothing of the other streams: its slot is its own and live, and what rules look at is as it
    was, or there is room under each rule that counts it, were every stream and ghost counted; it replaces none; its
    epoch is above every earlier one of its slot; and every start before is paid for. What a condition on the stored
    item can say."""
    own, lease = account.leases.get(request.id), request.lease(now=now, policy=policy)
    plan = account.policy(policy, request.entitlement)
    looked_at, lowest = plan.counting(lease)
    has_room = len(account.leases) < min(plan.limit, lowest)
    is_as_before = own is not None and all(
        fact(own, name) == fact(lease, name) for name in looked_at
    )
    return (
        any(
            plan.name == one.name
            for one in policy.blind(request.entitlement, replaced=len(request.replace))
        )
        and (request.entitlement.plan is not None or policy.knows(account.plan))
        and ((own is not None and own.is_live(now) and is_as_before) or has_room)
        and not (request.replace.keys() - {request.id}) & account.leases.keys()
        and _last_epoch(account, request.id) < request.epoch
        and (account.mints < now or not policy.mint_interval_ms)
    )


def paced(account: Account, lease: Lease, *, now: int, policy: Policy) -> Lease:
    """A lease with the pace of its next heartbeat, where that is not the default plan's: relaxed while enough slots are
    free, and no other stream has come by then."""
    plan = account.policy(policy, lease.entitlement)
    if plan.relaxed_lease_ms and plan.limit - len(account.live(now)) >= FREE_TO_RELAX:
        return replace(lease, pace=Pace(plan.relaxed_lease_ms, len(account.leases)))
    return (
        lease
        if plan.lease_ms == policy.lease_ms
        else replace(lease, pace=Pace(plan.lease_ms, NO_MATTER_HOW_MANY))
    )


def admitted(
    account: Account, request: StartRequest, *, now: int, policy: Policy
) -> Admission | None:
    """The admission of this very start, when the account holds its lease: its write was repeated, or came late."""
    lease = account.leases.get(request.id)
    if lease is None or lease.nonce != request.nonce:
        return None
    ended = account.ended.items()
    mine = {
        id: ending
        for id, ending in ended
        if ending.by == request.id and ending.at == lease.started_at
    }
    lease = paced(account, lease, now=now, policy=policy)
    return Admission(lease=lease, ended=mine, plan=account.plan)


def renew(
    account: Account,
    id: str,
    *,
    hold: Hold,
    now: int,
    policy: Policy,
    is_paused: bool = False,
) -> Account:
    """Extend a lease to `now` plus the lease time, or raise `StreamEnded`, `StreamNotFound` or `InvalidToken`. The same
    account when the lease lasts that long already: another server's clock is ahead, and an end never moves back.

    A live stream always renews. One whose lease has run out is revived while its slot is still there and the other live
    streams leave room for it, by the policy that its start was admitted under. A pause that its plan bounds lasts
    until then, however often it is told of.
    """
    lease = _held(account, id, hold=hold, policy=policy)
    plan = account.policy(policy, lease.entitlement)
    paused_at = (lease.paused_at or now) if is_paused else 0
    pace = hold.pace
    if pace and len(account.leases) > pace.among:  # other streams have come since
        pace = paced(account, lease, now=now, policy=policy).pace
    expires_at = now + (pace.lease_ms if pace else policy.lease_ms)
    if is_paused and plan.paused_ms:
        expires_at = paused_at + plan.paused_ms
    if not lease.is_live(now) and (
        expires_at <= now or refusing(plan, lease, account.live(now))
    ):
        raise _over(account, id, lease.expiry)
    if lease.expires_at >= expires_at and lease.paused_at == paused_at:
        return account
    renewed = replace(
        lease, expires_at=max(lease.expires_at, expires_at), paused_at=paused_at
    )
    if not lease.is_live(now):
        renewed = replace(
            renewed, revived_from=lease.expires_at, revived_to=renewed.expires_at
        )
    return replace(
        account, version=account.version + 1, leases={**account.leases, id: renewed}
    )


def stop(
    account: Account, id: str, *, hold: Hold | None, now: int, policy: Policy
) -> Account:
    """Free a slot; the same account when the stream was over already. Raise `StreamEnded` (taken over) for a hold with
    another epoch than the holder's, `InvalidToken` for one of an old token, `StreamNotFound` for an id that is not
    known.

    Without a hold it ends whoever holds the id, but no playback that began after `now`: then the stop comes late, for
    one that is over already.
    """
    lease = account.leases.get(id)
    if hold is not None and hold.is_grace and _last_epoch(account, id) < hold.epoch:
        # What its start would have taken over ends, and the grace lease may not be admitted any more.
        ended = _remembered(
            account.ended, {id: Ending(reason=Reason.STOPPED, at=now, epoch=hold.epoch)}
        )
        leases = {other: kept for other, kept in account.leases.items() if other != id}
        return replace(account, version=account.version + 1, leases=leases, ended=ended)
    if lease is None and id in account.ended:
        return account
    lease = _held(account, id, hold=hold, policy=policy)
    if (
        hold is None
        and lease.started_at > now
        and (lease.took_over or id in account.ended)
    ):
        return account
    return _without(account, [lease], now=now, is_fenced=hold is not None)


def end_all(
    account: Account, *, keep: str | None, now: int
) -> tuple[Account, list[str]]:
    """Free every slot but that of `keep`: the account after it (the same when there was none to free), and the ids of
    the live streams that ended."""
    going = [lease for lease in account.leases.values() if lease.id != keep]
    if not going:
        return account, []
    return _without(account, going, now=now), [
        lease.id for lease in sorted(going, key=age) if lease.is_live(now)
    ]


def override(
    account: Account, *, end_surplus: bool, now: int, policy: Policy, **given: Any
) -> Account:
    """Put an operator's `limit`, `plan` and `when_full` in the place of an earlier override; the same account when they
    are the same. The surplus, if that is to end, is what would not be playing had it held from the start, for all
    viewers alike: under `deny` the newest go, under `evict-oldest` the oldest."""
    after = replace(account, **given)
    plan, live = after.policy(policy), after.live(now)
    kept: list[Lease] = []
    for lease in live if plan.when_full is WhenFull.DENY else reversed(live):
        if not end_surplus or not refusing(plan, lease, kept):
            kept.append(lease)
    surplus = [lease for lease in live if lease not in kept]
    if surplus:
        return _without(
            after,
            surplus,
            now=now,
            reason=Reason.STOPPED if plan.limit else Reason.SUSPENDED,
        )
    return account if after == account else replace(after, version=account.version + 1)


def refusing(plan: Policy, lease: Lease, others: Collection[Lease]) -> Rule | None:
    """The first rule (without a name: the limit) that has no place for a stream beside others."""
    ways = (rule for rule in plan.ways_to_refuse if rule.group(lease) is not None)
    return next(
        (rule for rule in ways if len(rule.against(lease, others)) >= rule.limit), None
    )


def read(account: Account, id: str, *, now: int) -> Lease:
    """The live lease of `id`, or raise `StreamEnded` or `StreamNotFound`."""
    lease = _known(account, id)
    if not lease.is_live(now):
        raise _over(account, id, lease.expiry)
    return lease


def _replaced(account: Account, request: StartRequest) -> list[Lease]:
    """The leases that a start names to be ended, its own slot apart."""
    named = (
        account.leases[id]
        for id in request.replace.keys() & account.leases.keys()
        if id != request.id
    )
    return [
        lease for lease in named if request.replace[lease.id] in (None, lease.epoch)
    ]


def _limit_reached(
    account: Account, lease: Lease, rule: Rule, *, plan: Policy, now: int
) -> StreamLimitReached:
    """A denial with every live stream that counts. So many have to expire that a start fits beside the others."""
    places = rule.against(
        lease, (other for other in account.live(now) if other.id != lease.id)
    )
    ends = sorted(max(other.expires_at for other in place) for place in places)
    return StreamLimitReached(
        limit=plan.limit,
        plan=plan.name,
        rule=rule if rule.name else None,
        holders=sorted(chain(*places), key=age),
        retry_at=ends[len(ends) - rule.limit] if rule.limit else None,
        before=account,
    )


def _minted(account: Account, *, now: int, policy: Policy) -> int:
    """The account's `mints` after one more start, or `TooManyStarts`: a leaky bucket (GCRA), which holds `mint_burst`
    starts and loses one every `mint_interval_ms`."""
    if not policy.mint_interval_ms:
        return account.mints
    retry_at = account.mints - (policy.mint_burst - 1) * policy.mint_interval_ms
    if now < retry_at:
        raise TooManyStarts(retry_at=retry_at)
    return max(account.mints, now) + policy.mint_interval_ms


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
    over = None if id in account.leases else account.ended.get(id)
    if (
        hold and over and hold.epoch < over.epoch and not _bars_late_starts(over)
    ):  # a later playback's
        raise _over(
            account,
            id,
            Ending(reason=Reason.TAKEN_OVER, at=over.at, epoch=hold.epoch, by=id),
        )
    lease = _known(account, id)
    if hold is None:
        return lease
    if hold.epoch > lease.epoch:  # a grace lease that was never admitted
        raise StreamNotFound(id)
    if hold.epoch != lease.epoch:
        raise _over(
            account,
            id,
            Ending(
                reason=Reason.TAKEN_OVER, at=lease.started_at, epoch=hold.epoch, by=id
            ),
        )
    if hold.expires_at is not None:
        # The answer to a late heartbeat may be lost: then its token is all that the player has.
        end = (
            lease.revived_to
            if hold.expires_at == lease.revived_from
            else hold.expires_at
        )
        if lease.expires_at > end + policy.longest_ms:
            raise InvalidToken
    return lease


def _bars_late_starts(ending: Ending) -> bool:
    """Whether the epoch of an ending is of the moment when an operator ended the stream, and not its playback's: of a
    lease that had run out by then, the end is before that moment."""
    last = last_epoch_of(ending.at)
    return ending.epoch == last or (
        ending.epoch > last and ending.reason is Reason.EXPIRED
    )


def _over(account: Account, id: str, ending: Ending) -> StreamEnded:
    """The refusal of a stream that is over, with the stream that took its place, while that lasts."""
    return StreamEnded(ending, by=account.leases.get(ending.by) if ending.by else None)


def _without(
    account: Account,
    going: list[Lease],
    *,
    now: int,
    is_fenced: bool = False,
    reason: Reason = Reason.STOPPED,
) -> Account:
    """The account after these streams were stopped. Unless it was by their own epoch, no start from before this moment
    that comes late may take their slots again."""
    endings = {lease.id: _ending(lease, reason, now=now) for lease in going}
    if not is_fenced:
        endings = {
            id: replace(end, epoch=max(end.epoch, last_epoch_of(now)))
            for id, end in endings.items()
        }
    return replace(
        account,
        version=account.version + 1,
        leases={id: lease for id, lease in account.leases.items() if id not in endings},
        ended=_remembered(account.ended, endings),
    )


def _remembered(
    kept: Mapping[str, Ending], added: Mapping[str, Ending]
) -> Mapping[str, Ending]:
    """The endings worth their bytes: the newest, and in any case those that were added. All are kept while so many of
    the longest that was added would fit."""
    ended = {**kept, **added}
    if not added or len(ended) <= max(len(kept), room_for_endings(*added.items())):
        return ended
    newest_first = sorted(
        ended.items(), key=lambda item: (item[0] not in added, -item[1].at, item[0])
    )
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
    return (
        Ending(reason=reason, at=now, epoch=lease.epoch, by=by)
        if lease.is_live(now)
        else lease.expiry
    )


def _end(place: list[Lease]) -> tuple[int, str]:
    return max((lease.expires_at, lease.id) for lease in place)

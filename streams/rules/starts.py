"""Starts: whether a stream is admitted, and which streams end for it."""

from collections.abc import Collection
from dataclasses import replace
from itertools import chain

from streams.errors import StreamLimitReached, StreamNotFound, TooManyStarts
from streams.rules.accounts import Account, Admission
from streams.rules.history import (
    endings_of,
    keep_newest,
    late_before,
    may_lack_endings_since,
)
from streams.rules.holders import held_lease, stream_ended
from streams.rules.leases import (
    EPOCHS_PER_MS,
    Hold,
    Lease,
    Reason,
    StartRequest,
    age,
)
from streams.rules.plans import Plan, Plans, Rule, StartRate, WhenFull, attribute
from streams.rules.renewals import with_pace

NEVER = 2**53
"""Later than any instant: waiting cannot help."""


def start(
    account: Account,
    request: StartRequest,
    *,
    now: int,
    plans: Plans,
    is_paused: bool = False,
) -> tuple[Account, Admission]:
    """Admit a start and return the account after it, with the admission.

    Only a grace lease can be paused when it is admitted.

    Room is made in this order:

    1. The streams that `replace` names end.
    2. A live stream with the same id is taken over.
    3. For each rule, and then for the limit, expired streams give up their
       slots, the longest expired first and no more than needed, because a late
       heartbeat can revive the others.
    4. Under `evict-oldest`, live streams end, the oldest first.

    For a `distinct` rule, all streams that share a value end together.

    Raises:
        StreamLimitReached: the streams that count leave no room.
        TooManyStarts: there is room, but the user starts streams too fast.
        StreamEnded: a grace lease's slot changed hands since it began, or the
            playback that the ticket started is over.
        StreamNotFound: the ticket may have started a playback that is over.
    """
    stored = account.with_network_of(request)
    account = stored.without_impossible(now, plans)
    if request.is_grace:
        _check_grace_start(account, request, now=now, plans=plans)
    if request.is_by_ticket:
        _check_ticket_start(account, request, now=now, plans=plans)

    plan = account.effective_plan(plans, request.entitlement)
    own = account.leases.get(request.id)
    lease = request.lease(
        now=now,
        lease_ms=plan.lease_ms,
        epoch=max(request.epoch, account.last_epoch(request.id) + 1),
        prior_expires_at=own.expires_at if own else 0,
    )
    if is_paused:
        lease = _paused(lease, plan, now=now)

    replaced = _leases_to_replace(account, request)
    evicted = _leases_to_evict(
        account,
        lease,
        replaced,
        plan=plan,
        start_rate=plans.start_rate,
        now=now,
    )
    theoretical_arrival_at = _charge(account, request, plans.start_rate, now=now)

    replaced_endings = endings_of(replaced, Reason.REPLACED, now=now, by=lease.id)
    evicted_endings = endings_of(evicted, Reason.EVICTED, now=now, by=lease.id)
    ended = replaced_endings | evicted_endings

    remembered = keep_newest(account.ended, ended)
    late_at = late_before(account.ended, remembered, now=now)

    after = stored.changed(
        theoretical_arrival_at=max(theoretical_arrival_at, late_at),
        leases=stored.leases_except(ended) | {lease.id: lease},
        ended=remembered,
    )
    admission = Admission(
        lease=with_pace(after, lease, now=now, plans=plans),
        ended=ended,
        plan=stored.plan,
        before=stored,
    )
    return after, admission


def _paused(lease: Lease, plan: Plan, *, now: int) -> Lease:
    """Return a new lease for a stream whose pause begins now."""
    pause_ends_at = now + (plan.paused_ms or 0)
    expires_at = max(lease.expires_at, pause_ends_at)
    return replace(lease, paused_at=now, expires_at=expires_at)


def is_plain_start(
    account: Account, request: StartRequest, *, now: int, plans: Plans
) -> bool:
    """Return whether a start affects no other stream.

    This is exactly what a condition on the stored item can check, so such a
    start needs no read before its write.
    """
    plan = account.effective_plan(plans, request.entitlement)
    candidates = plans.candidates(request.entitlement, replaced=len(request.replace))
    own = account.leases.get(request.id)
    lease = request.lease(now=now, lease_ms=plan.lease_ms)
    rules = plan.rules_that_count(lease)
    lowest_limit = min([plan.limit, *(rule.limit for rule in rules)])
    others_to_replace = request.replace.keys() - {request.id}

    is_known_plan = request.entitlement.plan is not None or plans.has(account.plan)
    is_candidate = plan.name in [candidate.name for candidate in candidates]
    has_room = len(account.leases) < lowest_limit
    keeps_its_places = _keeps_its_places(rules, own, lease, now=now)
    replaces_none = others_to_replace.isdisjoint(account.leases)
    is_newest = _is_newest(account, request, lease, now=now)
    is_paid_for = account.theoretical_arrival_at < now

    return (
        is_known_plan
        and is_candidate
        and (has_room or keeps_its_places)
        and replaces_none
        and is_newest
        and is_paid_for
    )


def _is_newest(
    account: Account, request: StartRequest, lease: Lease, *, now: int
) -> bool:
    """Return whether a start is certainly not late and not a repeat.

    Nothing ended in its slot since it was sent, and the slot's player has certainly
    sent no heartbeat since: its lease does not last longer than the one that is
    granted now, and is not paused.
    """
    own = account.leases.get(request.id)
    ending = account.ended.get(request.id)

    if account.last_epoch(request.id) >= request.epoch:
        return False
    if ending is not None and ending.at >= now:
        return False
    if own is None:
        return True

    lasts_longer = own.expires_at > lease.expires_at
    is_paused = own.paused_at > 0
    return not lasts_longer and not is_paused


def find_admission(
    account: Account, request: StartRequest, *, now: int, plans: Plans
) -> Admission | None:
    """Return the admission of this very start if the account already holds it.

    The write was repeated, or its answer was lost.
    """
    lease = account.leases.get(request.id)
    if lease is None or lease.nonce != request.nonce:
        return None
    if not lease.is_live(now):
        return None

    ended_by_it = {
        id: ending
        for id, ending in account.ended.items()
        if ending.by == request.id and ending.at == lease.started_at
    }
    return Admission(
        lease=with_pace(account, lease, now=now, plans=plans),
        ended=ended_by_it,
        plan=account.plan,
    )


def _check_grace_start(
    account: Account, request: StartRequest, *, now: int, plans: Plans
) -> None:
    """Raise `StreamEnded` if the slot changed hands since the grace lease began."""
    if account.last_epoch(request.id) >= request.epoch:
        hold = Hold(epoch=request.epoch)
        held_lease(account, request.id, hold=hold, now=now, plans=plans)


def _check_ticket_start(
    account: Account, request: StartRequest, *, now: int, plans: Plans
) -> None:
    """Raise an error unless this is the ticket's first start of its id, or a repeat
    while that start's lease is live.
    """
    own = account.leases.get(request.id)
    if own and own.nonce == request.nonce and own.is_live(now):
        return

    if account.last_epoch(request.id) >= request.epoch:
        hold = Hold(epoch=request.epoch)
        lease = held_lease(account, request.id, hold=hold, now=now, plans=plans)
        raise stream_ended(account, lease.expiry)

    issued_at = request.epoch // EPOCHS_PER_MS
    if may_lack_endings_since(account.ended, issued_at):
        raise StreamNotFound(request.id)


def _leases_to_replace(account: Account, request: StartRequest) -> list[Lease]:
    """Return the other leases that a start asks to end."""
    leases = []
    for id in request.replace.keys() & account.leases.keys() - {request.id}:
        lease = account.leases[id]
        seen_epoch = request.replace[id]
        if seen_epoch is None or seen_epoch == lease.epoch:
            leases.append(lease)
    return leases


def _keeps_its_place(rule: Rule, own: Lease | None, lease: Lease, *, now: int) -> bool:
    """Return whether a takeover keeps the place that its predecessor had.

    A live stream keeps its place even above a lowered limit.
    """
    if own is None or not own.is_live(now):
        return False
    return bool(rule.group(own) == rule.group(lease))


def _leases_to_evict(
    account: Account,
    lease: Lease,
    replaced: list[Lease],
    *,
    plan: Plan,
    start_rate: StartRate,
    now: int,
) -> list[Lease]:
    """Return the leases that must end so that every rule has room for `lease`."""
    own = account.leases.get(lease.id)
    others = account.leases_except({lease.id, *(other.id for other in replaced)})
    evicted: list[Lease] = []

    for rule in plan.limit_and_rules:
        keeps_its_place = _keeps_its_place(rule, own, lease, now=now)
        if keeps_its_place or not rule.counts(lease):
            continue

        leases = _makes_room(
            rule,
            lease,
            others.values(),
            plan=plan,
            now=now,
        )
        if leases is None:
            raise _limit_reached(
                account,
                lease,
                rule,
                plan=plan,
                start_rate=start_rate,
                now=now,
            )

        evicted += leases
        for other in leases:
            del others[other.id]

    return evicted


def _makes_room(
    rule: Rule, lease: Lease, others: Collection[Lease], *, plan: Plan, now: int
) -> list[Lease] | None:
    """Return the leases that must end for one rule, or None if they may not."""
    places = rule.places_taken(lease, others)
    surplus = len(places) + 1 - rule.limit
    if surplus <= 0:
        return []

    expired: list[list[Lease]] = []
    live: list[list[Lease]] = []
    for place in places:
        is_expired = _last_expiry(place)[0] <= now
        (expired if is_expired else live).append(place)

    needed = max(0, surplus - len(expired))
    can_evict = plan.when_full is WhenFull.EVICT_OLDEST and needed <= len(live)
    if needed and not can_evict:
        return None

    expired.sort(key=_last_expiry)
    live.sort(key=_oldest)
    reused = expired[:surplus]
    return list(chain(*reused, *live[:needed]))


def _limit_reached(
    account: Account,
    lease: Lease,
    rule: Rule,
    *,
    plan: Plan,
    start_rate: StartRate,
    now: int,
) -> StreamLimitReached:
    """Return a denial that lists every live stream that counts.

    A retry can succeed once every rule has a free place, and the start rate allows it.
    """
    others = [other for other in account.live(now) if other.id != lease.id]
    own = account.leases.get(lease.id)

    places: dict[str, list[list[Lease]]] = {}
    retries = [now]
    if start_rate.interval_ms > 0:
        retries.append(start_rate.earliest_start(account.theoretical_arrival_at))
    for each in plan.limit_and_rules:
        is_met = _keeps_its_place(each, own, lease, now=now)
        if each.counts(lease) and not is_met:
            places[each.name] = each.places_taken(lease, others)
            retries.append(_free_at(each, places[each.name], now=now))
    retry_at = max(retries)

    return StreamLimitReached(
        limit=plan.limit,
        plan=plan.name,
        rule=rule if rule.name else None,
        holders=sorted(chain(*places[rule.name]), key=age),
        retry_at=retry_at if retry_at < NEVER else None,
        before=account,
    )


def _free_at(rule: Rule, places: list[list[Lease]], *, now: int) -> int:
    """Return when a rule whose `places` are taken has a free one, or `NEVER`."""
    if rule.limit == 0:
        return NEVER
    if len(places) < rule.limit:
        return now
    expiries = sorted(_last_expiry(place)[0] for place in places)
    return expiries[-rule.limit]


def _charge(
    account: Account, request: StartRequest, rate: StartRate, *, now: int
) -> int:
    """Return the theoretical arrival time (GCRA) after one more start.

    A grace lease already plays, so it is charged but never refused.

    Raises:
        TooManyStarts: the burst is used up; `retry_at` is when the next fits.
    """
    if rate.interval_ms == 0:
        return account.theoretical_arrival_at

    earliest = rate.earliest_start(account.theoretical_arrival_at)
    if now < earliest and not request.is_grace:
        raise TooManyStarts(retry_at=earliest)

    return rate.arrival_after_start(account.theoretical_arrival_at, now=now)


def _keeps_its_places(
    rules: list[Rule], own: Lease | None, lease: Lease, *, now: int
) -> bool:
    """Return whether a takeover changes no attribute that these rules examine."""
    if own is None or not own.is_live(now):
        return False

    for rule in rules:
        for name in rule.attributes:
            if attribute(own, name) != attribute(lease, name):
                return False
    return True


def _last_expiry(place: list[Lease]) -> tuple[int, str]:
    return max(map(_expiry, place))


def _expiry(lease: Lease) -> tuple[int, str]:
    return lease.expires_at, lease.id


def _oldest(place: list[Lease]) -> tuple[int, str]:
    return min(map(age, place))

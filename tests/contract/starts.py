"""Starts: whether a stream is admitted, and which streams end for it."""

import math
from dataclasses import dataclass, field
from itertools import chain

from tests.contract.catalogue import Catalogue, Plan, Rule, places
from tests.contract.state import (
    Call,
    Ending,
    Outcome,
    Stream,
    User,
    with_fences,
)


@dataclass
class Room:
    """The room for one start.

    `refusing` are the rules that have no place for it; `leaving` are the streams
    that give up their slots.
    """

    refusing: list[Rule] = field(default_factory=list)
    leaving: list[Stream] = field(default_factory=list)


def start(
    user: User, call: Call, catalogue: Catalogue, *, is_grace: bool = False
) -> list[Outcome]:
    """Return what a start may be answered.

    A grace lease already plays, so the start rate charges it and does not refuse it.
    """
    plan = user.effective_plan(catalogue, call.granted)
    replaced = _replaced(user, call)
    room = _room(user, call, plan, replaced)
    if room.refusing:
        return _denials(user, call, catalogue, room.refusing)

    earliest = _earliest_start(user, catalogue)
    if call.now < earliest and not is_grace:
        refusal = {"retryAfter": retry_after(earliest, call.now)}
        return [Outcome(429, user, refusal)]

    last_epoch = user.epochs.get(call.id, 0)
    if call.epoch is not None and call.epoch <= last_epoch:
        return []

    own = user.streams.get(call.id)
    took_over = own is not None and own.is_live(call.now)
    stream = Stream(
        id=call.id,
        playback=call.number,
        attributes=call.attributes,
        granted=call.granted,
        epoch=call.epoch,
        started_at=call.now,
        expires_at=call.now + plan.lease_ms,
    )
    endings = _endings(call, replaced, room.leaving)
    after = user.without(endings, now=call.now)
    after = after.with_stream(stream)
    after = after.with_token(call.number, stream, lease_ms=plan.lease_ms)

    epoch = max(last_epoch, call.epoch or 0)
    after = after.changed(
        paid_until=max(after.paid_until, _paid_until(user, call, catalogue)),
        epochs={**user.epochs, call.id: epoch},
    )
    facts = {
        "id": call.id,
        "startedAt": stream.started_at,
        "expiresAt": stream.expires_at,
        "pausedAt": None,
        "isDueInTime": True,
        "isGrace": False,
    }
    return [Outcome(200 if took_over else 201, after, facts)]


def dry_run(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a dry run may be answered. It changes no state."""
    plan = user.effective_plan(catalogue, call.granted)
    outcomes = []
    for outcome in start(user, call, catalogue):
        facts = outcome.facts
        if outcome.status in (200, 201):
            live_ids = [stream.id for stream in user.live(call.now)]
            kept = outcome.user.streams
            facts = {
                "plan": plan.name,
                "limit": plan.limit,
                "ended": [id for id in live_ids if id not in kept],
            }
        status = 200 if outcome.status == 201 else outcome.status
        outcomes.append(Outcome(status, user, facts))
    return outcomes


def retry_after(instant: int, now: int) -> int:
    """Return the seconds of Retry-After."""
    seconds = (instant - now) / 1000
    return max(1, math.ceil(seconds))


def _replaced(user: User, call: Call) -> list[Stream]:
    """Return the other streams that the start asks to end."""
    replaced = []
    for id, playback in call.replaces:
        stream = user.streams.get(id)
        if stream is None or id == call.id:
            continue
        if playback is None or playback == stream.playback:
            replaced.append(stream)
    return replaced


def _room(user: User, call: Call, plan: Plan, replaced: list[Stream]) -> Room:
    """Make room under every rule, in the order of the file, then under the limit."""
    own = user.streams.get(call.id)
    gone = [call.id, *_ids(replaced)]
    streams = user.streams.values()
    others = [stream for stream in streams if stream.id not in gone]

    room = Room()
    for rule in plan.all_rules:
        if _keeps_its_place(rule, own, call):
            continue

        leaving = _leaving(rule, call, others, plan)
        if leaving is None:
            room.refusing.append(rule)
            continue
        room.leaving += leaving
        others = [stream for stream in others if stream not in leaving]
    return room


def _keeps_its_place(rule: Rule, own: Stream | None, call: Call) -> bool:
    """Return whether the rule does not count the stream, or counted it before."""
    value = rule.value_of(call.attributes)
    if value is None:
        return True
    if own is None or not own.is_live(call.now):
        return False
    return rule.value_of(own.attributes) == value


def _leaving(
    rule: Rule, call: Call, others: list[Stream], plan: Plan
) -> list[Stream] | None:
    """Return the streams that leave for one rule, or None if it refuses.

    Ghosts leave first, the longest expired first and no more than needed.
    """
    taken = places(rule, call.attributes, others)
    missing = len(taken) + 1 - rule.limit
    if missing <= 0:
        return []

    ghosts = [place for place in taken if _last_expiry(place) <= call.now]
    ghosts.sort(key=_last_to_expire)
    live = [place for place in taken if _last_expiry(place) > call.now]
    live.sort(key=_oldest_age)

    leaving = ghosts[:missing]
    missing -= len(leaving)
    if missing:
        if plan.when_full != "evict-oldest" or missing > len(live):
            return None
        leaving += live[:missing]
    return list(chain.from_iterable(leaving))


def _ids(streams: list[Stream]) -> list[str]:
    return [stream.id for stream in streams]


def _last_to_expire(place: list[Stream]) -> tuple[int, str]:
    return max((stream.expires_at, stream.id) for stream in place)


def _oldest_age(place: list[Stream]) -> tuple[int, str]:
    return min(stream.age for stream in place)


def _last_expiry(place: list[Stream]) -> int:
    return max(stream.expires_at for stream in place)


def _endings(
    call: Call, replaced: list[Stream], leaving: list[Stream]
) -> dict[str, Ending]:
    reasons = {stream.id: "replaced" for stream in replaced}
    reasons |= {stream.id: "evicted" for stream in leaving}
    return {
        stream.id: stream.ended(reasons[stream.id], now=call.now, by=call.id)
        for stream in (*replaced, *leaving)
    }


def _denials(
    user: User, call: Call, catalogue: Catalogue, refusing: list[Rule]
) -> list[Outcome]:
    """Return the denials that the contract allows.

    The first rule that refuses is named. Retry-After is the latest over all ways to
    refuse, and the start rate is one of them. The streams that `replace` names count
    too, because a denied start ends none.
    """
    plan = user.effective_plan(catalogue, call.granted)
    earliest = _earliest_start(user, catalogue)
    live = user.live(call.now)
    others = [stream for stream in live if stream.id != call.id]

    named = refusing[0]
    own = user.streams.get(call.id)
    judging = [rule for rule in plan.all_rules if not _keeps_its_place(rule, own, call)]
    retries = [_retry_at(rule, call, others) for rule in judging]
    facts = {
        "limit": plan.limit,
        "plan": plan.name,
        "rule": named.name,
        "streams": _holders(named, call, others),
        "retryAfter": _latest_retry(retries, earliest, now=call.now),
    }
    return with_fences([Outcome(409, user, facts)], call)


def _holders(rule: Rule, call: Call, others: list[Stream]) -> list[str]:
    """Return the ids of the streams that count against a rule, oldest first."""
    taken = places(rule, call.attributes, others)
    streams = chain.from_iterable(taken)
    oldest_first = sorted(streams, key=lambda stream: stream.age)
    return _ids(oldest_first)


def _latest_retry(retries: list[int | None], also: int, *, now: int) -> int | None:
    """Return the Retry-After of a denial; None if waiting cannot help."""
    known = [at for at in retries if at is not None]
    if len(known) < len(retries):
        return None
    return retry_after(max(*known, also), now)


def _retry_at(rule: Rule, call: Call, others: list[Stream]) -> int | None:
    """Return when enough leases can have expired; None if waiting cannot help."""
    if rule.limit == 0:
        return None
    taken = places(rule, call.attributes, others)
    expiries = sorted(_last_expiry(place) for place in taken)
    needed = len(expiries) - rule.limit + 1
    return expiries[needed - 1] if needed > 0 else 0


def _earliest_start(user: User, catalogue: Catalogue) -> int:
    """Return when the start rate allows the next start."""
    if catalogue.interval_ms == 0:
        return 0
    return user.paid_until - (catalogue.burst - 1) * catalogue.interval_ms


def _paid_until(user: User, call: Call, catalogue: Catalogue) -> int:
    if catalogue.interval_ms == 0:
        return user.paid_until
    return max(user.paid_until, call.now) + catalogue.interval_ms

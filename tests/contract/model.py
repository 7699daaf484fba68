"""The reference model: the answers that the contract allows, and the user after each.

Written from docs/ and the OpenAPI document. It shares no code with `streams.rules`.
Each function takes the user before a call and returns every allowed outcome. There is
more than one where the contract leaves a choice, or where servers' clocks differ.
"""

from collections.abc import Callable, Mapping

from tests.contract import grace
from tests.contract.catalogue import Catalogue, Plan, fits
from tests.contract.heartbeats import facts_of_player, heartbeat, stop
from tests.contract.holders import fenced, over, stopped, taken_over
from tests.contract.starts import dry_run, start
from tests.contract.state import (
    Call,
    Ending,
    Granted,
    Outcome,
    Stream,
    User,
    with_fences,
)

SKEW_MS = 2000
"""The clocks of servers differ by less than this."""


def outcomes(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a call may be answered, and the user after each answer."""
    return VERBS[call.verb](user, call, catalogue)


def _end(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """End a stream. A server whose clock is behind may miss a later playback."""
    stream = user.streams.get(call.id)
    if stream is None:
        ending = user.endings.get(call.id)
        if ending is None:
            return [Outcome(404, user)]
        told = [Outcome(204, user)]
        if call.playback not in (None, ending.playback):
            told += taken_over(user, call.id, at=ending.at)
        return told

    if call.playback not in (None, stream.playback):
        return _end_of_another(user, call, stream)

    after = stopped(user, stream, now=call.now, is_fence=call.playback is None)
    allowed = [Outcome(204, after)]
    if not stream.is_live(call.now):
        allowed = with_fences(allowed, call)
    if call.playback is None and stream.started_at > call.now:
        allowed.append(Outcome(204, user))
    return allowed


def _end_of_another(user: User, call: Call, stream: Stream) -> list[Outcome]:
    """Return the answers if the epoch is not that of the playback in the slot.

    The store may never have seen the playback of a grace lease.
    """
    named = user.tokens.get(call.playback or 0)
    if named is not None and named.grace_start is not None:
        is_unseen = grace.is_unseen(user, call.id, named)
        if is_unseen:
            return [Outcome(404, user)]
    return taken_over(user, stream.id, at=stream.started_at)


def _end_all(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """End every stream but one. A server that is behind may miss later playbacks."""
    all_streams = user.streams.values()
    streams = [stream for stream in all_streams if stream.id != call.keep]
    earlier = [stream for stream in streams if stream.started_at <= call.now]
    live_ids = [stream.id for stream in user.live(call.now)]

    allowed = []
    for ended in (streams, earlier):
        endings = _endings(ended, "stopped", now=call.now)
        facts = {"ended": [id for id in live_ids if id in endings]}
        after = user.without(endings, now=call.now)
        allowed.append(Outcome(200, after, facts))
    return allowed if streams != earlier else allowed[:1]


def _endings(streams: list[Stream], reason: str, *, now: int) -> dict[str, Ending]:
    """Return how an operator ends streams."""
    return {
        stream.id: fenced(stream.ended(reason, now=now), now=now) for stream in streams
    }


def _set_limit(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Store a limit or a plan.

    With `endSurplus`, the streams end that could not have started, and the expired
    ones.
    """
    after = user.changed(
        limit=call.limit,
        plan=call.plan,
        when_full=call.when_full,
    )
    plan = after.effective_plan(catalogue, Granted())
    facts = {
        "plan": plan.name,
        "limit": plan.limit,
        "whenFull": plan.when_full,
        "isDefault": False,
        "ended": None,
    }
    if not call.ends_surplus:
        return [Outcome(200, after, facts)]

    reason = "stopped" if plan.limit else "suspended"
    surplus = _surplus(user, plan, now=call.now)
    ghosts = user.ghosts(call.now)
    endings = _endings(surplus + ghosts, reason, now=call.now)
    facts["ended"] = [stream.id for stream in surplus]
    return [Outcome(200, after.without(endings, now=call.now), facts)]


def _surplus(user: User, plan: Plan, *, now: int) -> list[Stream]:
    """Return the live streams that could not have started, oldest first."""
    live = user.live(now)
    in_order = live if plan.when_full == "deny" else live[::-1]

    kept: list[Stream] = []
    for stream in in_order:
        if fits(plan, stream.attributes, kept):
            kept.append(stream)
    return [stream for stream in live if stream not in kept]


def _clear_limit(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    after = user.changed(limit=None, plan=None, when_full=None)
    return [Outcome(204, after)]


def _forget(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Erase the user. The players keep their tokens.

    Starts from before this moment are late, also those of a server that is ahead.
    """
    erased = User(
        tokens=user.tokens,
        was_forgotten=True,
        memory=user.memory,
        memory_paid_until=user.memory_paid_until,
        paid_until=call.now + SKEW_MS,
    )
    return [Outcome(204, erased)]


def _read(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    stream = user.streams.get(call.id)
    if stream is None:
        return over(user, call, playback=None)
    if not stream.is_live(call.now):
        return [Outcome(410, user, stream.expired.facts)]
    return [Outcome(200, user, facts_of_player(stream))]


def _list(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    plan = user.effective_plan(catalogue, call.granted)
    live = user.live(call.now)
    ended = dict(user.endings)
    for ghost in user.ghosts(call.now):
        ended[ghost.id] = ghost.expired

    facts = {
        "plan": plan.name,
        "limit": plan.limit,
        "active": len(live),
        "available": max(0, plan.limit - len(live)),
        "streams": [facts_of_player(stream) for stream in live],
        "over": _facts_of_endings(ended),
    }
    return [Outcome(200, user, facts)]


def _facts_of_endings(endings: Mapping[str, Ending]) -> list[dict[str, object]]:
    """Return the endings of a list, the newest first."""
    by_id = sorted(endings.items())
    newest_first = sorted(by_id, key=lambda item: item[1].at, reverse=True)
    return [{"id": id, **ending.facts} for id, ending in newest_first]


def _get_limit(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    plan = user.effective_plan(catalogue, call.granted)
    has_override = user.limit is not None or user.plan is not None
    is_default = not has_override and call.granted == Granted()
    facts = {
        "plan": plan.name,
        "limit": plan.limit,
        "whenFull": plan.when_full,
        "isDefault": is_default,
        "ended": None,
    }
    return [Outcome(200, user, facts)]


type Verb = Callable[[User, Call, Catalogue], list[Outcome]]

VERBS: Mapping[str, Verb] = {
    "start": start,
    "dry run": dry_run,
    "heartbeat": heartbeat,
    "stop": stop,
    "start in an outage": grace.start_in_outage,
    "heartbeat in an outage": grace.heartbeat_in_outage,
    "end": _end,
    "end all": _end_all,
    "set limit": _set_limit,
    "clear limit": _clear_limit,
    "forget": _forget,
    "read": _read,
    "list": _list,
    "get limit": _get_limit,
}

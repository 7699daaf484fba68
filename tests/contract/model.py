"""The reference model: the answers that the contract allows, and the user after each.

Written from docs/ and the OpenAPI document. It shares no code with `streams.rules`.
Each function takes the user before a call and returns every allowed outcome. There is
more than one where the contract leaves a choice, or where servers' clocks differ.
"""

from collections.abc import Callable, Mapping

from tests.contract.catalogue import Catalogue, Plan, fits
from tests.contract.starts import dry_run, start
from tests.contract.state import (
    Call,
    Ending,
    Granted,
    Outcome,
    Stream,
    Token,
    User,
    with_fences,
)


def outcomes(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a call may be answered, and the user after each answer."""
    return VERBS[call.verb](user, call, catalogue)


def _heartbeat(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    token = user.tokens[call.token]
    held = _held(user, call, token, catalogue)
    if not isinstance(held, Stream):
        return held

    allowed = []
    if _may_be_refused(user, token, held, catalogue):
        allowed.append(Outcome(400, user))

    plan = user.effective_plan(catalogue, held.granted)
    live = user.live(call.now)
    others = [stream for stream in live if stream.id != held.id]
    has_room = fits(plan, held.attributes, others)
    paused_at = 0
    if call.is_paused:
        paused_at = held.paused_at or call.now

    expiries = _expiries(token, plan, others, call, paused_at=paused_at)
    for expires_at in expiries:
        may_revive = call.now < expires_at and has_room
        if not held.is_live(call.now) and not may_revive:
            allowed.append(Outcome(410, user, held.expired.facts))
            continue

        renewed = _renewed(
            held,
            token,
            expires_at,
            paused_at=paused_at,
            call=call,
        )
        after = user.with_stream(renewed)
        after = after.with_token(
            call.number,
            renewed,
            lease_ms=plan.lease_ms,
        )
        facts = _facts_of_player(renewed) | {"isDueInTime": True}
        allowed.append(Outcome(200, after, facts))
    return allowed


def _expiries(
    token: Token,
    plan: Plan,
    others: list[Stream],
    call: Call,
    *,
    paused_at: int,
) -> list[int]:
    """Return the expiries that a heartbeat may request.

    The token carries the length of its time, so a change of the plan may apply one
    heartbeat later. A relaxed lease needs two free slots.
    """
    if paused_at and plan.paused_ms:
        return [paused_at + plan.paused_ms]

    lengths = {plan.lease_ms, token.lease_ms}
    free_slots = plan.limit - len(others) - 1
    if plan.relaxed_ms and free_slots >= 2:
        lengths.add(plan.relaxed_ms)
    return [call.now + length for length in sorted(lengths)]


def _renewed(
    held: Stream, token: Token, expires_at: int, *, paused_at: int, call: Call
) -> Stream:
    """Return the stream after a heartbeat. Its expiry never moves back."""
    changes = held.__dict__ | {
        "expires_at": max(held.expires_at, expires_at),
        "paused_at": paused_at,
    }
    if not held.is_live(call.now):
        changes |= {"revived_by": token.expires_at, "revived_to": expires_at}
    return Stream(**changes)


def _held(
    user: User, call: Call, token: Token, catalogue: Catalogue
) -> Stream | list[Outcome]:
    """Return the stream that a token holds, or the refusals."""
    stream = user.streams.get(call.id)
    if stream is None:
        return _over(user, call, playback=token.playback)
    if stream.playback != token.playback:
        return _taken_over(user, stream.id, at=stream.started_at)
    if _is_replaced(token, stream, catalogue):
        return [Outcome(400, user)]
    return stream


def _replaced_for(token: Token, stream: Stream) -> int:
    """Return by how much the lease outlasts the one that a token was issued for.

    The token that revived the stream counts as the one that the revival issued, as
    the answer with that one may have been lost.
    """
    has_revived = stream.revived_by == token.expires_at
    issued_for = stream.revived_to if has_revived else token.expires_at
    return stream.expires_at - issued_for


def _is_replaced(token: Token, stream: Stream, catalogue: Catalogue) -> bool:
    """Return whether newer tokens replaced this one more than one lease ago.

    That is certain if the longest lease of all plans has passed.
    """
    return _replaced_for(token, stream) > catalogue.longest_ms


def _may_be_refused(
    user: User, token: Token, stream: Stream, catalogue: Catalogue
) -> bool:
    """Return whether the longest lease of the user's plan has passed."""
    plan = user.effective_plan(catalogue, stream.granted)
    longest_ms = max(plan.lease_ms, plan.relaxed_ms, plan.paused_ms)
    return _replaced_for(token, stream) > longest_ms


def _over(user: User, call: Call, *, playback: int | None) -> list[Outcome]:
    """Return the answers about an id whose slot is empty."""
    ending = user.endings.get(call.id)
    if ending is None:
        return [Outcome(404, user)]

    told = [Outcome(410, user, ending.facts)]
    if playback not in (None, ending.playback):
        told += _taken_over(user, call.id, at=ending.at)
    return told


def _taken_over(user: User, id: str, *, at: int) -> list[Outcome]:
    """Return the answers to the holder of an earlier playback."""
    ending = Ending("taken-over", at, id, 0)
    told = [Outcome(410, user, ending.facts)]
    if user.was_forgotten:
        told.append(Outcome(404, user))
    return told


def _stop(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    token = user.tokens[call.token]
    ending = user.endings.get(call.id)
    if call.id not in user.streams and ending is not None:
        told = [Outcome(204, user)]
        if ending.playback != token.playback:
            told += _taken_over(user, call.id, at=ending.at)
        return told

    held = _held(user, call, token, catalogue)
    if not isinstance(held, Stream):
        return held
    stopped = _stopped(user, held, now=call.now)
    allowed = [Outcome(204, stopped)]
    if not held.is_live(call.now):
        allowed = with_fences(allowed, call)
    if _may_be_refused(user, token, held, catalogue):
        allowed.append(Outcome(400, user))
    return allowed


def _stopped(user: User, stream: Stream, *, now: int) -> User:
    ending = stream.ended("stopped", now=now)
    return user.without({stream.id: ending})


def _end(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """End a stream. A server whose clock is behind may miss a later playback."""
    stream = user.streams.get(call.id)
    if stream is None:
        ending = user.endings.get(call.id)
        if ending is None:
            return [Outcome(404, user)]
        told = [Outcome(204, user)]
        if call.playback not in (None, ending.playback):
            told += _taken_over(user, call.id, at=ending.at)
        return told

    if call.playback not in (None, stream.playback):
        return _taken_over(user, call.id, at=stream.started_at)

    stopped = _stopped(user, stream, now=call.now)
    allowed = [Outcome(204, stopped)]
    if not stream.is_live(call.now):
        allowed = with_fences(allowed, call)
    if call.playback is None and stream.started_at > call.now:
        allowed.append(Outcome(204, user))
    return allowed


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
        allowed.append(Outcome(200, user.without(endings), facts))
    return allowed if streams != earlier else allowed[:1]


def _endings(streams: list[Stream], reason: str, *, now: int) -> dict[str, Ending]:
    return {stream.id: stream.ended(reason, now=now) for stream in streams}


def _set_limit(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Store a limit or a plan.

    With `endSurplus`, the streams end that could not have started. A suspension ends
    expired streams too; another surplus may.
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
    ghosts = user.ghosts(call.now)
    endings_of_ghosts = {ghost.id: ghost.expired for ghost in ghosts}

    endings = {}
    if call.ends_surplus:
        reason = "stopped" if plan.limit else "suspended"
        surplus = _surplus(user, plan, now=call.now)
        endings = _endings(surplus, reason, now=call.now)
        facts["ended"] = [stream.id for stream in surplus]

    without_ghosts = after.without(endings | endings_of_ghosts)
    allowed = [Outcome(200, without_ghosts, facts)]
    is_suspension = call.ends_surplus and plan.limit == 0
    if ghosts and not is_suspension:
        with_ghosts = after.without(endings)
        allowed.append(Outcome(200, with_ghosts, facts))
    return allowed


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

    The start rate may begin at this moment, which a server that is behind notices.
    """
    erased = User(tokens=user.tokens, was_forgotten=True)
    return with_fences([Outcome(204, erased)], call)


def _read(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    stream = user.streams.get(call.id)
    if stream is None:
        return _over(user, call, playback=None)
    if not stream.is_live(call.now):
        return [Outcome(410, user, stream.expired.facts)]
    return [Outcome(200, user, _facts_of_player(stream))]


def _list(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    plan = user.effective_plan(catalogue, call.granted)
    live = user.live(call.now)
    over = dict(user.endings)
    for ghost in user.ghosts(call.now):
        over[ghost.id] = ghost.expired

    facts = {
        "plan": plan.name,
        "limit": plan.limit,
        "active": len(live),
        "available": max(0, plan.limit - len(live)),
        "streams": [_facts_of_player(stream) for stream in live],
        "over": _facts_of_endings(over),
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


def _facts_of_player(stream: Stream) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": stream.id,
        "startedAt": stream.started_at,
        "expiresAt": stream.expires_at,
        "pausedAt": stream.paused_at or None,
    }
    if stream.epoch is not None:
        facts["epoch"] = stream.epoch
    return facts


type Verb = Callable[[User, Call, Catalogue], list[Outcome]]

VERBS: Mapping[str, Verb] = {
    "start": start,
    "dry run": dry_run,
    "heartbeat": _heartbeat,
    "stop": _stop,
    "end": _end,
    "end all": _end_all,
    "set limit": _set_limit,
    "clear limit": _clear_limit,
    "forget": _forget,
    "read": _read,
    "list": _list,
    "get limit": _get_limit,
}

"""The calls of a player with its token: heartbeats and stops."""

from tests.contract import grace
from tests.contract.catalogue import Catalogue, Plan, fits
from tests.contract.holders import held, may_be_refused, stopped, taken_over
from tests.contract.state import Call, Outcome, Stream, Token, User, with_fences


def heartbeat(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a heartbeat may be answered."""
    token = user.tokens[call.token]
    if token.grace_start is not None:
        judged = grace.judged(user, call, token, catalogue)
        if judged is not None:
            return judged

    stream = held(user, call, token, catalogue)
    if not isinstance(stream, Stream):
        return stream
    return renewals(user, call, token, stream, catalogue)


def renewals(
    user: User, call: Call, token: Token, stream: Stream, catalogue: Catalogue
) -> list[Outcome]:
    """Return the answers to the heartbeat of a stream's holder."""
    allowed = []
    if may_be_refused(user, token, stream, call, catalogue):
        allowed.append(Outcome(400, user))

    plan = user.effective_plan(catalogue, stream.granted)
    live = user.live(call.now)
    others = [other for other in live if other.id != stream.id]
    has_room = fits(plan, stream.attributes, others)
    paused_at = 0
    if call.is_paused:
        paused_at = stream.paused_at or call.now

    expiries = _expiries(token, plan, others, call, paused_at=paused_at)
    for expires_at in expiries:
        may_revive = call.now < expires_at and has_room
        if not stream.is_live(call.now) and not may_revive:
            allowed.append(Outcome(410, user, stream.expired.facts))
            continue

        renewed = _renewed(
            stream,
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
        facts = facts_of_player(renewed) | {"isDueInTime": True, "isGrace": False}
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
    stream: Stream, token: Token, expires_at: int, *, paused_at: int, call: Call
) -> Stream:
    """Return the stream after a heartbeat. Its expiry never moves back."""
    changes = stream.__dict__ | {
        "expires_at": max(stream.expires_at, expires_at),
        "paused_at": paused_at,
    }
    if not stream.is_live(call.now):
        changes |= {"revived_by": token.expires_at, "revived_to": expires_at}
    return Stream(**changes)


def stop(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a stop may be answered."""
    token = user.tokens[call.token]
    if token.grace_start is not None and grace.is_unseen(user, call.id, token):
        return [Outcome(204, grace.stopped_unseen(user, call, token))]

    ending = user.endings.get(call.id)
    if call.id not in user.streams and ending is not None:
        told = [Outcome(204, user)]
        if ending.playback != token.playback:
            told += taken_over(user, call.id, at=ending.at)
        return told

    stream = held(user, call, token, catalogue)
    if not isinstance(stream, Stream):
        return stream
    allowed = [Outcome(204, stopped(user, stream, now=call.now))]
    if not stream.is_live(call.now):
        allowed = with_fences(allowed, call)
    if may_be_refused(user, token, stream, call, catalogue):
        allowed.append(Outcome(400, user))
    return allowed


def facts_of_player(stream: Stream) -> dict[str, object]:
    """Return the facts of a stream in an answer."""
    facts: dict[str, object] = {
        "id": stream.id,
        "startedAt": stream.started_at,
        "expiresAt": stream.expires_at,
        "pausedAt": stream.paused_at or None,
    }
    if stream.epoch is not None:
        facts["epoch"] = stream.epoch
    return facts

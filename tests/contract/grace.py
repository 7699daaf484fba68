"""Grace leases (docs/operating.md, "Closed or open"): in an outage and afterwards.

A call in an outage has two parts. The process answers it alone, from its memory and
the token. Its request to the store may take effect later, like that of a call that was
answered 503.
"""

from collections.abc import Mapping
from dataclasses import replace

from tests.contract import heartbeats
from tests.contract.catalogue import Catalogue
from tests.contract.starts import start
from tests.contract.state import (
    Call,
    Ending,
    Outcome,
    Remembered,
    Stream,
    Token,
    User,
)

DECIDED = {"isDecided": True}
"""The fact of a 503 that the process itself decided on."""


# --- in the outage ----------------------------------------------------------------


def start_in_outage(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a start is answered while the store is silent."""
    memory = _live(user.memory, call.now)
    limit = catalogue.grace_streams
    if call.granted.limit is not None:
        limit = min(limit, call.granted.limit)

    burst_ms = (catalogue.burst - 1) * catalogue.interval_ms
    is_too_early = call.now < user.memory_paid_until - burst_ms
    has_room = call.id in memory or len(memory) < limit
    if limit == 0 or not has_room or is_too_early:
        return [Outcome(503, user.changed(memory=memory), DECIDED)]

    plan = catalogue.find(call.granted.plan)
    default = catalogue.find(None)
    expires_at = call.now + plan.lease_ms
    token = Token(
        playback=call.number,
        expires_at=expires_at,
        lease_ms=default.lease_ms,
        epoch=call.epoch,
        grace_start=call,
    )
    lease = Remembered(call.number, call.now, expires_at, paused_at=0)
    after = user.changed(
        memory={**memory, call.id: lease},
        memory_paid_until=max(user.memory_paid_until, call.now) + catalogue.interval_ms,
        tokens={**user.tokens, call.number: token},
    )
    facts = {
        "id": call.id,
        "startedAt": call.now,
        "expiresAt": expires_at,
        "pausedAt": None,
        "isDueInTime": True,
        "isGrace": True,
    }
    return [Outcome(201, after, facts)]


def heartbeat_in_outage(user: User, call: Call, catalogue: Catalogue) -> list[Outcome]:
    """Return what a heartbeat is answered while the store is silent."""
    token = user.tokens[call.token]
    memory = _live(user.memory, call.now)
    newer = memory.get(call.id)
    if newer is not None and newer.playback > token.playback:
        ending = Ending("taken-over", newer.started_at, call.id, 0)
        return [Outcome(410, user, ending.facts)]
    if call.now >= token.expires_at:
        return [Outcome(503, user, DECIDED)]

    default = catalogue.find(None)
    expires_at = max(token.expires_at, call.now + default.lease_ms)
    paused_at = 0
    if call.is_paused:
        paused_at = (newer.paused_at if newer else 0) or call.now

    started_at = newer.started_at if newer else 0
    lease = Remembered(token.playback, started_at, expires_at, paused_at)
    renewed = replace(token, expires_at=expires_at)
    after = user.changed(
        memory={**memory, call.id: lease},
        tokens={**user.tokens, call.number: renewed},
    )
    facts = {
        "id": call.id,
        "expiresAt": expires_at,
        "pausedAt": paused_at or None,
        "isDueInTime": True,
        "isGrace": True,
    }
    return [Outcome(200, after, facts)]


def _live(memory: Mapping[str, Remembered], now: int) -> dict[str, Remembered]:
    return {id: lease for id, lease in memory.items() if now < lease.expires_at}


# --- afterwards -------------------------------------------------------------------


def is_unseen(user: User, id: str, token: Token) -> bool:
    """Return whether the store knows only earlier playbacks of an id."""
    stream = user.streams.get(id)
    ending = user.endings.get(id)
    is_known = False
    if stream is not None:
        is_known = not _is_earlier(stream.playback, stream.epoch, token)
    if ending is not None:
        is_earlier = _is_earlier(ending.playback, ending.epoch, token)
        is_known |= not is_earlier or _is_fence(ending, token)
    return not is_known


def stopped_unseen(user: User, call: Call, token: Token) -> User:
    """Return the user after the stop of a grace lease that the store never saw."""
    ending = Ending("stopped", call.now, None, token.playback, token.epoch)
    return user.without({call.id: ending}, now=call.now)


def judged(
    user: User, call: Call, token: Token, catalogue: Catalogue
) -> list[Outcome] | None:
    """Return the answers to the first heartbeat of a grace lease after an outage.

    None means that it is one like any other.
    """
    stream = user.streams.get(call.id)
    is_own = stream is not None and stream.playback == token.playback
    is_grace_live = call.now < token.expires_at

    if is_own and is_grace_live:
        assert stream is not None
        if not stream.is_live(call.now):
            return _admissions(user, call, token, catalogue)
        renewed = heartbeats.renewals(user, call, token, stream, catalogue)
        return [outcome for outcome in renewed if outcome.status == 200]
    if is_own:
        return None

    has_later = stream is not None and not _is_earlier(
        stream.playback, stream.epoch, token
    )
    if has_later or not (stream or is_unseen(user, call.id, token)):
        return None
    if is_grace_live:
        return _admissions(user, call, token, catalogue)
    expired = Ending("expired", token.expires_at, None, token.playback)
    return [Outcome(410, user, expired.facts)]


def _admissions(
    user: User, call: Call, token: Token, catalogue: Catalogue
) -> list[Outcome]:
    """Return the answers to a grace lease that is judged like a start."""
    assert token.grace_start is not None
    request = replace(token.grace_start, now=call.now, epoch=None, replaces=())
    allowed = []
    for outcome in start(user, request, catalogue, is_grace=True):
        if outcome.status == 409:
            ending = Ending("over-limit", call.now, None, token.playback)
            allowed.append(Outcome(410, outcome.user, ending.facts))
            continue

        stream = outcome.user.streams[call.id]
        known = replace(stream, epoch=None)
        plan = user.effective_plan(catalogue, stream.granted)
        if call.is_paused:
            known = _paused(known, call, paused_ms=plan.paused_ms)
        after = outcome.user.changed(tokens=user.tokens)
        after = after.with_stream(known)
        after = after.with_token(call.number, known, lease_ms=plan.lease_ms)
        facts = heartbeats.facts_of_player(known)
        facts |= {"isDueInTime": True, "isGrace": False}
        allowed.append(Outcome(200, after, facts))
    return allowed


def _paused(stream: Stream, call: Call, *, paused_ms: int) -> Stream:
    expires_at = max(stream.expires_at, call.now + paused_ms)
    return replace(stream, paused_at=call.now, expires_at=expires_at)


def _is_earlier(playback: int, epoch: int | None, token: Token) -> bool:
    """Return whether a playback began before the one of a grace lease."""
    if epoch is not None and token.epoch is not None:
        return epoch < token.epoch
    return playback < token.playback


def _is_fence(ending: Ending, token: Token) -> bool:
    """Return whether an operator ended the slot after a grace lease began in it."""
    assert token.grace_start is not None
    return ending.fenced_at >= token.grace_start.now

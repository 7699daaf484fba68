"""The use cases. Views and commands call these and nothing beneath. Each takes one context, asks the store for the
rule's decision, records what came of it, and issues the token where a player gets one."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Unpack

from django.conf import settings

from streams import audit, edge_tokens, events, rules, tokens
from streams.errors import (
    StoreContended,
    StoreThrottled,
    StoreUnavailable,
    StreamLimitReached,
    StreamsError,
    TooManyStarts,
)
from streams.rules import EPOCHS_A_MS, Account, Asked, Ending, Hold, Lease, Policy, Reason, StartRequest, WhenFull
from streams.storage.store import StreamStore

store = StreamStore(
    policy=Policy(
        limit=settings.STREAM_LIMIT,
        lease_ms=settings.LEASE_SECONDS * 1000,
        when_full=WhenFull(settings.WHEN_FULL),
        mint_burst=settings.MINT_BURST,
        mint_interval_ms=settings.MINT_INTERVAL_MS,
    )
)

REFUSALS: Mapping[type[StreamsError], str] = {
    StreamLimitReached: "denied",
    TooManyStarts: "too-many-starts",
    StoreContended: "contended",
    StoreUnavailable: "unavailable",
    StoreThrottled: "throttled",
}
"""Refusals that are recorded, and as what. The others are a caller's mistakes, or endings that were recorded before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A call: for which user, at what instant (ms since 1970 UTC), the limit that the caller's own bearer token
    grants, which goes before every other, and the name of the operator who calls, None for the user's own viewer."""

    user_id: str
    now: int
    entitlement: int | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """A user's stream as its own player gets it, with the token for its next heartbeat or its stop, and the one for
    who serves what it plays."""

    user_id: str
    lease: Lease
    token: str
    edge_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The live streams of a user, oldest first, the last that are over, newest first, and the policy that they are
    counted by. `is_default` says whether no operator set a limit of the user's own."""

    streams: list[Lease]
    policy: Policy
    is_default: bool
    ended: list[tuple[str, Ending]] = field(default_factory=list)


def start(context: Context, asked: Asked) -> Playing:
    """Admit one more stream, or raise `StreamLimitReached` or `TooManyStarts`."""
    request = StartRequest(
        **{name: getattr(asked, name) for name in Asked.__slots__},
        epoch=context.now * EPOCHS_A_MS + secrets.randbelow(EPOCHS_A_MS),
        nonce=secrets.token_urlsafe(4),
        entitlement=context.entitlement,
    )
    with _recording_refusals(context.now, user=context.user_id, id=asked.id, deviceType=asked.device_type):
        admission = store.start(context.user_id, request, now=context.now)
    lease = admission.lease
    _record("took-over" if lease.took_over else "admitted", context.user_id, lease, now=context.now)
    for id, ending in admission.ended.items():
        by = ending.by and f"stream {ending.by}"
        _record_end(context, id, ending.reason, by=by, at=ending.at)
    return _playing(context.user_id, lease, now=context.now)


def renew(token: str, *, user_id: str | None, id: str, now: int) -> Playing:
    """Keep a stream alive by its player's token, or raise `InvalidToken`, `StreamEnded` or `StreamNotFound`."""
    play = tokens.verify(token, user_id=user_id, id=id)
    with _recording_refusals(now, user=play.user_id, id=id):
        lease = store.renew(play.user_id, id, hold=play.hold, now=now)
    _record("revived" if lease.revived_to == lease.expires_at else "renewed", play.user_id, lease, now=now)
    return _playing(play.user_id, lease, now=now)


def stop(token: str, *, user_id: str | None, id: str, now: int) -> None:
    """End a stream by its player's token: that playback, and no later one in its slot. Raise `InvalidToken`,
    `StreamEnded` (the slot changed hands) or `StreamNotFound`."""
    play = tokens.verify(token, user_id=user_id, id=id)
    _stop(Context(user_id=play.user_id, now=now), id, hold=play.hold, by="player")


def end(context: Context, id: str, *, epoch: int | None = None) -> None:
    """End a stream, whoever holds its slot, or only the playback with this epoch. Raise `StreamEnded` (the slot changed
    hands) or `StreamNotFound`."""
    reason = _stop(context, id, hold=None if epoch is None else Hold(epoch=epoch), by=context.operator or "viewer")
    if context.operator:
        _audit(context, "stream.stop", before="live" if reason is Reason.STOPPED else "over", after="over", id=id)


def end_all(context: Context, *, keep: str | None = None) -> list[str]:
    """End every stream of the user but one; the ids of those that were live, oldest first."""
    with _recording_refusals(context.now, user=context.user_id):
        ended = store.end_all(context.user_id, keep=keep, now=context.now)
    for id in ended:
        _record_end(context, id, Reason.STOPPED, by=context.operator or "viewer")
    if context.operator:
        _audit(context, "streams.stop", before=ended, after=[])
    return ended


def forget(context: Context) -> None:
    """Drop everything kept of the user: streams, endings, limit."""
    with _recording_refusals(context.now, user=context.user_id):
        store.forget(context.user_id, now=context.now)
    events.record("forgotten", now=context.now, user=context.user_id, by=context.operator)
    _audit(context, "user.forget", before="known", after="forgotten")


def read(context: Context, id: str) -> Lease:
    """One live stream, or raise `StreamEnded` or `StreamNotFound`."""
    return rules.read(_account(context), id, now=context.now)


def listing(context: Context) -> Listing:
    """Who holds the slots of a user, and which policy holds for this call."""
    account = _account(context)
    return Listing(
        streams=account.live(context.now),
        ended=account.endings(context.now),
        policy=account.policy(store.policy, context.entitlement),
        is_default=account.limit is None and context.entitlement is None,
    )


def set_limit(context: Context, *, limit: int, when_full: WhenFull) -> Listing:
    """Override the default limit of one user, from the next start on. Live streams stay."""
    with _recording_refusals(context.now, user=context.user_id):
        before = store.set_limit(context.user_id, limit=limit, when_full=when_full, now=context.now)
    kind = "limit-set" if limit else "suspended"
    events.record(kind, now=context.now, user=context.user_id, limit=limit, by=context.operator)
    _audit(context, "limit.set", before=_override(before), after={"limit": limit, "whenFull": when_full})
    return Listing(streams=[], policy=Policy(limit=limit, when_full=when_full, lease_ms=0), is_default=False)


def clear_limit(context: Context) -> None:
    """Go back to the default limit; harmless when there was no override."""
    with _recording_refusals(context.now, user=context.user_id):
        before = store.clear_limit(context.user_id, now=context.now)
    events.record("limit-cleared", now=context.now, user=context.user_id, by=context.operator)
    _audit(context, "limit.clear", before=_override(before), after=None)


def edge_keys() -> list[Any]:
    """The public keys that edge tokens verify with, as JWKs."""
    return edge_tokens.published()


def ping(*, now: int) -> None:
    """Raise `StoreUnavailable` unless DynamoDB answers for the table. Asks for an item, which is all that the service
    is allowed to do in production."""
    store.read("readyz", now=now)


def _playing(user_id: str, lease: Lease, *, now: int) -> Playing:
    edge_token = edge_tokens.issue(user_id, lease, now=now)
    return Playing(user_id=user_id, lease=lease, token=tokens.issue(user_id, lease), edge_token=edge_token)


def _stop(context: Context, id: str, *, hold: Hold | None, by: str) -> Reason | None:
    with _recording_refusals(context.now, user=context.user_id, id=id):
        reason = store.stop(context.user_id, id, hold=hold, now=context.now)
    if reason:
        _record_end(context, id, reason, by=by if reason is Reason.STOPPED else None)
    return reason


def _record(kind: str, user_id: str, lease: Lease, *, now: int) -> None:
    device_type, expires_at = lease.device_type, lease.expires_at
    events.record(kind, now=now, user=user_id, id=lease.id, deviceType=device_type, expiresAt=expires_at)


def _record_end(context: Context, id: str, reason: Reason, *, by: str | None, at: int | None = None) -> None:
    kind, user, now = "stopped" if by == "player" else "ended", context.user_id, context.now
    events.record(kind, now=now, user=user, id=id, reason=reason, by=by, expiresAt=at)


def _audit(context: Context, action: str, *, before: Any, after: Any, **what: str) -> None:
    audit.record(action, by=context.operator, user_id=context.user_id, before=before, after=after, **what)


def _override(account: Account | None) -> dict[str, Any] | None:
    """The limit that an operator had set."""
    if account is None or account.limit is None:
        return None
    return {"limit": account.limit, "whenFull": account.when_full}


def _account(context: Context) -> Account:
    with _recording_refusals(context.now, user=context.user_id):
        return store.read(context.user_id, now=context.now)


@contextmanager
def _recording_refusals(now: int, **facts: Unpack[events.EventFacts]) -> Iterator[None]:
    try:
        yield
    except StreamsError as refusal:
        if isinstance(refusal, StreamLimitReached):
            facts |= {"limit": refusal.limit, "holders": refusal.holders}
        if outcome := REFUSALS.get(type(refusal)):
            events.record(outcome, now=now, **facts)
        raise

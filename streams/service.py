"""The use cases. Views and commands call these and nothing beneath. Each takes one context, asks the store for the
rule's decision, records what came of it, and issues the token where a player gets one."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from streams import audit, events, grace, rules, tokens
from streams.errors import (
    StoreContended,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    StreamsError,
)
from streams.rules import EPOCHS_A_MS, Account, Asked, Ending, Hold, Lease, Policy, Reason, StartRequest, WhenFull
from streams.storage.store import StreamStore

store = StreamStore(
    policy=Policy(
        limit=settings.STREAM_LIMIT,
        lease_ms=settings.LEASE_SECONDS * 1000,
        when_full=WhenFull(settings.WHEN_FULL),
    )
)

REFUSALS: Mapping[type[StreamsError], str] = {
    StreamLimitReached: "denied",
    StoreContended: "contended",
    StoreUnavailable: "unavailable",
    StoreDown: "unavailable",
    StoreThrottled: "unavailable",
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


@dataclass(frozen=True, slots=True)
class Playing:
    """A user's stream as its own player gets it, with the token for its next heartbeat or its stop. `is_grace` says
    that the store does not know of the lease."""

    user_id: str
    lease: Lease
    token: str
    is_grace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The live streams of a user, oldest first, and the policy that they are counted by. `is_default` says whether no
    operator set a limit of the user's own."""

    streams: list[Lease]
    policy: Policy
    is_default: bool


def start(context: Context, asked: Asked) -> Playing:
    """Admit one more stream, or raise `StreamLimitReached`. While the store is down, perhaps by a grace lease."""
    request = StartRequest(
        **{name: getattr(asked, name) for name in Asked.__slots__},
        epoch=context.now * EPOCHS_A_MS + secrets.randbelow(EPOCHS_A_MS),
        nonce=secrets.token_urlsafe(4),
        entitlement=context.entitlement,
    )
    try:
        with _recording_refusals(context.now):
            admission = store.start(context.user_id, request, now=context.now)
    except StoreDown:
        lease = request.lease(now=context.now, policy=store.policy)
        if not grace.may_start(context.user_id, lease, now=context.now):
            raise
        events.record("grace-started", now=context.now)
        return Playing(context.user_id, lease, tokens.issue(context.user_id, lease, grace=request), is_grace=True)
    events.record("admitted", *admission.ended, now=context.now)
    return _playing(context.user_id, admission.lease)


def renew(token: str, *, user_id: str | None, id: str, now: int) -> Playing:
    """Keep a stream alive by its player's token, or raise `InvalidToken`, `StreamEnded` or `StreamNotFound`. While the
    store is down, perhaps by the token alone."""
    play = tokens.verify(token, user_id=user_id, id=id)
    try:
        with _recording_refusals(now):
            known = _admit if play.request.is_grace else _renew
            lease = known(play, now=now)
    except StoreDown:
        lease = play.request.lease(now=play.request.epoch // EPOCHS_A_MS, policy=store.policy)
        lease = replace(lease, expires_at=max(play.expires_at, now + store.policy.lease_ms))
        if play.expires_at <= now or not grace.may_go_on(play.user_id, lease, now=now):
            raise
        events.record("grace-renewed", now=now)
        token = tokens.issue(play.user_id, lease, grace=play.request if play.request.is_grace else None)
        return Playing(play.user_id, lease, token, is_grace=True)
    events.record("renewed", now=now)
    return _playing(play.user_id, lease)


def _renew(play: tokens.Play, *, now: int) -> Lease:
    return store.renew(play.user_id, play.request.id, hold=play.hold, now=now)


def _admit(play: tokens.Play, *, now: int) -> Lease:
    """Judge a grace lease like a start of its own id, now that the store answers. Past its end, it lives only where a
    heartbeat whose answer was lost has done so. Raise `StreamEnded`."""
    try:
        if play.expires_at <= now:
            return _renew(play, now=now)
        admission = store.start(play.user_id, play.request, now=now)
    except (StreamLimitReached, StreamNotFound) as exc:
        events.record("grace-refused", now=now)
        over_limit = Ending(reason=Reason.OVER_LIMIT, at=now)
        expired = Ending(reason=Reason.EXPIRED, at=play.expires_at)
        raise StreamEnded(over_limit if isinstance(exc, StreamLimitReached) else expired) from exc
    events.record("grace-admitted", *admission.ended, now=now)
    return admission.lease


def stop(token: str, *, user_id: str | None, id: str, now: int) -> None:
    """End a stream by its player's token: that playback, and no later one in its slot. Raise `InvalidToken`,
    `StreamEnded` (the slot changed hands) or `StreamNotFound`."""
    play = tokens.verify(token, user_id=user_id, id=id)
    _stop(play.user_id, id, hold=play.hold, now=now)


def end(context: Context, id: str, *, epoch: int | None = None) -> None:
    """End a stream, whoever holds its slot, or only the playback with this epoch. Raise `StreamEnded` (the slot changed
    hands) or `StreamNotFound`."""
    reason = _stop(context.user_id, id, hold=None if epoch is None else Hold(epoch=epoch), now=context.now)
    if context.operator:
        _audit(context, "stream.stop", before="live" if reason is Reason.STOPPED else "over", after="over", id=id)


def end_all(context: Context, *, keep: str | None = None) -> list[str]:
    """End every stream of the user but one; the ids of those that were live, oldest first."""
    with _recording_refusals(context.now):
        ended = store.end_all(context.user_id, keep=keep, now=context.now)
    events.record(*["stopped"] * len(ended), now=context.now)
    if context.operator:
        _audit(context, "streams.stop", before=ended, after=[])
    return ended


def forget(context: Context) -> None:
    """Drop everything kept of the user: streams, endings, limit."""
    with _recording_refusals(context.now):
        store.forget(context.user_id, now=context.now)
    _audit(context, "user.forget", before="known", after="forgotten")


def read(context: Context, id: str) -> Lease:
    """One live stream, or raise `StreamEnded` or `StreamNotFound`."""
    return rules.read(_account(context), id, now=context.now)


def listing(context: Context) -> Listing:
    """Who holds the slots of a user, and which policy holds for this call."""
    account = _account(context)
    return Listing(
        streams=account.live(context.now),
        policy=account.policy(store.policy, context.entitlement),
        is_default=account.limit is None and context.entitlement is None,
    )


def set_limit(context: Context, *, limit: int, when_full: WhenFull) -> Listing:
    """Override the default limit of one user, from the next start on. Live streams stay."""
    with _recording_refusals(context.now):
        before = store.set_limit(context.user_id, limit=limit, when_full=when_full, now=context.now)
    _audit(context, "limit.set", before=_override(before), after={"limit": limit, "whenFull": when_full})
    return Listing(streams=[], policy=Policy(limit=limit, when_full=when_full, lease_ms=0), is_default=False)


def clear_limit(context: Context) -> None:
    """Go back to the default limit; harmless when there was no override."""
    with _recording_refusals(context.now):
        before = store.clear_limit(context.user_id, now=context.now)
    _audit(context, "limit.clear", before=_override(before), after=None)


def ping(*, now: int) -> None:
    """Raise `StoreUnavailable` unless DynamoDB answers for the table. Asks for an item, which is all that the service
    is allowed to do in production."""
    store.read("readyz", now=now)


def _playing(user_id: str, lease: Lease) -> Playing:
    return Playing(user_id, lease, tokens.issue(user_id, lease))


def _stop(user_id: str, id: str, *, hold: Hold | None, now: int) -> Reason | None:
    with _recording_refusals(now):
        reason = store.stop(user_id, id, hold=hold, now=now)
    if reason:
        events.record(reason, now=now)
    return reason


def _audit(context: Context, action: str, *, before: Any, after: Any, **what: str) -> None:
    audit.record(action, by=context.operator, user_id=context.user_id, before=before, after=after, **what)


def _override(account: Account | None) -> dict[str, Any] | None:
    """The limit that an operator had set."""
    if account is None or account.limit is None:
        return None
    return {"limit": account.limit, "whenFull": account.when_full}


def _account(context: Context) -> Account:
    with _recording_refusals(context.now):
        return store.read(context.user_id, now=context.now)


@contextmanager
def _recording_refusals(now: int) -> Iterator[None]:
    try:
        yield
    except StreamsError as refusal:
        if outcome := REFUSALS.get(type(refusal)):
            events.record(outcome, now=now)
        raise

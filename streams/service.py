"""The use cases. Views and commands call these and nothing beneath. Each takes one context, asks the store for the
rule's decision, records what came of it, and issues the token where a player gets one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from streams import audit, events, rules, tokens
from streams.errors import StoreContended, StoreUnavailable, StreamLimitReached, StreamsError
from streams.rules import Account, Lease, Policy, Reason, StartRequest, WhenFull
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
    """A stream as its own player gets it. `took_over` says whether a start found its slot held by its own id."""

    lease: Lease
    token: str
    took_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The live streams of a user, oldest first, and the policy that they are counted by. `is_default` says whether no
    operator set a limit of the user's own."""

    streams: list[Lease]
    policy: Policy
    is_default: bool


def start(context: Context, request: StartRequest) -> Playing:
    """Admit one more stream, or raise `StreamLimitReached`."""
    with _recording_refusals(context):
        admission = store.start(context.user_id, replace(request, entitlement=context.entitlement), now=context.now)
    events.record("admitted", *admission.ended, now=context.now)
    return Playing(
        lease=admission.lease, token=tokens.issue(context.user_id, admission.lease), took_over=admission.took_over
    )


def renew(context: Context, id: str, token: str) -> Playing:
    """Keep a stream alive, or raise `InvalidToken`, `StreamEnded` or `StreamNotFound`."""
    epoch = tokens.verify(token, user_id=context.user_id, id=id)
    with _recording_refusals(context):
        lease = store.renew(context.user_id, id, epoch=epoch, now=context.now)
    events.record("renewed", now=context.now)
    return Playing(lease=lease, token=tokens.issue(context.user_id, lease))


def stop(context: Context, id: str, token: str | None = None) -> None:
    """End a stream: the playback that the token was issued for, or without one whoever holds the slot. Raise
    `InvalidToken`, `StreamEnded` (the slot changed hands) or `StreamNotFound`."""
    epoch = None if token is None else tokens.verify(token, user_id=context.user_id, id=id)
    with _recording_refusals(context):
        reason = store.stop(context.user_id, id, epoch=epoch, now=context.now)
    if reason:
        events.record(reason, now=context.now)
    if context.operator and token is None:
        before = "live" if reason is Reason.STOPPED else "over"
        _audit(context, "stream.stop", before=before, after="over", id=id)


def read(context: Context, id: str) -> Lease:
    """One live stream, or raise `StreamEnded` or `StreamNotFound`."""
    return rules.read(_account(context), id, now=context.now)


def listing(context: Context) -> Listing:
    """Who holds the slots of a user, and which policy holds for this call."""
    account = _account(context)
    return Listing(
        streams=account.live(context.now),
        policy=account.policy(store.policy, context.entitlement),
        is_default=account.limit is None,
    )


def set_limit(context: Context, *, limit: int, when_full: WhenFull) -> Listing:
    """Override the default limit of one user, from the next start on. Live streams stay."""
    with _recording_refusals(context):
        before = store.set_limit(context.user_id, limit=limit, when_full=when_full, now=context.now)
    _audit(context, "limit.set", before=_override(before), after={"limit": limit, "whenFull": when_full})
    return Listing(streams=[], policy=Policy(limit=limit, when_full=when_full, lease_ms=0), is_default=False)


def clear_limit(context: Context) -> None:
    """Go back to the default limit; harmless when there was no override."""
    with _recording_refusals(context):
        before = store.clear_limit(context.user_id, now=context.now)
    _audit(context, "limit.clear", before=_override(before), after=None)


def ping(*, now: int) -> None:
    """Raise `StoreUnavailable` unless DynamoDB answers for the table."""
    store.read("readyz", now=now)


def _audit(context: Context, action: str, *, before: Any, after: Any, **what: str) -> None:
    audit.record(action, by=context.operator, user_id=context.user_id, before=before, after=after, **what)


def _override(account: Account | None) -> dict[str, Any] | None:
    """The limit that an operator had set."""
    if account is None or account.limit is None:
        return None
    return {"limit": account.limit, "whenFull": account.when_full}


def _account(context: Context) -> Account:
    with _recording_refusals(context):
        return store.read(context.user_id, now=context.now)


@contextmanager
def _recording_refusals(context: Context) -> Iterator[None]:
    try:
        yield
    except StreamsError as refusal:
        if outcome := REFUSALS.get(type(refusal)):
            events.record(outcome, now=context.now)
        raise

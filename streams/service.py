"""The use cases. Views and commands call these and nothing beneath. Each takes one context, asks the store for the
rule's decision, records what came of it, and issues the token where a player gets one."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Unpack

from django.conf import settings

from streams import audit, edge_tokens, events, grace, rules, tokens
from streams.errors import (
    StoreContended,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    StreamsError,
    TooManyStarts,
)
from streams.rules import (
    EPOCHS_A_MS,
    NOTHING_GRANTED,
    Account,
    Asked,
    Ending,
    Entitlement,
    Hold,
    Lease,
    Policy,
    Reason,
    StartRequest,
)
from streams.storage.store import StreamStore

store = StreamStore(
    policy=settings.PLANS, is_shadowed=settings.SHADOW_PLANS is not None
)

ASKED = [one.name for one in fields(Asked)]
REFUSALS: Mapping[type[StreamsError], str] = {
    StreamLimitReached: "denied",
    TooManyStarts: "too-many-starts",
    StoreContended: "contended",
    StoreUnavailable: "unavailable",
    StoreDown: "unavailable",
    StoreThrottled: "throttled",
}
"""Refusals that are recorded, and as what. The others are a caller's mistakes, or endings that were recorded before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A call: for which user, at what instant (ms since 1970 UTC), what the caller's own bearer token grants,
    which goes before everything stored, the name of the operator who calls, None for the user's own viewer, and the
    network that an edge token is to be bound to."""

    user_id: str
    now: int
    entitlement: Entitlement = NOTHING_GRANTED
    operator: str | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Playing:
    """A user's stream as its own player gets it, with the token for its next heartbeat or its stop, and the one for
    who serves what it plays. `is_grace` says that the store does not know of the lease."""

    user_id: str
    lease: Lease
    token: str
    edge_token: str | None = None
    is_grace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The live streams of a user, oldest first, the last that are over, newest first, and the policy that they are
    counted by. `is_default` says whether no operator set a limit of the user's own."""

    streams: list[Lease]
    policy: Policy
    is_default: bool
    ended: list[tuple[str, Ending]] = field(default_factory=list)
    surplus: list[Lease] | None = None


def start(context: Context, asked: Asked) -> Playing:
    """Admit one more stream, or raise `StreamLimitReached` or `TooManyStarts`. While the store is down, perhaps by a
    grace lease."""
    request = _request(context, asked)
    try:
        return _start(context, request)
    except StoreDown:
        plan = rules.empty_account(context.now).policy(
            store.policy, request.entitlement
        )
        lease = request.lease(now=context.now, policy=plan)
        if not grace.may_start(context.user_id, lease, now=context.now):
            raise
        _record("grace-started", context.user_id, lease, now=context.now)
        return _playing(
            context.user_id,
            lease,
            now=context.now,
            network=context.network,
            grace=request,
            is_grace=True,
        )


def _start(context: Context, request: StartRequest) -> Playing:
    with _recording_refusals(
        context.now, user=context.user_id, id=request.id, deviceType=request.device_type
    ):
        try:
            admission = store.start(context.user_id, request, now=context.now)
        except StreamLimitReached as refusal:
            _tell_of_plans(context, request, refusal.before, is_admitted=False)
            raise
    _tell_of_plans(context, request, admission.before, is_admitted=True)
    lease = admission.lease
    plan = store.policy.plans.get(
        request.entitlement.plan or admission.plan or "", store.policy
    ).name
    kind, metadata = (
        "took-over" if lease.took_over else "admitted",
        dict(lease.metadata) or None,
    )
    _record(kind, context.user_id, lease, now=context.now, plan=plan, metadata=metadata)
    for id, ending in admission.ended.items():
        by = ending.by and f"stream {ending.by}"
        _record_end(context, id, ending.reason, by=by, at=ending.at)
    return _playing(context.user_id, lease, now=context.now, network=context.network)


def dry_run(context: Context, asked: Asked) -> tuple[Policy, list[Lease]]:
    """What a start would come to, without one: the policy that it would be admitted under and the live streams that
    would end for it, or raise `StreamLimitReached`."""
    account, request = _account(context), _request(context, asked)
    after, _ = rules.start(account, request, now=context.now, policy=store.policy)
    ended = [
        lease for lease in account.live(context.now) if lease.id not in after.leases
    ]
    return account.policy(store.policy, context.entitlement), ended


def renew(
    token: str,
    *,
    user_id: str | None,
    id: str,
    now: int,
    is_paused: bool = False,
    network: str | None = None,
) -> Playing:
    """Keep a stream alive by its player's token, playing or paused, or raise `InvalidToken`, `StreamEnded` or
    `StreamNotFound`. While the store is down, perhaps by the token alone."""
    play = tokens.verify(token, user_id=user_id, id=id)
    request = play.request
    try:
        if request.is_grace and now < play.expires_at:
            return _admit(play, now=now, network=network)
        with _recording_refusals(now, user=play.user_id, id=id):
            lease = store.renew(
                play.user_id, id, hold=play.hold, now=now, is_paused=is_paused
            )
    except StoreDown:
        began = request.lease(now=request.epoch // EPOCHS_A_MS, policy=store.policy)
        lease = replace(
            began,
            expires_at=max(play.expires_at, now + store.policy.lease_ms),
            pace=play.pace,
        )
        if play.expires_at <= now or not grace.may_go_on(play.user_id, lease, now=now):
            raise
        _record("grace-renewed", play.user_id, lease, now=now)
        start = request if request.is_grace else None
        return _playing(
            play.user_id, lease, now=now, network=network, grace=start, is_grace=True
        )
    except StreamNotFound as exc:
        if (
            request.is_grace
        ):  # nor did a heartbeat have it admitted whose answer was lost
            raise _over(play, Reason.EXPIRED, at=play.expires_at, now=now) from exc
        raise
    _record(
        "revived" if lease.revived_to == lease.expires_at else "renewed",
        play.user_id,
        lease,
        now=now,
    )
    return _playing(play.user_id, lease, now=now, network=network)


def _admit(play: tokens.Play, *, now: int, network: str | None) -> Playing:
    """Judge a grace lease like a start of its own id, now that the store answers. Raise `StreamEnded`."""
    try:
        playing = _start(
            Context(user_id=play.user_id, now=now, network=network), play.request
        )
    except StreamLimitReached as exc:
        raise _over(play, Reason.OVER_LIMIT, at=now, now=now) from exc
    _record("grace-admitted", play.user_id, playing.lease, now=now)
    return playing


def _over(play: tokens.Play, reason: Reason, *, at: int, now: int) -> StreamEnded:
    events.record(
        "grace-refused", now=now, user=play.user_id, id=play.request.id, reason=reason
    )
    return StreamEnded(Ending(reason=reason, at=at, epoch=play.request.epoch))


def stop(token: str, *, user_id: str | None, id: str, now: int) -> None:
    """End a stream by its player's token: that playback, and no later one in its slot. Raise `InvalidToken`,
    `StreamEnded` (the slot changed hands) or `StreamNotFound`."""
    play = tokens.verify(token, user_id=user_id, id=id)
    _stop(Context(user_id=play.user_id, now=now), id, hold=play.hold, by="player")


def end(context: Context, id: str, *, epoch: int | None = None) -> None:
    """End a stream, whoever holds its slot, or only the playback with this epoch. Raise `StreamEnded` (the slot changed
    hands) or `StreamNotFound`."""
    reason = _stop(
        context,
        id,
        hold=None if epoch is None else Hold(epoch=epoch),
        by=context.operator or "viewer",
    )
    if context.operator:
        _audit(
            context,
            "stream.stop",
            before="live" if reason is Reason.STOPPED else "over",
            after="over",
            id=id,
        )


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
    events.record(
        "forgotten", now=context.now, user=context.user_id, by=context.operator
    )
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
        is_default=account.limit is None
        and account.plan is None
        and context.entitlement == NOTHING_GRANTED,
    )


def set_limit(context: Context, *, end_surplus: bool = False, **given: Any) -> Listing:
    """Override the plan, limit and `when_full` of one user, from the next start on; what is not given is the plan's.
    Live streams stay, unless the surplus is to end: the listing has it."""
    with _recording_refusals(context.now, user=context.user_id):
        before, after = store.set_limit(
            context.user_id, **given, end_surplus=end_surplus, now=context.now
        )
    policy = after.policy(store.policy)
    kind, plan = "limit-set" if policy.limit else "suspended", given.get("plan")
    events.record(
        kind,
        now=context.now,
        user=context.user_id,
        limit=policy.limit,
        plan=plan,
        by=context.operator,
    )
    ended = [
        lease for lease in before.live(context.now) if lease.id not in after.leases
    ]
    for lease in ended:
        _record_end(
            context, lease.id, after.ended[lease.id].reason, by=context.operator
        )
    surplus = ended if end_surplus else None
    what = {"ended": [lease.id for lease in ended]} if end_surplus else {}
    _audit(
        context, "limit.set", before=_override(before), after=_override(after), **what
    )
    return Listing(
        streams=after.live(context.now),
        surplus=surplus,
        policy=policy,
        is_default=False,
    )


def clear_limit(context: Context) -> None:
    """Go back to the default limit; harmless when there was no override."""
    with _recording_refusals(context.now, user=context.user_id):
        before = store.clear_limit(context.user_id, now=context.now)
    events.record(
        "limit-cleared", now=context.now, user=context.user_id, by=context.operator
    )
    _audit(context, "limit.clear", before=_override(before), after=None)


def edge_keys() -> list[Any]:
    """The public keys that edge tokens verify with, as JWKs."""
    return edge_tokens.published()


def ping(*, now: int) -> None:
    """Raise `StoreUnavailable` unless DynamoDB answers for the table. Asks for an item, which is all that the service
    is allowed to do in production."""
    store.read("readyz", now=now)


def _playing(
    user_id: str,
    lease: Lease,
    *,
    now: int,
    network: str | None,
    grace: StartRequest | None = None,
    is_grace: bool = False,
) -> Playing:
    edge_token = edge_tokens.issue(user_id, lease, now=now, network=network)
    return Playing(
        user_id, lease, tokens.issue(user_id, lease, grace=grace), edge_token, is_grace
    )


def _stop(context: Context, id: str, *, hold: Hold | None, by: str) -> Reason | None:
    with _recording_refusals(context.now, user=context.user_id, id=id):
        reason = store.stop(context.user_id, id, hold=hold, now=context.now)
    if reason:
        _record_end(context, id, reason, by=by if reason is Reason.STOPPED else None)
    return reason


def _record(
    kind: str,
    user_id: str,
    lease: Lease,
    *,
    now: int,
    **facts: Unpack[events.EventFacts],
) -> None:
    facts |= {
        "user": user_id,
        "id": lease.id,
        "deviceType": lease.device_type,
        "expiresAt": lease.expires_at,
    }
    events.record(kind, now=now, **facts)


def _record_end(
    context: Context, id: str, reason: Reason, *, by: str | None, at: int | None = None
) -> None:
    kind, user, now = (
        "stopped" if by == "player" else "ended",
        context.user_id,
        context.now,
    )
    events.record(kind, now=now, user=user, id=id, reason=reason, by=by, expiresAt=at)


def _audit(
    context: Context, action: str, *, before: Any, after: Any, **what: Any
) -> None:
    audit.record(
        action,
        by=context.operator,
        user_id=context.user_id,
        before=before,
        after=after,
        **what,
    )


def _override(account: Account | None) -> dict[str, Any] | None:
    """What an operator had set."""
    if account is None or (account.limit is None and account.plan is None):
        return None
    return {"limit": account.limit, "whenFull": account.when_full} | (
        {"plan": account.plan} if account.plan else {}
    )


def _account(context: Context) -> Account:
    with _recording_refusals(context.now, user=context.user_id):
        return store.read(context.user_id, now=context.now)


def _request(context: Context, asked: Asked) -> StartRequest:
    return StartRequest(
        **{name: getattr(asked, name) for name in ASKED},
        epoch=context.now * EPOCHS_A_MS + secrets.randbelow(EPOCHS_A_MS),
        nonce=secrets.token_urlsafe(4),
        entitlement=context.entitlement,
    )


def _tell_of_plans(
    context: Context,
    request: StartRequest,
    account: Account | None,
    *,
    is_admitted: bool,
) -> None:
    """Record a plan that is not known, and where the shadow plans would have decided otherwise about the account that
    the start found: no call is made for it."""
    tell = partial(events.record, now=context.now, user=context.user_id, id=request.id)
    plan, shadow = (
        request.entitlement.plan or (account.plan if account else None),
        settings.SHADOW_PLANS,
    )
    if not store.policy.knows(plan):
        tell("unknown-plan", plan=plan)
    if shadow and account:
        try:
            rules.start(account, request, now=context.now, policy=shadow)
        except StreamLimitReached as refusal:
            if is_admitted:
                tell(
                    "shadow-denied",
                    plan=refusal.plan,
                    rule=refusal.rule_name,
                    limit=refusal.limit,
                )
        else:
            if not is_admitted:
                tell(
                    "shadow-admitted",
                    plan=account.policy(shadow, request.entitlement).name,
                )


@contextmanager
def _recording_refusals(now: int, **facts: Unpack[events.EventFacts]) -> Iterator[None]:
    try:
        yield
    except StreamsError as refusal:
        if isinstance(refusal, StreamLimitReached):
            said: events.EventFacts = {
                "plan": refusal.plan,
                "rule": refusal.rule_name,
                "holders": refusal.holders,
            }
            facts |= {"limit": refusal.limit, **said}
        if outcome := REFUSALS.get(type(refusal)):
            events.record(outcome, now=now, **facts)
        raise

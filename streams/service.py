"""The use cases: views and commands call these functions and no lower layer.

Each function takes a context, obtains the rule's decision from the store, records
the event, and issues the token for a player.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any, Unpack

from django.core.signals import setting_changed
from django.dispatch import receiver

from streams import (
    audit,
    cmcd,
    edge_tokens,
    events,
    grace,
    heartbeat_rate,
    rules,
    tickets,
    tokens,
)
from streams.cmcd import playbacks
from streams.conf import settings
from streams.errors import (
    InvalidRequest,
    ItemUnreadable,
    RequestTimedOut,
    StoreContended,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    StreamsError,
    TooManyHeartbeats,
    TooManyStarts,
)
from streams.networks import UNREADABLE, hashes_of
from streams.rules import (
    EPOCHS_PER_MS,
    NOTHING_GRANTED,
    Account,
    Admission,
    Ending,
    Entitlement,
    Hold,
    Lease,
    Pace,
    Plan,
    Plans,
    Reason,
    StartRequest,
    immutable,
)
from streams.storage.store import StreamStore
from streams.tickets import Ticket

store = StreamStore(plans=settings.PLANS, is_shadowed=settings.SHADOW_PLANS is not None)

UNOWNED_KEY = f"/readyz/{secrets.token_urlsafe(32)}"
"""The key of an item that no user has.

A path cannot contain it because of its slashes, and no token, because it is random.
"""

PLAN_SETTINGS = {
    "PLANS",
    "SHADOW_PLANS",
    "STREAM_LIMIT",
    "WHEN_FULL",
    "LEASE_SECONDS",
    "MINT_BURST",
    "MINT_INTERVAL_SECONDS",
    "EDGE_TOKEN_GRACE_SECONDS",
}
"""The settings that the store's plans are computed from."""


@receiver(setting_changed)
def _follow_settings(*, setting: str, **_: Any) -> None:
    """Give the store the current plans when a setting of plans changes."""
    global store
    if setting in PLAN_SETTINGS:
        is_shadowed = settings.SHADOW_PLANS is not None
        store = replace(store, plans=settings.PLANS, is_shadowed=is_shadowed)


EVENT_OF_ERROR: Mapping[type[StreamsError], str] = {
    StreamLimitReached: "denied",
    TooManyStarts: "too-many-starts",
    StoreContended: "contended",
    StoreUnavailable: "unavailable",
    StoreDown: "unavailable",
    StoreThrottled: "throttled",
    RequestTimedOut: "timed-out",
    ItemUnreadable: "item-unreadable",
}
"""Events of the errors that are recorded.

Other errors are mistakes of the caller, or endings that were recorded before.
"""


@immutable
class Context:
    """The circumstances of one call.

    `now` is milliseconds since 1970, UTC.
    `entitlement` comes from the caller's bearer token and takes precedence over
    stored settings.
    `operator` is the name of the calling operator, or None for the user's viewer.
    `network` is the network that an edge token is bound to, if the plans examine
    networks.
    `ticket` is the one that authenticates the viewer, if any.
    """

    user_id: str
    now: int
    entitlement: Entitlement = NOTHING_GRANTED
    operator: str | None = None
    network: str | None = None
    ticket: Ticket | None = None


@immutable
class Heartbeat:
    """A heartbeat of a player.

    `network` is the player's network as an edge token names it, and `networks` are
    its stored forms. There is none unless the plans examine networks.
    """

    now: int
    is_paused: bool = False
    network: str | None = None
    networks: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, now: int, is_paused: bool, network: str | None) -> "Heartbeat":
        """Return a heartbeat from a network, with the stored forms of the network."""
        return cls(
            now=now,
            is_paused=is_paused,
            network=network,
            networks=hashes_of(network) if network else (),
        )

    def network_of(self, lease: Lease) -> str | None:
        """Return the network that an edge token of the lease is bound to.

        It is the player's. If a rule refused the lease a place there, the lease keeps
        its place in another network, of which only the hash is known.
        """
        has_place = self.network is None or lease.network in self.networks
        return self.network if has_place else UNREADABLE


@immutable
class IssuedLease:
    """A stream as its player receives it.

    `token` authenticates the next heartbeat and the stop. `edge_token` is for the
    server that delivers the content. `is_grace` means that the store does not
    know the lease.
    """

    user_id: str
    lease: Lease
    token: str
    edge_token: str | None = None
    is_grace: bool = False


@immutable
class Listing:
    """A user's streams and the plan that counts them.

    `streams` are live, oldest first. `ended` are the last endings, newest first.
    `is_default` means that no operator changed the user's limit. `surplus` holds
    the streams that a lowered limit ended, or None if it was not asked to.
    """

    streams: list[Lease]
    plan: Plan
    is_default: bool
    ended: list[tuple[str, Ending]] = field(default_factory=list)
    surplus: list[Lease] | None = None


def start(context: Context, request: StartRequest) -> IssuedLease:
    """Admit one more stream and return it with its token.

    While the store is down, the operator may have chosen to fail open: then the
    stream receives a grace lease.

    Raises:
        StreamLimitReached, TooManyStarts, StoreUnavailable, StoreContended
        StreamEnded, StreamNotFound: the ticket of this start was used before.
    """
    request = _issue_start(context, request)
    try:
        return _start_in_store(context, request)
    except StoreDown as exc:
        issued = _start_without_store(context, request, was_sent=exc.was_sent)
        if issued is None:
            raise
        return issued


def dry_run(context: Context, request: StartRequest) -> tuple[Plan, list[Lease]]:
    """Return the plan that would admit a start, and the streams it would end.

    Raises:
        StreamLimitReached, TooManyStarts, StoreUnavailable
    """
    account = _account(context)
    request = _issue_start(context, request)

    after, _ = rules.start(account, request, now=context.now, plans=store.plans)

    live = account.live(context.now)
    ended = [lease for lease in live if lease.id not in after.leases]
    return account.effective_plan(store.plans, context.entitlement), ended


def renew(
    token: str,
    *,
    user_id: str | None,
    id: str,
    now: int,
    is_paused: bool = False,
    network: str | None = None,
) -> IssuedLease:
    """Extend a stream's lease, given its player's token.

    While the store is down, a live stream continues on its token alone if the
    operator chose to fail open.

    Raises:
        InvalidToken, TooManyHeartbeats, StreamEnded, StreamNotFound,
        StoreUnavailable, StoreContended
    """
    claims = tokens.verify(token, user_id=user_id, id=id)
    playback = (claims.user_id, id, claims.request.epoch)
    heartbeat_rate.charge(playback, is_paused=is_paused, now=now)
    beat = Heartbeat.of(now=now, is_paused=is_paused, network=network)

    try:
        if claims.request.is_grace:
            return _renew_grace_lease(claims, beat)
        return _renew_in_store(claims, beat)
    except StoreDown:
        issued = _renew_without_store(claims, beat)
        if issued is None:
            raise
        return issued


def stop(token: str, *, user_id: str | None, id: str, now: int) -> None:
    """Stop a stream, given its player's token.

    A later playback in the same slot is not affected.

    Raises:
        InvalidToken, StreamEnded (the slot changed hands), StreamNotFound
    """
    claims = tokens.verify(token, user_id=user_id, id=id)
    _stop(Context(user_id=claims.user_id, now=now), id, hold=claims.hold, by="player")


def cmcd_handle(issued: IssuedLease) -> str | None:
    """Return the handle to which the player of a stream can post CMCD.

    A grace lease has none: only the player's token carries it.
    """
    return None if issued.is_grace else cmcd.issue(issued.user_id, issued.lease)


def report(
    handle: cmcd.Handle,
    latest: cmcd.CmcdReport | None,
    *,
    now: int,
    network: str | None = None,
) -> None:
    """Renew, pause or stop a stream as its player reports.

    Most reports cost no call to DynamoDB. While the store is down, the stream goes on
    until its lease ends, and a later report revives it if its slot is unused.

    Raises:
        StreamEnded: the playback is over.
        StoreUnavailable, StoreContended
    """
    if now >= handle.valid_until:
        raise _expired(handle, at=handle.valid_until)
    claim = playbacks.claim(handle, latest, now=now) if latest else None
    if claim is None:
        return

    try:
        _apply_report(claim, now=now, network=network)
    except StreamEnded as over:
        playbacks.ended(claim, over)
        raise
    except StreamNotFound as exc:
        forgotten = _expired(handle, at=now)
        playbacks.ended(claim, forgotten)
        raise forgotten from exc
    except TooManyHeartbeats:
        playbacks.release(claim)
    except StreamsError:
        playbacks.release(claim)
        raise


def _apply_report(claim: playbacks.Claim, *, now: int, network: str | None) -> None:
    """Renew, pause or stop the stream of a claim."""
    user_id, id, epoch = claim.handle.playback
    if claim.state is cmcd.PlayerState.OVER:
        _stop(
            Context(user_id=user_id, now=now),
            id,
            hold=Hold(epoch=epoch),
            by="player",
        )
        ending = Ending(reason=Reason.STOPPED, at=now, epoch=epoch)
        playbacks.ended(claim, StreamEnded(ending))
        return

    # A state that alternates is charged like any heartbeat.
    heartbeat_rate.charge(claim.handle.playback, is_paused=False, now=now)
    is_paused = claim.state is cmcd.PlayerState.PAUSED
    beat = Heartbeat.of(now=now, is_paused=is_paused, network=network)
    hold = playbacks.hold_of(claim, now=now)
    lease = _renewed_lease(user_id, id, hold, beat)
    playbacks.renewed(claim, lease, now=now)


def _expired(handle: cmcd.Handle, *, at: int) -> StreamEnded:
    ending = Ending(reason=Reason.EXPIRED, at=at, epoch=handle.epoch)
    return StreamEnded(ending)


def end(context: Context, id: str, *, epoch: int | None = None) -> None:
    """End a stream, or only its playback with this epoch.

    Raises:
        StreamEnded (the slot changed hands), StreamNotFound
    """
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
    """End every stream except `keep` and return the ids of the live ones."""
    with _recording_refusals(context.now, user=context.user_id):
        ended = store.end_all(context.user_id, keep=keep, now=context.now)
    for id in ended:
        _record_end(context, id, Reason.STOPPED, by=context.operator or "viewer")
    if context.operator:
        _audit(context, "streams.stop", before=ended, after=[])
    return ended


def forget(context: Context, *, even_if_unreadable: bool = False) -> None:
    """Delete everything that is stored for the user.

    With `even_if_unreadable`, an item that cannot be read is replaced as well.

    Raises:
        ItemUnreadable
    """
    with _recording_refusals(context.now, user=context.user_id):
        try:
            store.forget(context.user_id, now=context.now)
        except ItemUnreadable:
            if not even_if_unreadable:
                raise
            store.repair(context.user_id, now=context.now)
    events.record(
        "forgotten", now=context.now, user=context.user_id, by=context.operator
    )
    _audit(context, "user.forget", before="known", after="forgotten")


def read_item(context: Context) -> Mapping[str, Any] | None:
    """Return the stored item of the user in DynamoDB's JSON, readable or not."""
    return store.read_item(context.user_id)


def read(context: Context, id: str) -> Lease:
    """Return a live stream.

    Raises:
        StreamEnded, StreamNotFound
    """
    return rules.read(_account(context), id, now=context.now)


def listing(context: Context) -> Listing:
    """Return the user's streams and the plan that applies to this call."""
    account = _account(context)
    has_override = account.limit is not None or account.plan is not None
    has_entitlement = context.entitlement != NOTHING_GRANTED
    return Listing(
        streams=account.live(context.now),
        ended=account.endings(context.now),
        plan=account.effective_plan(store.plans, context.entitlement),
        is_default=not has_override and not has_entitlement,
    )


def set_limit(
    context: Context, *, end_surplus: bool = False, **overrides: Any
) -> Listing:
    """Override the plan, limit and `when_full` of a user.

    The next start is judged by them. Live streams continue unless `end_surplus`
    is set; then the listing contains the streams that ended.
    """
    with _recording_refusals(context.now, user=context.user_id):
        before, after = store.set_limit(
            context.user_id, **overrides, end_surplus=end_surplus, now=context.now
        )
    plan = after.effective_plan(store.plans)
    live = before.live(context.now)
    ended = [lease for lease in live if lease.id not in after.leases]

    events.record(
        "limit-set" if plan.limit else "suspended",
        now=context.now,
        user=context.user_id,
        limit=plan.limit,
        plan=overrides.get("plan"),
        by=context.operator,
    )
    for lease in ended:
        reason = after.ended[lease.id].reason
        _record_end(context, lease.id, reason, by=context.operator)
    _audit(
        context,
        "limit.set",
        before=_override(before),
        after=_override(after),
        **({"ended": [lease.id for lease in ended]} if end_surplus else {}),
    )

    return Listing(
        streams=after.live(context.now),
        surplus=ended if end_surplus else None,
        plan=plan,
        is_default=False,
    )


def clear_limit(context: Context) -> None:
    """Remove the overrides of a user. Repeats do no harm."""
    with _recording_refusals(context.now, user=context.user_id):
        before = store.clear_limit(context.user_id, now=context.now)
    events.record(
        "limit-cleared", now=context.now, user=context.user_id, by=context.operator
    )
    _audit(context, "limit.clear", before=_override(before), after=None)


def issue_ticket(
    context: Context,
    *,
    seconds: int,
    stream_id: str | None = None,
    plan: str | None = None,
    attributes: tickets.Attributes | None = None,
) -> tuple[str, int]:
    """Return a ticket of the user, and when it expires (ms).

    It grants what the caller's bearer token grants, unless it names a plan.

    Raises:
        InvalidRequest: the ticket would be too long.
    """
    entitlement = context.entitlement
    if plan is not None:
        entitlement = Entitlement(plan=plan)

    ticket = tickets.issue(
        context.user_id,
        now=context.now,
        seconds=seconds,
        stream_id=stream_id,
        entitlement=entitlement,
        attributes=attributes,
    )
    if len(ticket) > tickets.MAX_CHARACTERS:
        raise InvalidRequest(
            ticket=(
                f"The ticket would have {len(ticket)} characters, more than "
                f"{tickets.MAX_CHARACTERS}. Shorten the user's id, streamId, plan and "
                "attributes."
            )
        )
    return ticket, context.now + seconds * 1000


def edge_keys() -> list[Any]:
    """Return the public keys of edge tokens, as JWKs."""
    return edge_tokens.public_keys()


def ping() -> None:
    """Raise `StoreUnavailable` if DynamoDB does not answer for the table.

    Reads an item, because the production role allows nothing more.
    """
    store.read_item(UNOWNED_KEY)


def _issue_lease(
    user_id: str,
    lease: Lease,
    *,
    now: int,
    network: str | None,
    grace: StartRequest | None = None,
    is_grace: bool = False,
) -> IssuedLease:
    token = tokens.issue(user_id, lease, grace=grace)
    edge_token = edge_tokens.issue(user_id, lease, now=now, network=network)
    return IssuedLease(
        user_id=user_id,
        lease=lease,
        token=token,
        edge_token=edge_token,
        is_grace=is_grace,
    )


def _stop(context: Context, id: str, *, hold: Hold | None, by: str) -> Reason | None:
    with _recording_refusals(context.now, user=context.user_id, id=id):
        reason = store.stop(context.user_id, id, hold=hold, now=context.now)
    if reason:
        stopped_by = by if reason is Reason.STOPPED else None
        _record_end(context, id, reason, by=stopped_by)
    return reason


def _record(
    kind: str,
    user_id: str,
    lease: Lease,
    *,
    now: int,
    **fields: Unpack[events.EventFields],
) -> None:
    fields |= {
        "user": user_id,
        "id": lease.id,
        "deviceType": lease.device_type,
        "deviceName": lease.device_name,
        "expiresAt": lease.expires_at,
    }
    events.record(kind, now=now, **fields)


def _record_end(
    context: Context, id: str, reason: Reason, *, by: str | None, at: int | None = None
) -> None:
    events.record(
        "stopped" if by == "player" else "ended",
        now=context.now,
        user=context.user_id,
        id=id,
        reason=reason,
        by=by,
        expiresAt=at,
    )


def _audit(
    context: Context, action: str, *, before: Any, after: Any, **details: Any
) -> None:
    audit.record(
        action,
        by=context.operator,
        user_id=context.user_id,
        before=before,
        after=after,
        **details,
    )


def _override(account: Account | None) -> dict[str, Any] | None:
    """Return an operator's overrides for the audit log."""
    if account is None or (account.limit is None and account.plan is None):
        return None
    overrides: dict[str, Any] = {"limit": account.limit, "whenFull": account.when_full}
    if account.plan:
        overrides["plan"] = account.plan
    return overrides


def _account(context: Context) -> Account:
    with _recording_refusals(context.now, user=context.user_id):
        return store.read(context.user_id, now=context.now)


def _issue_start(context: Context, request: StartRequest) -> StartRequest:
    """Return the request with its epoch and nonce and the caller's entitlement.

    A ticket gives the same epoch and nonce to all its starts.
    """
    ticket = context.ticket
    if ticket is not None:
        return replace(
            request,
            epoch=ticket.epoch,
            nonce=ticket.nonce,
            entitlement=context.entitlement,
            is_by_ticket=True,
        )

    first_epoch = context.now * EPOCHS_PER_MS
    return replace(
        request,
        epoch=first_epoch + secrets.randbelow(EPOCHS_PER_MS),
        nonce=secrets.token_urlsafe(4),
        entitlement=context.entitlement,
    )


def _record_verdicts_on_plans(
    context: Context,
    request: StartRequest,
    account: Account | None,
    *,
    is_admitted: bool,
) -> None:
    """Record an unknown plan, and a start that the shadow plans judge differently.

    `account` is the one that the start found, so no further call is needed.
    """
    stored_plan = account.plan if account else None
    plan = request.entitlement.plan or stored_plan
    if not store.plans.has(plan):
        _record_about(context, request, "unknown-plan", plan=plan)

    shadow = settings.SHADOW_PLANS
    if shadow is None or account is None:
        return

    denial = _denial_by(shadow, account, request, now=context.now)
    if denial and is_admitted:
        _record_about(
            context,
            request,
            "shadow-denied",
            plan=denial.plan,
            rule=denial.rule_name,
            limit=denial.limit,
        )
    if denial is None and not is_admitted:
        plan = account.effective_plan(shadow, request.entitlement).name
        _record_about(context, request, "shadow-admitted", plan=plan)


def _denial_by(
    plans: Plans, account: Account, request: StartRequest, *, now: int
) -> StreamLimitReached | None:
    """Return the denial of a start by other plans, or None if they admit it."""
    try:
        rules.start(account, request, now=now, plans=plans)
    except StreamLimitReached as denial:
        return denial
    return None


def _record_about(
    context: Context,
    request: StartRequest,
    kind: str,
    **fields: Unpack[events.EventFields],
) -> None:
    fields |= {"user": context.user_id, "id": request.id}
    events.record(kind, now=context.now, **fields)


# --- with the store -------------------------------------------------------------


def _start_in_store(
    context: Context, request: StartRequest, *, is_paused: bool = False
) -> IssuedLease:
    """Admit a start by the store, and record what was decided."""
    admission = _admission(context, request, is_paused=is_paused)
    lease = admission.lease
    plan = store.plans.find(request.entitlement.plan or admission.plan)

    is_repeat = request.is_by_ticket and lease.started_at < context.now
    if is_repeat:  # its first start was recorded
        return _issue_lease(
            context.user_id, lease, now=context.now, network=context.network
        )

    _record(
        "took-over" if lease.took_over else "admitted",
        context.user_id,
        lease,
        now=context.now,
        plan=plan.name,
        metadata=dict(lease.metadata) or None,
    )
    for id, ending in admission.ended.items():
        by = f"stream {ending.by}" if ending.by else ending.by
        _record_end(
            context,
            id,
            ending.reason,
            by=by,
            at=ending.at,
        )

    return _issue_lease(
        context.user_id, lease, now=context.now, network=context.network
    )


def _admission(
    context: Context, request: StartRequest, *, is_paused: bool
) -> Admission:
    """Return the store's admission; record a refusal and the verdicts on plans."""
    with _recording_refusals(
        context.now,
        user=context.user_id,
        id=request.id,
        deviceType=request.device_type,
        deviceName=request.device_name,
    ):
        try:
            admission = store.start(
                context.user_id, request, now=context.now, is_paused=is_paused
            )
        except StreamLimitReached as denial:
            before = denial.before
            _record_verdicts_on_plans(context, request, before, is_admitted=False)
            raise

    _record_verdicts_on_plans(context, request, admission.before, is_admitted=True)
    return admission


def _renew_in_store(claims: tokens.TokenClaims, beat: Heartbeat) -> IssuedLease:
    """Extend a stored lease."""
    lease = _renewed_lease(claims.user_id, claims.request.id, claims.hold, beat)
    return _issue_lease(
        claims.user_id,
        lease,
        now=beat.now,
        network=beat.network_of(lease),
    )


def _renewed_lease(user_id: str, id: str, hold: Hold, beat: Heartbeat) -> Lease:
    """Extend a stored lease, record it, and return it."""
    with _recording_refusals(beat.now, user=user_id, id=id):
        lease = store.renew(
            user_id,
            id,
            hold=replace(hold, networks=beat.networks),
            now=beat.now,
            is_paused=beat.is_paused,
        )

    is_revived = lease.revived_to == lease.expires_at
    kind = "revived" if is_revived else "renewed"
    _record(kind, user_id, lease, now=beat.now)
    return lease


# --- without the store ----------------------------------------------------------
#
#   outage      start: a grace lease        renew: on the token alone
#   afterwards  the next heartbeat of a grace lease is judged like a start


def _start_without_store(
    context: Context, request: StartRequest, *, was_sent: bool
) -> IssuedLease | None:
    """Return a stream on a grace lease, or None if the service fails closed.

    Fails open where `WHEN_STORE_IS_DOWN=open`, within the limit that this
    process can check: refusing every viewer would do more harm than a few
    streams too many for at most one lease.

    Raises:
        TooManyStarts: the user starts streams too quickly. A start that was sent
            may take effect, so it is not refused.
    """
    nothing_stored = rules.empty_account(context.now)
    plan = nothing_stored.effective_plan(store.plans, request.entitlement)
    lease = request.lease(now=context.now, lease_ms=plan.lease_ms)
    with _recording_refusals(context.now, user=context.user_id, id=request.id):
        try:
            may_start = grace.may_start(
                context.user_id,
                lease,
                start_rate=store.plans.start_rate,
                now=context.now,
            )
        except TooManyStarts:
            if not was_sent:
                raise
            may_start = False
    if not may_start:
        return None

    _record("grace-started", context.user_id, lease, now=context.now)
    return _issue_lease(
        context.user_id,
        lease,
        now=context.now,
        network=context.network,
        grace=request,
        is_grace=True,
    )


def _renew_without_store(
    claims: tokens.TokenClaims, beat: Heartbeat
) -> IssuedLease | None:
    """Extend a live stream on its token alone, or return None.

    None means that the lease has expired, or that the service fails closed.

    Raises:
        StreamEnded: a newer playback of the same id started in the outage.
    """
    request = claims.request
    now = beat.now
    lease_ms = store.plans.default.lease_ms
    started_at = request.epoch // EPOCHS_PER_MS
    paused_since = grace.paused_since(
        claims.user_id, id=request.id, epoch=request.epoch
    )
    lease = replace(
        request.lease(now=started_at, lease_ms=lease_ms),
        expires_at=max(claims.expires_at, now + lease_ms),
        paused_at=(paused_since or now) if beat.is_paused else 0,
        pace=_pace_to_judge(claims.pace),
    )

    ending = grace.ending_of(claims.user_id, lease, now=now)
    if ending is not None:
        raise StreamEnded(ending)
    is_live = now < claims.expires_at
    if not is_live or not grace.may_continue(claims.user_id, lease, now=now):
        return None

    _record("grace-renewed", claims.user_id, lease, now=now)
    return _issue_lease(
        claims.user_id,
        lease,
        now=now,
        network=beat.network,
        grace=request if request.is_grace else None,
        is_grace=True,
    )


def _pace_to_judge(pace: Pace | None) -> Pace | None:
    """Return a pace that the next heartbeat judges by the whole account.

    An operator may have lowered the limit since the pace was issued, and the token
    that carries it on shows only when its own lease ends.
    """
    return pace and pace._replace(max_stored_leases=0)


def _renew_grace_lease(claims: tokens.TokenClaims, beat: Heartbeat) -> IssuedLease:
    """Judge a grace lease, now that the store answers.

    A live grace lease is judged like a start. An expired one renews only if an
    earlier heartbeat, whose answer was lost, admitted it.

    Raises:
        StreamEnded: the user has no room for it, or it expired.
    """
    is_live = beat.now < claims.expires_at
    try:
        if is_live:
            return _admit_grace_lease(claims, beat)
        return _renew_in_store(claims, beat)
    except StreamNotFound as exc:
        raise _refuse_grace(
            claims, Reason.EXPIRED, at=claims.expires_at, now=beat.now
        ) from exc


def _admit_grace_lease(claims: tokens.TokenClaims, beat: Heartbeat) -> IssuedLease:
    """Give a grace lease its slot, or refuse it as over the limit.

    If an earlier call has given it its slot, this heartbeat is one like any other.
    """
    now = beat.now
    request = claims.request
    is_where_it_began = not beat.networks or request.network in beat.networks
    network = beat.network if is_where_it_began else UNREADABLE
    context = Context(user_id=claims.user_id, now=now, network=network)
    try:
        issued = _start_in_store(context, request, is_paused=beat.is_paused)
    except StreamLimitReached as exc:
        raise _refuse_grace(claims, Reason.OVER_LIMIT, at=now, now=now) from exc

    lease = issued.lease
    _record("grace-admitted", claims.user_id, lease, now=now)
    if lease.started_at == now:
        return issued

    hold = Hold(
        epoch=lease.epoch,
        expires_at=lease.expires_at,
        pace=lease.pace,
        networks=beat.networks,
    )
    try:
        renewed = store.renew(
            claims.user_id, lease.id, hold=hold, now=now, is_paused=beat.is_paused
        )
    except StreamNotFound:  # the user was erased since
        return _admit_grace_lease(claims, beat)
    except StoreDown as exc:  # it has answered before in this request
        raise StoreUnavailable(str(exc)) from exc
    return _issue_lease(
        claims.user_id,
        renewed,
        now=now,
        network=beat.network_of(renewed),
    )


def _refuse_grace(
    claims: tokens.TokenClaims, reason: Reason, *, at: int, now: int
) -> StreamEnded:
    """Record the refusal of a grace lease and return its error."""
    request = claims.request
    events.record(
        "grace-refused", now=now, user=claims.user_id, id=request.id, reason=reason
    )
    return StreamEnded(Ending(reason=reason, at=at, epoch=request.epoch))


# --- records --------------------------------------------------------------------


@contextmanager
def _recording_refusals(
    now: int, **fields: Unpack[events.EventFields]
) -> Iterator[None]:
    """Record an event if the block raises one of `EVENT_OF_ERROR`."""
    try:
        yield
    except StreamsError as error:
        if isinstance(error, StreamLimitReached):
            fields["limit"] = error.limit
            fields["plan"] = error.plan
            fields["rule"] = error.rule_name
            fields["holders"] = error.holders
        kind = EVENT_OF_ERROR.get(type(error))
        if kind is not None:
            events.record(kind, now=now, **fields)
        raise

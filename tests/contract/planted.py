"""Bugs that a test plants, one at a time, to show that the check finds each."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from streams import rules, serializers, service
from streams.rules import Account, Lease, Plan, Plans, renewals, starts
from streams.rules import endings as rules_of_endings
from streams.storage import statements, verbs
from streams.storage.statements import Statement
from streams.storage.store import StreamStore
from tests.contract import world
from tests.contract.deeds import DEEDS
from tests.contract.faults import MODES, ON_WRITES, QUICK

type Patch = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Bug:
    """A bug, and the scene, the modes and the calls of which pairs find it."""

    plant: Patch
    scene: str
    modes: Collection[str] = QUICK
    deeds: Collection[str] = tuple(DEEDS)


def served_with(change: Callable[[Plans], Plans]) -> Patch:
    """Return a patch that lets the service read other plans than the model."""
    return wrapping(
        world, "plans_of", lambda plans_of: lambda file: change(plans_of(file))
    )


def wrapping(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Patch:
    """Return a patch that replaces a function by one made from it."""
    return lambda: patch.object(owner, name, wrap(getattr(owner, name)))


def with_plans(plans: Plans, change: Callable[[Plan], Plan]) -> Plans:
    """Return plans in which every plan is changed."""
    named = {name: change(plan) for name, plan in plans.named.items()}
    return replace(plans, default=change(plans.default), named=named)


def one_more(plan: Plan) -> Plan:
    """Return a plan whose limit is one higher."""
    return replace(plan, limit=plan.limit + 1)


def without_rules(plan: Plan) -> Plan:
    """Return a plan without rules."""
    return replace(plan, rules=())


def without_holders(limit_reached: Any) -> Any:
    """Return a denial that lists no holder."""

    def denial(*arguments: Any, **options: Any) -> Any:
        error = limit_reached(*arguments, **options)
        error.holders = []
        return error

    return denial


def without_retry(limit_reached: Any) -> Any:
    """Return a denial without the time of a retry."""

    def denial(*arguments: Any, **options: Any) -> Any:
        error = limit_reached(*arguments, **options)
        error.retry_at = None
        return error

    return denial


def stop_of_any_playback(stop: Any) -> Any:
    """Stop the stream in the slot, even if it is a later playback."""

    def wrong(store: StreamStore, user_id: str, id: str, *, hold: Any, now: int) -> Any:
        return stop(store, user_id, id, hold=None, now=now)

    return wrong


def renewal_of_any_playback(renew: Any) -> Any:
    """Renew the stream in the slot, even if it is a later playback."""

    def wrong(store: StreamStore, user_id: str, id: str, **options: Any) -> Any:
        lease = store.read(user_id, now=options["now"]).leases.get(id)
        if lease is not None:
            options["hold"] = replace(options["hold"], epoch=lease.epoch)
        return renew(store, user_id, id, **options)

    return wrong


def pause_from_now(renew: Any) -> Any:
    """Count a pause from its last heartbeat instead of its first."""

    def wrong(account: Account, id: str, **options: Any) -> Account:
        lease = account.leases.get(id)
        if lease is not None and lease.paused_at and options.get("is_paused"):
            playing = {**account.leases, id: replace(lease, paused_at=0)}
            account = replace(account, leases=playing)
        result: Account = renew(account, id, **options)
        return result

    return wrong


def without_entitlement(effective_plan: Any) -> Any:
    """Ignore the entitlement of the viewer's bearer token."""

    def wrong(account: Account, plans: Plans, entitlement: Any = None) -> Plan:
        plan: Plan = effective_plan(account, plans)
        return plan

    return wrong


def ending_the_oldest(surplus: Any) -> Any:
    """End the oldest streams above a lowered limit instead of the newest."""

    def wrong(account: Account, plan: Plan, *, now: int) -> list[Lease]:
        count = len(surplus(account, plan, now=now))
        return account.live(now)[:count]

    return wrong


def keeping_the_limit(forget: Any) -> Any:
    """Keep an operator's limit when the user is erased."""

    def wrong(account: Account, **options: Any) -> Account:
        after: Account = forget(account, **options)
        return replace(after, limit=account.limit, plan=account.plan)

    return wrong


def never_paused(start: Any) -> Any:
    """Admit a grace lease as if its player played."""

    def wrong(context: Any, request: Any, **options: Any) -> Any:
        return start(context, request)

    return wrong


def without_grace(start: Any) -> Any:
    """Judge a grace lease like a stream that does not play yet."""

    def wrong(account: Account, request: Any, **options: Any) -> Any:
        return start(account, replace(request, is_grace=False), **options)

    return wrong


def without_renewal_after_admission(renew: Any) -> Any:
    """Return the stored lease in place of the renewed one, if no token asks for it."""

    def wrong(store: StreamStore, user_id: str, id: str, **options: Any) -> Any:
        if options["hold"].is_grace or options["hold"].pace:
            return renew(store, user_id, id, **options)
        lease = store.read(user_id, now=options["now"]).leases.get(id)
        return lease or renew(store, user_id, id, **options)

    return wrong


def told_older_ending(refuse: Any) -> Any:
    """Tell an expired grace lease that it was stopped."""

    def wrong(claims: Any, reason: Any, **options: Any) -> Any:
        told = rules.Reason.STOPPED if reason is rules.Reason.EXPIRED else reason
        return refuse(claims, told, **options)

    return wrong


def without_condition(statement_of_replace: Any) -> Any:
    """Write a judged account even if the item changed."""

    def wrong(*, is_new: bool, override: tuple[str, ...]) -> Statement:
        statement: Statement = statement_of_replace(is_new=is_new, override=override)
        if is_new:
            return statement
        condition = {"ConditionExpression": ":seen > :zero"}
        return replace(
            statement,
            expressions={**statement.expressions, **condition},
            values={**statement.values, ":zero": {"N": "0"}},
        )

    return wrong


def newest_first(oldest: Any) -> Any:
    """Order the streams that an eviction ends by their age, the newest first."""

    def wrong(place: list[Lease]) -> tuple[int, str]:
        started_at, id = oldest(place)
        return -started_at, id

    return wrong


def never_expired(last_expiry: Any) -> Any:
    """Count expired streams like live ones."""

    def wrong(place: list[Lease]) -> tuple[int, str]:
        expires_at, id = last_expiry(place)
        return expires_at + 10**9, id

    return wrong


BUGS: Mapping[str, Bug] = {
    "the limit is one higher": Bug(
        served_with(lambda plans: with_plans(plans, one_more)), "full"
    ),
    "rules are not examined": Bug(
        served_with(lambda plans: with_plans(plans, without_rules)),
        "ruled",
        deeds=("start pc with film", "end tv"),
    ),
    "starts are not charged": Bug(
        served_with(lambda plans: replace(plans, start_rate=rules.StartRate())),
        "start rate used up",
    ),
    "an eviction ends the newest stream": Bug(
        wrapping(starts, "_oldest", newest_first), "evicting"
    ),
    "a ghost blocks a start": Bug(
        wrapping(starts, "_last_expiry", never_expired), "ghosts"
    ),
    "a ghost is revived above the limit": Bug(
        lambda: patch.object(renewals, "_may_revive", lambda *a, **o: True),
        "lowered, ghost",
    ),
    "a denial lists no holders": Bug(
        wrapping(starts, "_limit_reached", without_holders), "full"
    ),
    "a denial has no Retry-After": Bug(
        wrapping(starts, "_limit_reached", without_retry), "full"
    ),
    "a takeover is answered 201": Bug(
        lambda: patch.object(Lease, "took_over", property(lambda lease: False)),
        "with room",
    ),
    "a stop frees a later playback": Bug(
        wrapping(StreamStore, "stop", stop_of_any_playback),
        "taken over",
        deeds=("zap tv", "stop tv"),
    ),
    "a heartbeat renews a later playback": Bug(
        wrapping(StreamStore, "renew", renewal_of_any_playback),
        "with room",
        deeds=("zap tv", "heartbeat tv"),
    ),
    "a pause starts again with each heartbeat": Bug(
        wrapping(rules, "renew", pause_from_now), "paused"
    ),
    "a heartbeat is relaxed without free slots": Bug(
        lambda: patch.object(renewals, "_still_applies", lambda *a, **k: True),
        "relaxed",
        MODES,
    ),
    "an entitlement is ignored": Bug(
        wrapping(Account, "effective_plan", without_entitlement), "entitled"
    ),
    "a lowered limit ends the oldest streams": Bug(
        wrapping(rules_of_endings, "_surplus", ending_the_oldest), "full"
    ),
    "an erased user keeps the limit": Bug(
        wrapping(rules, "forget", keeping_the_limit), "lowered"
    ),
    "a judged write ignores the version": Bug(
        wrapping(statements, "replace", without_condition), "full"
    ),
    "a start does not find its own write": Bug(
        lambda: patch.object(verbs.Start, "find_own_write", lambda *a: None),
        "with room",
        ON_WRITES,
        deeds=("start tv", "start pc", "stop tv", "heartbeat tv"),
    ),
    "no call finds its own write": Bug(
        lambda: patch.object(verbs.Verb, "find_own_write", lambda *a: None),
        "full",
        ON_WRITES,
    ),
    "an operator's end is not fenced": Bug(
        lambda: patch.object(
            rules_of_endings, "_fenced", lambda ending, *, now: ending
        ),
        "ghost and live",
        ("held, gave up",),
        deeds=("start tv", "end tv", "end all"),
    ),
    "a paused grace lease is admitted playing": Bug(
        wrapping(service, "_start_in_store", never_paused), "grace, paused"
    ),
    "a grace lease is refused by the start rate": Bug(
        wrapping(rules, "start", without_grace), "grace, start rate used up"
    ),
    "an admitted grace lease is not renewed": Bug(
        wrapping(StreamStore, "renew", without_renewal_after_admission),
        "grace, unanswered",
    ),
    "an expired grace lease is told an older ending": Bug(
        wrapping(service, "_refuse_grace", told_older_ending), "grace, expired"
    ),
    "a heartbeat is due after the end of a pause": Bug(
        wrapping(serializers, "_heartbeat_due_ms", lambda due: lambda *a: 20_000),
        "pause almost over",
    ),
    "a dry run starts a stream": Bug(
        lambda: patch.object(
            service,
            "dry_run",
            lambda context, request: (
                service.start(context, request),
                (service.store.plans.default, []),
            )[1],
        ),
        "with room",
    ),
}

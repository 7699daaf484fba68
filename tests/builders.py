"""Builders of the values that tests need."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from streams.rules import (
    EPOCHS_PER_MS,
    Admission,
    Entitlement,
    Hold,
    Lease,
    Plan,
    Plans,
    StartRate,
    StartRequest,
)

LEASE_MS = 60_000
NOW = 1_800_000_000_000
"""An instant (ms) for the tests whose clock is an argument."""

START_NUMBERS = itertools.count(1)


def plans_of(
    *,
    named: Mapping[str, Plan | Plans] | None = None,
    start_rate: StartRate | None = None,
    **default: Any,
) -> Plans:
    """Return plans whose default plan has three streams and a lease of a minute."""
    plans = Plans(default=Plan(limit=3, lease_ms=LEASE_MS))
    return changed(plans, named=named, start_rate=start_rate, **default)


def changed(
    plans: Plans,
    *,
    named: Mapping[str, Plan | Plans] | None = None,
    start_rate: StartRate | None = None,
    **default: Any,
) -> Plans:
    """Return the plans with these changes; `default` changes the default plan.

    Of a named plan that is given as `Plans`, the default plan is taken.
    """
    named_plans = dict(plans.named)
    for name, plan in (named or {}).items():
        named_plans[name] = plan.default if isinstance(plan, Plans) else plan

    return replace(
        plans,
        default=replace(plans.default, **default),
        named=named_plans,
        start_rate=start_rate or plans.start_rate,
    )


def asking(
    id: str,
    *,
    now: int = NOW,
    replace: Iterable[str] | Mapping[str, int | None] = (),
    entitlement: int | None = None,
    epoch: int | None = None,
    nonce: str | None = None,
    plan: str | None = None,
    **fields: Any,
) -> StartRequest:
    """Return a start that was sent at `now`.

    Each call returns another start, unless the nonce is given.
    """
    replaced = replace if isinstance(replace, Mapping) else dict.fromkeys(replace)
    return StartRequest(
        id=id,
        **{"stream_id": "film"} | fields,
        epoch=now * EPOCHS_PER_MS if epoch is None else epoch,
        nonce=nonce or f"start {next(START_NUMBERS)}",
        replace=replaced,
        entitlement=Entitlement(entitlement, plan),
    )


def held(lease: Lease) -> Hold:
    """Return the claim that the token of a lease contains."""
    return Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)


class Starting(Protocol):
    """A store, or its model."""

    def start(self, user_id: str, request: StartRequest, *, now: int) -> Admission:
        """Admit one more stream."""


def started(store: Starting, user_id: str, id: str, *, now: int) -> Lease:
    """Start a stream that was requested at the same instant; return its lease."""
    request = asking(id, now=now)
    return store.start(user_id, request, now=now).lease


def fill(store: Starting, user_id: str, *ids: str, now: int = NOW) -> dict[str, Hold]:
    """Start streams a millisecond apart and return their holds by id."""
    holds = {}
    for at, id in enumerate(ids, start=now):
        request = asking(id, now=at, nonce=f"{id} at {at}")
        admission = store.start(user_id, request, now=at)
        holds[id] = held(admission.lease)
    return holds

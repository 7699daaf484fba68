"""Builders of the values that tests need."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streams.rules import Plan, Plans, StartRate

LEASE_MS = 60_000
NOW = 1_800_000_000_000
"""An instant (ms) for the tests whose clock is an argument."""


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

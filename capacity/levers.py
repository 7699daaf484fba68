"""Changes that lower the cost, and the inputs that the cost depends on most."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from capacity.costs import Hosting, monthly_cost
from capacity.demand import Demand
from capacity.players import MAX_LEASE_SECONDS, Players
from capacity.prices import Prices

RELAXED_SECONDS = 300
SENSITIVE_INPUTS = (
    "lease_seconds",
    "starts_per_hour",
    "zap_per_hour",
    "lists_per_hour",
    "duration_ms",
    "response_bytes",
)
ESTIMATE_ONLY = "an estimate only: this project deploys a REST API"
INCREASE = 1.1
"""Each input grows by a tenth."""


@dataclass(frozen=True, slots=True)
class Lever:
    """A change, the cost of a month with it, and its disadvantage."""

    name: str
    cost: float
    disadvantage: str


@dataclass(frozen=True, slots=True)
class _Change:
    """A lever before its cost is known: players and hosting with the change."""

    name: str
    players: Players
    hosting: Hosting
    disadvantage: str


def levers(demand: Demand, prices: Prices, hosting: Hosting) -> Iterator[Lever]:
    """Yield the cost with each change alone, then with all that fit together."""
    players = demand.population
    changes = [
        *_lease_changes(players, hosting),
        *_hosting_changes(players, hosting),
        *_combined_changes(players, hosting),
    ]
    for change in changes:
        changed = Demand(change.players, demand.items)
        cost = monthly_cost(changed, prices, change.hosting)
        yield Lever(change.name, cost, change.disadvantage)


def sensitivity(demand: Demand, prices: Prices, hosting: Hosting) -> dict[str, float]:
    """Return the change of the cost, in percent, if an input grows by a tenth.

    The input with the largest effect is first.
    """
    before = monthly_cost(demand, prices, hosting)
    changes = {}
    for name in SENSITIVE_INPUTS:
        value = getattr(demand.population, name)
        increased = value * INCREASE
        if isinstance(value, int):
            increased = round(increased)
        players = dataclasses.replace(demand.population, **{name: increased})
        after = monthly_cost(Demand(players, demand.items), prices, hosting)
        changes[name] = (after / before - 1) * 100

    return dict(sorted(changes.items(), key=lambda change: -abs(change[1])))


def _relaxed(players: Players) -> Mapping[str, int]:
    relaxed = max(RELAXED_SECONDS, players.lease_seconds, players.relaxed_seconds)
    return {"relaxed_seconds": relaxed}


def _doubled(players: Players) -> Mapping[str, int]:
    return {"lease_seconds": min(MAX_LEASE_SECONDS, 2 * players.lease_seconds)}


def _lease_changes(players: Players, hosting: Hosting) -> Iterator[_Change]:
    relaxed = _relaxed(players)
    doubled = _doubled(players)
    yield _Change(
        f"relaxed leases of {relaxed['relaxed_seconds']} s",
        dataclasses.replace(players, **relaxed),
        hosting,
        "a crashed player's slot is free later, while two are free",
    )
    yield _Change(
        f"leases of {doubled['lease_seconds']} s",
        dataclasses.replace(players, **doubled),
        hosting,
        "a crashed player's slot is free later",
    )


def _hosting_changes(players: Players, hosting: Hosting) -> Iterator[_Change]:
    yield _Change(
        "provisioned units with auto-scaling",
        players,
        dataclasses.replace(hosting, is_provisioned=True),
        "a sudden crowd is throttled for minutes",
    )
    if hosting.is_traced:
        yield _Change(
            "no traces (xray_tracing)",
            players,
            dataclasses.replace(hosting, is_traced=False),
            "no traces of single requests",
        )
    yield _Change(
        "no log lines of Lambda itself",
        players,
        dataclasses.replace(hosting, logs_platform=False),
        "no REPORT lines: Lambda's log level is WARN",
    )
    yield _Change(
        "HTTP API",
        players,
        dataclasses.replace(hosting, front="http"),
        f"{ESTIMATE_ONLY}; no web ACL, no usage plans, no throttling per method",
    )
    yield _Change(
        "function URL",
        players,
        dataclasses.replace(hosting, front="url"),
        f"{ESTIMATE_ONLY}; throttling by concurrency only",
    )
    yield _Change(
        "load balancer before Lambda",
        players,
        dataclasses.replace(hosting, front="alb"),
        f"{ESTIMATE_ONLY}; bodies up to 1 MB; a web ACL is possible",
    )
    yield _Change(
        "load balancer before Fargate",
        players,
        dataclasses.replace(hosting, front="alb", compute="fargate"),
        "servers to operate: docs/scaling.md",
    )


def _combined_changes(players: Players, hosting: Hosting) -> Iterator[_Change]:
    changed = dataclasses.replace(players, **_relaxed(players), **_doubled(players))
    cheapest = dataclasses.replace(
        hosting, is_provisioned=True, logs_platform=False, is_traced=False
    )
    yield _Change(
        "all that keep Lambda",
        changed,
        dataclasses.replace(cheapest, front="url"),
        "those of each",
    )
    yield _Change(
        "all, on Fargate",
        changed,
        dataclasses.replace(cheapest, front="alb", compute="fargate"),
        "those of each",
    )

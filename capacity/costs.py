"""What a month costs, by part, at the prices of `prices.toml`, and what each lever saves."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from capacity.demand import Demand
from capacity.players import HOURS_PER_MONTH
from capacity.prices import Prices

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600

FRONTS = ("rest", "http", "alb", "url")
"""REST API, HTTP API, Application Load Balancer, function URL."""
PLATFORM_LOG_BYTES = 500
"""That Lambda writes of each request: START, END and REPORT, and the 26 bytes that CloudWatch adds to a line."""
EVENT_LOG_BYTES = 476
"""That the service writes of a decision (`EVENTS=log`, `METRICS=emf`), and the 26."""
METRICS_KEPT = 25
SNAPSHOTS_KEPT = 3
RESTORES_AN_HOUR = 0.5
"""Of each instance: how often it is made anew."""
USED_UNITS = 0.7
"""Of provisioned ones, as auto-scaling leaves them."""
BUSY_PROCESSORS = 0.5
"""Of a container, so that a zone can be lost."""
GB_A_PROCESSOR = 2
LOAD_BALANCER_UNIT = {"new": 25, "open": 3000, "gb_hour_lambda": 0.4, "gb_hour": 1.0}
TRACED_SHARE = 0.05
"""Of all requests, where Lambda's active tracing is on; it is not to be changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """How it is built and paid for. One heartbeat in `renewals_a_line` is told of (`EVENTS_SAMPLE_RENEWALS`)."""

    front: str = "rest"
    compute: str = "lambda"
    is_provisioned: bool = False
    is_traced: bool = True
    renewals_a_line: int = 20
    has_web_acl: bool = False
    logs_platform: bool = True


def month(demand: Demand, prices: Prices, choice: Choice) -> dict[str, float]:
    """Dollars a month by part."""
    people, of = demand.population, prices.of
    seconds = SECONDS_PER_MONTH * people.average
    requests = demand.requests * seconds
    parts = {_NAMES[choice.front]: _front(demand, prices, choice)}
    if choice.compute == "lambda":
        gb = people.memory_mb / 1024
        parts["Lambda: requests"] = requests * of["lambda_request"]
        parts["Lambda: duration"] = prices.tiered(
            "lambda_gb_second", requests * people.duration_ms / 1000 * gb
        )
        restores = (
            demand.instances * people.average * RESTORES_AN_HOUR * HOURS_PER_MONTH
        )
        parts["Lambda: snapshots"] = gb * (
            SNAPSHOTS_KEPT * SECONDS_PER_MONTH * of["snapshot_gb_second"]
            + restores * of["snapshot_restored_gb"]
        )
    else:
        processors = max(
            2.0,
            demand.requests
            * people.average
            * people.processor_ms
            / 1000
            / BUSY_PROCESSORS,
        )
        an_hour = of["fargate_vcpu_hour"] + GB_A_PROCESSOR * of["fargate_gb_hour"]
        parts["Fargate"] = processors * an_hour * HOURS_PER_MONTH
    if choice.is_provisioned:
        writes = (
            demand.write_units
            * people.average
            / USED_UNITS
            * of["write_capacity_hour"]
            * HOURS_PER_MONTH
        )
        reads = (
            demand.read_units
            * people.average
            / USED_UNITS
            * of["read_capacity_hour"]
            * HOURS_PER_MONTH
        )
    else:
        writes = demand.write_units * seconds * of["write_request"]
        reads = demand.read_units * seconds * of["read_request"]
    parts |= {"DynamoDB: writes": writes, "DynamoDB: reads": reads}
    parts["DynamoDB: storage, backup"] = demand.stored_gb * (
        of["storage_gb"] + of["backup_gb"]
    )
    logged = log_gb(demand, choice)
    parts["CloudWatch: logs"] = (
        prices.tiered("log_gb", logged) + logged * of["log_stored_gb"]
    )
    if choice.has_web_acl:
        parts["web ACL"] = requests * of["web_acl_request"]
    parts["CloudWatch: metrics"] = METRICS_KEPT * of["metric"]
    if choice.is_traced and choice.compute == "lambda":
        parts["X-Ray: traces"] = requests * TRACED_SHARE * of["trace"]
    parts["data out"] = prices.tiered("out_gb", requests * people.response_bytes / 1e9)
    return parts


_NAMES = {
    "rest": "API Gateway: REST API",
    "http": "API Gateway: HTTP API",
    "alb": "load balancer",
    "url": "function URL",
}


def _front(demand: Demand, prices: Prices, choice: Choice) -> float:
    """What takes the requests."""
    people = demand.population
    if choice.front == "url":
        return 0.0
    if choice.front != "alb":
        return prices.tiered(
            choice.front, demand.requests * people.average * SECONDS_PER_MONTH
        )
    passed = (
        demand.requests * (people.request_bytes + people.response_bytes) * 3600 / 1e9
    )
    kind = "gb_hour_lambda" if choice.compute == "lambda" else "gb_hour"
    starts = people.concurrent * people.starts_per_hour / 3600
    units = people.average * max(
        starts / LOAD_BALANCER_UNIT["new"],
        people.concurrent / LOAD_BALANCER_UNIT["open"],
        passed / LOAD_BALANCER_UNIT[kind],
    )
    an_hour: float = (
        prices.of["load_balancer_hour"] + units * prices.of["load_balancer_unit_hour"]
    )
    return HOURS_PER_MONTH * an_hour


def log_gb(demand: Demand, choice: Choice) -> float:
    """Of a month."""
    heartbeats = sum(
        verb.per_second
        for verb in demand.request_kinds
        if verb.name.startswith("heartbeat")
    )
    events = demand.requests - heartbeats * (1 - 1 / choice.renewals_a_line)
    platform = (
        demand.requests if choice.logs_platform and choice.compute == "lambda" else 0
    )
    a_second = events * EVENT_LOG_BYTES + platform * PLATFORM_LOG_BYTES
    return a_second * demand.population.average * SECONDS_PER_MONTH / 1e9


@dataclass(frozen=True, slots=True)
class Lever:
    """Something to change, what a month costs then, and what it is paid with."""

    what: str
    cost: float
    price: str


def levers(demand: Demand, prices: Prices, choice: Choice) -> Iterator[Lever]:
    """Each by itself; then all of them that do not exclude each other."""
    people = demand.population

    def cost(changes: Mapping[str, Any] | None = None, **choices: Any) -> float:
        changed = dataclasses.replace(people, **(changes or {}))
        built = dataclasses.replace(choice, **choices)
        return sum(month(Demand(changed, demand.items), prices, built).values())

    relaxed = {
        "relaxed_seconds": max(300, people.lease_seconds, people.relaxed_seconds)
    }
    doubled = {"lease_seconds": min(3600, 2 * people.lease_seconds)}
    quiet = {"logs_platform": False, "is_traced": False}
    yield Lever(
        "relaxed leases of 300 s",
        cost(relaxed),
        "a crashed player's slot is free later, while two are free",
    )
    yield Lever(
        f"leases of {doubled['lease_seconds']} s",
        cost(doubled),
        "a crashed player's slot is free later",
    )
    yield Lever(
        "provisioned units with auto-scaling",
        cost(is_provisioned=True),
        "a sudden crowd is throttled for minutes",
    )
    yield Lever(
        "no traces (xray_tracing)",
        cost(is_traced=False),
        "no traces of single requests",
    )
    yield Lever(
        "none of Lambda's own log lines",
        cost(logs_platform=False),
        "REPORT lines: Lambda's log level WARN",
    )
    yield Lever(
        "HTTP API",
        cost(front="http"),
        "no web ACL of its own, no usage plans, no stage throttling by method",
    )
    yield Lever(
        "function URL",
        cost(front="url"),
        "no throttling but by concurrency; CloudFront or WAF in front",
    )
    yield Lever(
        "load balancer before Lambda",
        cost(front="alb"),
        "bodies up to 1 MB; a web ACL is to be had",
    )
    yield Lever(
        "load balancer before Fargate",
        cost(front="alb", compute="fargate"),
        "servers to run: docs/scaling.md",
    )
    everything = relaxed | doubled
    yield Lever(
        "all that keep Lambda",
        cost(everything, front="url", is_provisioned=True, **quiet),
        "as each of them",
    )
    yield Lever(
        "all, on Fargate",
        cost(everything, front="alb", compute="fargate", is_provisioned=True, **quiet),
        "as each of them",
    )


SENSITIVE = (
    "lease_seconds",
    "starts_per_hour",
    "zap_per_hour",
    "lists_per_hour",
    "duration_ms",
    "response_bytes",
)


def sensitivity(demand: Demand, prices: Prices, choice: Choice) -> dict[str, float]:
    """By how many percent a month changes when one of these grows by ten."""
    before = sum(month(demand, prices, choice).values())
    found = {}
    for name in SENSITIVE:
        now = getattr(demand.population, name)
        more = round(now * 1.1) if isinstance(now, int) else now * 1.1
        changed = Demand(
            dataclasses.replace(demand.population, **{name: more}), demand.items
        )
        found[name] = (sum(month(changed, prices, choice).values()) / before - 1) * 100
    return dict(sorted(found.items(), key=lambda one: -abs(one[1])))

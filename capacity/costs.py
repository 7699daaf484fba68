"""The cost of a month by part, at the prices of `prices.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass

from capacity.demand import Demand
from capacity.players import HOURS_PER_MONTH
from capacity.prices import Prices

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600

FRONTS = {
    "rest": "API Gateway: REST API",
    "http": "API Gateway: HTTP API",
    "alb": "load balancer",
    "url": "function URL",
}
"""The ways in which requests can reach the service, and their names."""
COMPUTES = ("lambda", "fargate")
PLATFORM_LOG_BYTES = 500
"""Bytes of the lines that Lambda writes for a request: START, END and REPORT, with
the 26 bytes that CloudWatch adds to each line."""
EVENT_LOG_BYTES = 476
"""Bytes of the line of an event (`EVENTS=log`, `METRICS=emf`), with the 26 bytes."""
METRICS_KEPT = 25
SNAPSHOTS_KEPT = 3
RESTORES_PER_HOUR = 0.5
"""How often each instance is replaced by a new one."""
USED_UNITS_SHARE = 0.7
"""The share of provisioned units that is used under auto-scaling."""
BUSY_PROCESSORS_SHARE = 0.5
"""The load of containers that can lose an availability zone."""
MIN_PROCESSORS = 2.0
GB_PER_PROCESSOR = 2
LOAD_BALANCER_UNIT = {"new": 25, "open": 3000, "gb_hour_lambda": 0.4, "gb_hour": 1.0}
"""The connections per second, open connections and gigabytes per hour of one unit."""
TRACED_SHARE = 0.05
"""The share of requests that Lambda's active tracing records. It is fixed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hosting:
    """How the service is built and paid for.

    One heartbeat in `renewals_per_line` is recorded (`EVENTS_SAMPLE_RENEWALS`).
    """

    front: str = "rest"
    compute: str = "lambda"
    is_provisioned: bool = False
    is_traced: bool = False
    renewals_per_line: int = 20
    has_web_acl: bool = False
    logs_platform: bool = True

    @property
    def is_lambda(self) -> bool:
        """Whether the service runs on Lambda."""
        return self.compute == "lambda"


def cost_by_part(demand: Demand, prices: Prices, hosting: Hosting) -> dict[str, float]:
    """Return the dollars of a month by part of the service."""
    requests = requests_per_month(demand)
    parts = {FRONTS[hosting.front]: _front(demand, prices, hosting)}

    if hosting.is_lambda:
        parts |= _lambda(demand, prices)
    else:
        parts["Fargate"] = _fargate(demand, prices)

    if hosting.is_provisioned:
        parts |= _provisioned_units(demand, prices)
    else:
        parts |= _on_demand_units(demand, prices)

    stored_gb_price = prices.of["storage_gb"] + prices.of["backup_gb"]
    parts["DynamoDB: storage, backup"] = demand.stored_gb * stored_gb_price

    logged = log_gb(demand, hosting)
    stored_logs = logged * prices.of["log_stored_gb"]
    parts["CloudWatch: logs"] = prices.tiered("log_gb", logged) + stored_logs
    if hosting.has_web_acl:
        parts["web ACL"] = requests * prices.of["web_acl_request"]

    parts["CloudWatch: metrics"] = METRICS_KEPT * prices.of["metric"]
    if hosting.is_traced and hosting.is_lambda:
        parts["X-Ray: traces"] = requests * TRACED_SHARE * prices.of["trace"]

    response_gb = requests * demand.population.response_bytes / 1e9
    parts["data out"] = prices.tiered("out_gb", response_gb)

    return parts


def monthly_cost(demand: Demand, prices: Prices, hosting: Hosting) -> float:
    """Return the dollars of a month."""
    return sum(cost_by_part(demand, prices, hosting).values())


def requests_per_month(demand: Demand) -> float:
    """Return the requests of a month."""
    return demand.requests * demand.population.average * SECONDS_PER_MONTH


def log_gb(demand: Demand, hosting: Hosting) -> float:
    """Return the gigabytes that a month adds to the log."""
    heartbeats = sum(
        kind.per_second
        for kind in demand.request_kinds
        if kind.name.startswith("heartbeat")
    )
    unrecorded = heartbeats * (1 - 1 / hosting.renewals_per_line)
    events = demand.requests - unrecorded
    has_platform_lines = hosting.logs_platform and hosting.is_lambda
    platform_lines = demand.requests if has_platform_lines else 0

    per_second = events * EVENT_LOG_BYTES + platform_lines * PLATFORM_LOG_BYTES

    return per_second * demand.population.average * SECONDS_PER_MONTH / 1e9


def _front(demand: Demand, prices: Prices, hosting: Hosting) -> float:
    """Return the cost of the part that receives the requests."""
    if hosting.front == "url":
        return 0.0

    if hosting.front == "alb":
        return _load_balancer(demand, prices, hosting)

    return prices.tiered(hosting.front, requests_per_month(demand))


def _load_balancer(demand: Demand, prices: Prices, hosting: Hosting) -> float:
    """Return the cost of a load balancer. Its busiest dimension sets the units."""
    players = demand.population
    bytes_per_request = players.request_bytes + players.response_bytes
    gb_per_hour = demand.requests * bytes_per_request * 3600 / 1e9
    gb_of_unit = "gb_hour_lambda" if hosting.is_lambda else "gb_hour"

    units = players.average * max(
        demand.starts_per_second / LOAD_BALANCER_UNIT["new"],
        players.concurrent / LOAD_BALANCER_UNIT["open"],
        gb_per_hour / LOAD_BALANCER_UNIT[gb_of_unit],
    )
    unit_price: float = prices.of["load_balancer_unit_hour"]
    base_price: float = prices.of["load_balancer_hour"]

    return HOURS_PER_MONTH * (base_price + units * unit_price)


def _lambda(demand: Demand, prices: Prices) -> Mapping[str, float]:
    players = demand.population
    requests = requests_per_month(demand)
    memory_gb = players.memory_mb / 1024
    gb_seconds = requests * players.duration_ms / 1000 * memory_gb

    kept = SNAPSHOTS_KEPT * SECONDS_PER_MONTH * prices.of["snapshot_gb_second"]
    mean_instances = demand.instances * players.average
    restores = mean_instances * RESTORES_PER_HOUR * HOURS_PER_MONTH
    restored = restores * prices.of["snapshot_restored_gb"]

    return {
        "Lambda: requests": requests * prices.of["lambda_request"],
        "Lambda: duration": prices.tiered("lambda_gb_second", gb_seconds),
        "Lambda: snapshots": memory_gb * (kept + restored),
    }


def _fargate(demand: Demand, prices: Prices) -> float:
    players = demand.population
    mean_requests = demand.requests * players.average
    busy_processors = mean_requests * players.processor_ms / 1000
    processors = max(MIN_PROCESSORS, busy_processors / BUSY_PROCESSORS_SHARE)

    memory_price = GB_PER_PROCESSOR * prices.of["fargate_gb_hour"]
    hour_price: float = prices.of["fargate_vcpu_hour"] + memory_price

    return processors * hour_price * HOURS_PER_MONTH


def _provisioned_units(demand: Demand, prices: Prices) -> Mapping[str, float]:
    """Return the cost of units with auto-scaling, which are paid per hour."""
    hours = HOURS_PER_MONTH * demand.population.average / USED_UNITS_SHARE
    return {
        "DynamoDB: writes": (
            demand.write_units * hours * prices.of["write_capacity_hour"]
        ),
        "DynamoDB: reads": (
            demand.read_units * hours * prices.of["read_capacity_hour"]
        ),
    }


def _on_demand_units(demand: Demand, prices: Prices) -> Mapping[str, float]:
    """Return the cost of units that are paid per request."""
    seconds = SECONDS_PER_MONTH * demand.population.average
    return {
        "DynamoDB: writes": demand.write_units * seconds * prices.of["write_request"],
        "DynamoDB: reads": demand.read_units * seconds * prices.of["read_request"],
    }

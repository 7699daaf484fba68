"""Writes the planner's tables into `scaling.md`: `make scaling`.

Each table stands between `<!-- planned: NAME -->` and `<!-- end -->`.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from capacity.costs import Hosting
from capacity.demand import Demand, ItemSizes
from capacity.estimate import CapacityEstimate
from capacity.estimate_formats import quota_table, request_table
from capacity.players import Players
from capacity.prices import prices_of

PAGE = Path(__file__).with_suffix(".md")
MARKED = re.compile(r"<!-- planned: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
REGION = "eu-west-1"
LARGEST = 10_000_000
SIZES = [10**power for power in range(1, 8)]
SIZES_OF_MILLION = (10_000, 100_000, 1_000_000, 10_000_000)
SMALLEST_SHARE = 0.001
"""Parts of the bill below this share are left out."""
RELAXED_SECONDS = 300
CHEAPEST_ON_LAMBDA = Hosting(
    front="url", is_provisioned=True, is_traced=False, logs_platform=False
)
ON_FARGATE = Hosting(
    front="alb", compute="fargate", is_provisioned=True, is_traced=False
)

type Rows = Iterator[Sequence[str]]
type Estimate = Callable[..., CapacityEstimate]
"""Returns the estimate of a hosting and of players."""


class Way(NamedTuple):
    """A way to build the service."""

    name: str
    hosting: Hosting
    relaxed_seconds: int = 0


WAYS = (
    Way("REST API, Lambda", Hosting()),
    Way("REST API, Lambda, relaxed leases", Hosting(), RELAXED_SECONDS),
    Way(
        "function URL, Lambda, relaxed leases, provisioned units, few logs",
        CHEAPEST_ON_LAMBDA,
        RELAXED_SECONDS,
    ),
    Way("load balancer, Fargate, provisioned units", ON_FARGATE),
    Way(
        "load balancer, Fargate, provisioned units, relaxed leases",
        ON_FARGATE,
        RELAXED_SECONDS,
    ),
)


def page(items: ItemSizes) -> str:
    """Return the page with the tables of today's code."""
    prices = prices_of(REGION)

    def estimate(hosting: Hosting | None = None, **players: int) -> CapacityEstimate:
        population = Players(**{"concurrent": LARGEST} | players)
        return CapacityEstimate(Demand(population, items), prices, hosting or Hosting())

    def table(marked: re.Match[str]) -> str:
        name = marked[1]
        lines = "\n".join(TABLES[name](estimate))
        return f"<!-- planned: {name} -->\n{lines}\n<!-- end -->"

    return MARKED.sub(table, PAGE.read_text())


def _table(headings: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.2f}"


def _sizes(estimate: Estimate) -> Iterator[str]:
    def rows() -> Rows:
        for size in SIZES:
            ordinary = estimate(concurrent=size)
            cheapest = estimate(
                CHEAPEST_ON_LAMBDA, concurrent=size, relaxed_seconds=RELAXED_SECONDS
            )
            capacity = ordinary.demand.to_provision
            yield (
                f"{size:,}",
                f"{ordinary.demand.requests:,.1f}",
                f"{capacity.rate:,}",
                f"{capacity.concurrency:,}",
                f"{ordinary.demand.write_units:,.1f}",
                _dollars(ordinary.cost),
                _dollars(cheapest.cost),
            )

    headings = (
        "streams at once",
        "requests per second",
        "rate to allow",
        "instances to allow",
        "write units per second",
        "dollars a month",
        "with relaxed leases, function URL, provisioned units, few logs",
    )
    yield from _table(headings, rows())


def _requests(estimate: Estimate) -> Iterator[str]:
    table = request_table(estimate())
    rows = [row for row in table.rows if row[1] != "0.0"]
    yield from _table(table.headings, iter(rows))


def _month(estimate: Estimate) -> Iterator[str]:
    ordinary = estimate()

    def rows() -> Rows:
        parts = ordinary.cost_by_part.items()
        for name, cost in sorted(parts, key=lambda part: -part[1]):
            share = cost / ordinary.cost
            if share > SMALLEST_SHARE:
                yield name, _dollars(cost), f"{share:.1%}"
        yield "total", _dollars(ordinary.cost), ""

    yield from _table(("part", "dollars", "share"), rows())


def _quotas(estimate: Estimate) -> Iterator[str]:
    table = quota_table(estimate())
    yield from _table(table.headings, iter(table.rows))


def _levers(estimate: Estimate) -> Iterator[str]:
    ordinary = estimate()

    def rows() -> Rows:
        for lever in ordinary.levers:
            saved = 1 - lever.cost / ordinary.cost
            cost = _dollars(lever.cost)
            yield lever.name, cost, f"{saved:.0%}", lever.disadvantage

    headings = ("lever", "dollars a month", "saves", "disadvantage")
    yield from _table(headings, rows())


def _million(estimate: Estimate) -> Iterator[str]:
    """Yield the cost of a million streams that play all month, by size and way."""

    def rows() -> Rows:
        for way in WAYS:
            costs = [
                estimate(
                    way.hosting, concurrent=size, relaxed_seconds=way.relaxed_seconds
                ).cost_per_stream
                for size in SIZES_OF_MILLION
            ]
            yield way.name, *(_dollars(cost * 1e6) for cost in costs)

    sizes = [f"of {size:,} at once" for size in SIZES_OF_MILLION]
    yield from _table(("built as", *sizes), rows())


TABLES: Mapping[str, Callable[[Estimate], Iterator[str]]] = {
    "sizes": _sizes,
    "requests": _requests,
    "month": _month,
    "quotas": _quotas,
    "levers": _levers,
    "million": _million,
}


if __name__ == "__main__":
    os.environ.setdefault("DEBUG", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")
    import django

    django.setup()
    from capacity.items import typical_item_sizes

    PAGE.write_text(page(typical_item_sizes()))

"""Writes the planner's tables into `scaling.md`, each between `<!-- planned: NAME -->` and `<!-- end -->`."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from capacity import costs
from capacity.costs import Choice
from capacity.demand import Demand, ItemSizes
from capacity.estimate import CapacityEstimate
from capacity.players import Players
from capacity.prices import prices_of

PAGE = Path(__file__).with_suffix(".md")
REGION = "eu-west-1"
SIZES = [10**power for power in range(1, 8)]
CHEAPEST_ON_LAMBDA = Choice(
    front="url", is_provisioned=True, is_traced=False, logs_platform=False
)
ON_FARGATE = Choice(
    front="alb", compute="fargate", is_provisioned=True, is_traced=False
)


def page(items: ItemSizes) -> str:
    """The page as it has to be."""
    prices = prices_of(REGION)

    def plan(choice: Choice | None = None, **people: int) -> CapacityEstimate:
        return CapacityEstimate(
            Demand(Players(**{"concurrent": 10_000_000} | people), items),
            prices,
            choice or Choice(),
        )

    tables: Mapping[str, Callable[[Callable[..., CapacityEstimate]], Iterator[str]]] = {
        "sizes": _sizes,
        "requests": _requests,
        "month": _month,
        "quotas": _quotas,
        "levers": _levers,
        "million": _million,
    }

    def table(found: re.Match[str]) -> str:
        lines = "\n".join(tables[found[1]](plan))
        return f"<!-- planned: {found[1]} -->\n{lines}\n<!-- end -->"

    return re.sub(
        r"<!-- planned: (\w+) -->\n.*?<!-- end -->", table, PAGE.read_text(), flags=re.S
    )


def _table(headings: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.2f}"


def _sizes(plan: Callable[..., CapacityEstimate]) -> Iterator[str]:
    def rows() -> Iterator[Sequence[str]]:
        for size in SIZES:
            here, relaxed = (
                plan(concurrent=size),
                plan(CHEAPEST_ON_LAMBDA, concurrent=size, relaxed_seconds=300),
            )
            capacity = here.demand.to_provision
            yield (
                f"{size:,}",
                f"{here.demand.requests:,.1f}",
                f"{capacity.rate:,}",
                f"{capacity.concurrency:,}",
                f"{here.demand.write_units:,.1f}",
                _dollars(here.cost),
                _dollars(relaxed.cost),
            )

    yield from _table(
        (
            "streams at once",
            "requests a second",
            "rate to allow",
            "instances to allow",
            "write units a second",
            "dollars a month",
            "with relaxed leases, function URL, provisioned units, few logs",
        ),
        rows(),
    )


def _requests(plan: Callable[..., CapacityEstimate]) -> Iterator[str]:
    first = next(plan().sections())
    yield from _table(
        first.headings, iter(row for row in first.rows if row[1] != "0.0")
    )


def _month(plan: Callable[..., CapacityEstimate]) -> Iterator[str]:
    here = plan()
    parts = sorted(here.parts.items(), key=lambda part: -part[1])
    rows = [
        (name, _dollars(cost), f"{cost / here.cost:.1%}")
        for name, cost in parts
        if cost > here.cost / 1000
    ]
    yield from _table(
        ("part", "dollars", "share"),
        iter([*rows, ("together", _dollars(here.cost), "")]),
    )


def _quotas(plan: Callable[..., CapacityEstimate]) -> Iterator[str]:
    found = next(section for section in plan().sections() if section.title == "Quotas")
    yield from _table(("quota", "allowed", "needed", "ask"), iter(found.rows))


def _levers(plan: Callable[..., CapacityEstimate]) -> Iterator[str]:
    here = plan()
    levers = costs.levers(here.demand, here.prices, here.choice)
    rows = (
        (one.what, _dollars(one.cost), f"{1 - one.cost / here.cost:.0%}", one.price)
        for one in levers
    )
    yield from _table(("lever", "dollars a month", "saves", "for that"), rows)


def _million(plan: Callable[..., CapacityEstimate]) -> Iterator[str]:
    """Of a million streams that play all month, at the size at which it is run."""
    ways: Mapping[str, tuple[Choice, dict[str, int]]] = {
        "REST API, Lambda": (Choice(), {}),
        "REST API, Lambda, relaxed leases": (Choice(), {"relaxed_seconds": 300}),
        "function URL, Lambda, relaxed leases, provisioned units, few logs": (
            CHEAPEST_ON_LAMBDA,
            {"relaxed_seconds": 300},
        ),
        "load balancer, Fargate, provisioned units": (ON_FARGATE, {}),
        "load balancer, Fargate, provisioned units, relaxed leases": (
            ON_FARGATE,
            {"relaxed_seconds": 300},
        ),
    }
    sizes = (10_000, 100_000, 1_000_000, 10_000_000)

    def rows() -> Iterator[Sequence[str]]:
        for name, (choice, people) in ways.items():
            plans = [plan(choice, concurrent=size, **people) for size in sizes]
            yield (
                name,
                *(_dollars(here.cost / here.mean_concurrent * 1e6) for here in plans),
            )

    yield from _table(("built as", *(f"of {size:,} at once" for size in sizes)), rows())


if __name__ == "__main__":
    os.environ.setdefault("DEBUG", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")
    import django

    django.setup()
    from capacity.items import typical_item_sizes

    PAGE.write_text(page(typical_item_sizes()))

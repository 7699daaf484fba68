"""An estimate for a terminal and for a browser."""

from collections.abc import Iterator

from humanize import intcomma

from capacity.costs import FRONTS
from capacity.estimate import CapacityEstimate
from reporting import charts, tables
from reporting.page import Section, page
from reporting.tables import Column, Table, number

SHOWN_ITEM_SIZES = 4


def as_text(estimate: CapacityEstimate, *, is_terminal: bool = False) -> str:
    """Return the estimate for a terminal."""
    return tables.as_text(estimate_tables(estimate), is_terminal=is_terminal)


def as_html(estimate: CapacityEstimate) -> str:
    """Return the estimate as a page, with charts of the cost and of the levers.

    Raises:
        MissingLibrary: the library that draws charts is not installed.
    """
    levers = {lever.name: lever.cost for lever in estimate.levers}
    levers = {"as estimated": estimate.cost, **levers}
    sections = [
        Section(request_table(estimate)),
        Section(needs_table(estimate)),
        Section(quota_table(estimate)),
        Section(
            cost_table(estimate),
            chart=charts.bar_chart(
                dict(_by_cost(estimate)),
                title="Dollars a month by part",
                label=_rounded,
            ),
            caption="dollars a month",
        ),
        Section(
            lever_table(estimate),
            chart=charts.bar_chart(
                levers, title="Dollars a month with each lever", label=_rounded
            ),
            caption="dollars a month",
        ),
        Section(sensitivity_table(estimate)),
    ]

    return page("Capacity and cost", _introduction(estimate), sections)


def estimate_tables(estimate: CapacityEstimate) -> list[Table]:
    """Return the tables of an estimate, in order."""
    return [
        request_table(estimate),
        needs_table(estimate),
        quota_table(estimate),
        cost_table(estimate),
        lever_table(estimate),
        sensitivity_table(estimate),
    ]


def request_table(estimate: CapacityEstimate) -> Table:
    """Return the requests at the peak, by their kind."""
    demand = estimate.demand
    players = demand.population
    rows = [
        (
            kind.name,
            intcomma(kind.per_second, 1),
            f"{kind.per_second / demand.requests:.1%}",
            str(kind.calls),
            intcomma(kind.per_second * demand.write_units_of(kind), 1),
            intcomma(kind.per_second * kind.read, 1),
        )
        for kind in demand.request_kinds
    ]
    total = (
        "total",
        intcomma(demand.requests, 1),
        "",
        f"{demand.calls / demand.requests:.2f}",
        intcomma(demand.write_units, 1),
        intcomma(demand.read_units, 1),
    )

    return Table(
        title=(
            f"{intcomma(players.concurrent)} streams at once at the peak, "
            f"{players.average:.0%} of that on average"
        ),
        columns=(
            Column("requests at the peak"),
            number("per second"),
            number("share"),
            number("calls"),
            number("write units"),
            number("read units"),
        ),
        rows=[*rows, total],
    )


def needs_table(estimate: CapacityEstimate) -> Table:
    """Return the users, the table, the instances and the capacity to provision."""
    demand = estimate.demand
    players = demand.population
    capacity = demand.to_provision
    sizes = [
        f"{held}: {demand.items.bytes_of(held)}"
        for held in list(players.by_held)[:SHOWN_ITEM_SIZES]
    ]
    rows = [
        ("users who play at the peak", _rounded(players.users)),
        ("bytes of a user's item, by streams", ", ".join(sizes)),
        ("stored", f"{intcomma(demand.stored_gb, 1)} GB"),
        ("partitions of the table", _rounded(estimate.partitions)),
        (
            "busy instances of Lambda",
            f"{_rounded(demand.instances)} at {players.duration_ms:g} ms per request",
        ),
        ("to provision (manage.py provision)", f"viewers = {players.concurrent}"),
        (
            "  sets",
            f"rate {_rounded(capacity.rate)}, "
            f"concurrency {_rounded(capacity.concurrency)}, "
            f"max_write_units {_rounded(capacity.write_units)}",
        ),
        ("log", f"{_rounded(estimate.log_gb)} GB a month"),
    ]

    return Table(title="Needs", columns=(Column(""), Column("")), rows=rows)


def quota_table(estimate: CapacityEstimate) -> Table:
    """Return the quotas, and when to request an increase."""
    rows = [
        (
            quota.name,
            _rounded(quota.allowed),
            _rounded(quota.needed),
            "enough" if quota.is_enough else quota.until,
        )
        for quota in estimate.quotas
    ]
    return Table(
        title="Quotas",
        columns=(
            Column("quota"),
            number("allowed"),
            number("needed"),
            Column("request an increase"),
        ),
        rows=rows,
    )


def cost_table(estimate: CapacityEstimate) -> Table:
    """Return the dollars of a month by part, the largest first."""
    rows = [
        (name, _rounded(cost), f"{cost / estimate.cost:.1%}")
        for name, cost in _by_cost(estimate)
    ]
    streams = _rounded(estimate.cost_per_stream * 1e6)
    hours = _rounded(estimate.cost_per_hour_watched * 1e6)

    return Table(
        title=f"A month in {estimate.prices.region}",
        columns=(Column("part"), number("dollars"), number("share")),
        rows=[*rows, ("total", _rounded(estimate.cost), "")],
        note=(
            f"{streams} dollars for a million streams that play all month; "
            f"{hours} for a million hours watched."
        ),
    )


def lever_table(estimate: CapacityEstimate) -> Table:
    """Return the cost with each lever, and the disadvantage of each."""
    rows = [
        (
            lever.name,
            _rounded(lever.cost),
            f"{1 - lever.cost / estimate.cost:.0%}",
            lever.disadvantage,
        )
        for lever in estimate.levers
    ]
    return Table(
        title="Levers",
        columns=(
            Column("lever"),
            number("dollars"),
            number("saves"),
            Column("disadvantage"),
        ),
        rows=rows,
    )


def sensitivity_table(estimate: CapacityEstimate) -> Table:
    """Return the effect of each input on the cost."""
    rows = [(name, f"{change:+.1f} %") for name, change in estimate.sensitivity.items()]
    return Table(
        title="Change of the cost if an input grows by a tenth",
        columns=(Column(""), number("")),
        rows=rows,
        note=(
            f"Prices of {estimate.prices.checked}, without tax, free tiers and "
            "discounts; sources in capacity/prices.toml."
        ),
    )


def _introduction(estimate: CapacityEstimate) -> str:
    hosting = estimate.hosting
    compute = "Lambda" if hosting.is_lambda else "Fargate"

    return (
        f"{intcomma(estimate.demand.population.concurrent)} streams at once at the "
        f"peak in {estimate.prices.region}, behind {FRONTS[hosting.front]}, on "
        f"{compute}: {_rounded(estimate.cost)} dollars a month."
    )


def _by_cost(estimate: CapacityEstimate) -> Iterator[tuple[str, float]]:
    """Yield the parts and their cost, the largest first."""
    parts = estimate.cost_by_part.items()
    yield from sorted(parts, key=lambda part: -part[1])


def _rounded(amount: float) -> str:
    return intcomma(amount, 0)

"""What a plan says: a table for people, JSON for programs, a page to send on. Dollars, a month."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from capacity import costs
from capacity.costs import Choice
from capacity.demand import Demand
from capacity.players import HOURS_PER_MONTH
from capacity.prices import Prices
from capacity.quotas import partitions, quotas

type Cells = Sequence[str]


@dataclass(frozen=True)
class Section:
    """A table: a title, headings, rows, and a line beneath."""

    title: str
    headings: Cells
    rows: Sequence[Cells]
    note: str = ""


@dataclass(frozen=True)
class CapacityEstimate:
    """A demand at the prices of a region, built one way."""

    demand: Demand
    prices: Prices
    choice: Choice = field(default_factory=Choice)

    @property
    def parts(self) -> dict[str, float]:
        """Dollars a month."""
        return costs.month(self.demand, self.prices, self.choice)

    @property
    def cost(self) -> float:
        """Dollars a month."""
        return sum(self.parts.values())

    @property
    def mean_concurrent(self) -> float:
        """Streams that play, over a month."""
        return self.demand.population.concurrent * self.demand.population.average

    def sections(self) -> Iterator[Section]:
        """The whole of it, in order."""
        demand, people, capacity = (
            self.demand,
            self.demand.population,
            self.demand.to_provision,
        )
        yield Section(
            f"{people.concurrent:,} streams at once at the peak, {people.average:.0%} of that on average",
            (
                "requests at the peak",
                "a second",
                "share",
                "calls",
                "write units",
                "read units",
            ),
            [
                (
                    verb.name,
                    f"{verb.per_second:,.1f}",
                    f"{verb.per_second / demand.requests:.1%}",
                    str(verb.calls),
                    f"{verb.per_second * demand.write_units_of(verb):,.1f}",
                    f"{verb.per_second * verb.read:,.1f}",
                )
                for verb in demand.request_kinds
            ]
            + [
                (
                    "together",
                    f"{demand.requests:,.1f}",
                    "",
                    f"{demand.calls / demand.requests:.2f}",
                    f"{demand.write_units:,.1f}",
                    f"{demand.read_units:,.1f}",
                )
            ],
        )
        sizes = ", ".join(
            f"{held}: {demand.items.bytes_of(held)}"
            for held in list(people.by_held)[:4]
        )
        yield Section(
            "What it needs",
            ("", ""),
            [
                ("users who play, at the peak", f"{people.users:,.0f}"),
                ("bytes of a user's item, by streams held", sizes),
                ("stored", f"{demand.stored_gb:,.1f} GB"),
                ("partitions of the table", f"{partitions(demand, self.prices.quotas):,}"),
                ("instances of Lambda at work", f"{demand.instances:,.0f} at {people.duration_ms:g} ms a request"),
                ("to provision (manage.py provision)", f"viewers = {people.concurrent}"),
                ("  which sets", f"rate {capacity.rate:,}, concurrency {capacity.concurrency:,}, "
                 f"max_write_units {capacity.write_units:,}"),
                ("log", f"{costs.log_gb(demand, self.choice):,.0f} GB a month"),
            ],
        )  # fmt: skip
        yield Section(
            "Quotas",
            ("what", "allowed", "needed", ""),
            [
                (
                    quota.what,
                    f"{quota.allowed:,.0f}",
                    f"{quota.needed:,.0f}",
                    "enough" if quota.is_enough else quota.until,
                )
                for quota in quotas(demand, self.prices.quotas)
            ],
        )
        yield Section(
            f"A month in {self.prices.region}",
            ("part", "dollars", "share"),
            [
                (name, f"{cost:,.0f}", f"{cost / self.cost:.1%}")
                for name, cost in sorted(self.parts.items(), key=lambda part: -part[1])
            ]
            + [("together", f"{self.cost:,.0f}", "")],
            f"{self.cost / self.mean_concurrent * 1e6:,.0f} for a million streams that play all month; "
            f"{self.cost / (self.mean_concurrent * HOURS_PER_MONTH) * 1e6:,.0f} for a million hours watched.",
        )
        yield Section(
            "What each lever saves",
            ("lever", "dollars", "saves", "for"),
            [
                (
                    lever.what,
                    f"{lever.cost:,.0f}",
                    f"{1 - lever.cost / self.cost:.0%}",
                    lever.price,
                )
                for lever in costs.levers(demand, self.prices, self.choice)
            ],
        )
        yield Section(
            "What dominates: a tenth more of it, and a month costs",
            ("", ""),
            [
                (name, f"{change:+.1f} %")
                for name, change in costs.sensitivity(
                    demand, self.prices, self.choice
                ).items()
            ],
            f"Prices of {self.prices.checked}, without tax, free tiers and discounts; sources in capacity/prices.toml.",
        )

    def as_text(self) -> str:
        """For a terminal."""
        return "\n\n".join(_text(section) for section in self.sections())

    def as_json(self) -> str:
        """One object; rates are a second, at the peak."""
        demand = self.demand
        return json.dumps(
            {
                "population": dataclasses.asdict(demand.population),
                "choice": dataclasses.asdict(self.choice),
                "region": self.prices.region,
                "pricesChecked": self.prices.checked,
                "sources": dict(self.prices.sources),
                "verbs": [
                    dataclasses.asdict(verb)
                    | {"calls": verb.calls, "writeUnits": demand.write_units_of(verb)}
                    for verb in demand.request_kinds
                ],
                "requests": demand.requests,
                "calls": demand.calls,
                "writeUnits": demand.write_units,
                "readUnits": demand.read_units,
                "itemBytes": {
                    held: demand.items.bytes_of(held)
                    for held in demand.population.by_held
                },
                "storedGb": demand.stored_gb,
                "partitions": partitions(demand, self.prices.quotas),
                "instances": demand.instances,
                "toProvision": dataclasses.asdict(demand.to_provision),
                "logGb": costs.log_gb(demand, self.choice),
                "quotas": [
                    dataclasses.asdict(quota) | {"isEnough": quota.is_enough}
                    for quota in quotas(demand, self.prices.quotas)
                ],
                "month": self.parts,
                "monthTogether": self.cost,
                "levers": [
                    dataclasses.asdict(one)
                    for one in costs.levers(demand, self.prices, self.choice)
                ],
                "sensitivity": costs.sensitivity(demand, self.prices, self.choice),
            }
        )

    def as_html(self) -> str:
        """A page that needs no other host, and can be read on a phone."""
        return _PAGE.format(
            tables="\n".join(_html(section) for section in self.sections())
        )


def _text(section: Section) -> str:
    lines = [section.headings, *section.rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    is_number = [
        all(_is_number(row[at]) for row in section.rows) for at in range(len(widths))
    ]
    shown = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in lines
        if any(line)
    ]
    return "\n".join(
        [section.title, "", *shown, *([section.note] if section.note else [])]
    )


def _is_number(cell: str) -> bool:
    return cell.strip("+-% ").replace(",", "").replace(".", "").isdigit() or not cell


def _html(section: Section) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in section.headings)
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if _is_number(cell) else ''}>{escape(cell)}</td>"
            for cell in row
        )
        + "</tr>"
        for row in section.rows
    )
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    return f"<h2>{escape(section.title)}</h2>\n<div><table><tr>{head}</tr>\n{rows}</table></div>\n{note}"


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Capacity and cost</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse }}
td, th {{ border-bottom: 1px solid #ccc; padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }}
.n {{ font-variant-numeric: tabular-nums; text-align: right }}
</style>
<h1>Capacity and cost</h1>
{tables}
</html>
"""

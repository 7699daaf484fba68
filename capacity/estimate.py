"""An estimate: the demand of a population, its quotas, and its cost in a region."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from capacity.costs import Hosting, cost_by_part, log_gb
from capacity.demand import Demand
from capacity.levers import Lever, levers, sensitivity
from capacity.players import HOURS_PER_MONTH
from capacity.prices import Prices
from capacity.quotas import Quota, partitions, quotas


@dataclass(frozen=True)
class CapacityEstimate:
    """The needs and the cost of a population, with the hosting of the service."""

    demand: Demand
    prices: Prices
    hosting: Hosting = field(default_factory=Hosting)

    @cached_property
    def cost_by_part(self) -> dict[str, float]:
        """Dollars per month by part of the service."""
        return cost_by_part(self.demand, self.prices, self.hosting)

    @property
    def cost(self) -> float:
        """Dollars per month."""
        return sum(self.cost_by_part.values())

    @property
    def cost_per_stream(self) -> float:
        """Dollars per month for one stream that plays all month."""
        return self.cost / self.mean_concurrent

    @property
    def cost_per_hour_watched(self) -> float:
        """Dollars for one stream that plays for an hour."""
        return self.cost_per_stream / HOURS_PER_MONTH

    @property
    def mean_concurrent(self) -> float:
        """Streams that play at once, as the mean of a month."""
        return self.demand.population.concurrent * self.demand.population.average

    @property
    def quotas(self) -> tuple[Quota, ...]:
        """The AWS quotas that the demand needs."""
        return quotas(self.demand, self.prices.quotas)

    @property
    def partitions(self) -> int:
        """Partitions of the table at the peak."""
        return partitions(self.demand, self.prices.quotas)

    @property
    def log_gb(self) -> float:
        """Gigabytes that a month adds to the log."""
        return log_gb(self.demand, self.hosting)

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """Changes that lower the cost."""
        return tuple(levers(self.demand, self.prices, self.hosting))

    @cached_property
    def sensitivity(self) -> dict[str, float]:
        """The change of the cost, in percent, if an input grows by a tenth."""
        return sensitivity(self.demand, self.prices, self.hosting)

    def as_json(self) -> dict[str, Any]:
        """Return the estimate in the shape that docs/scaling.md documents.

        Rates are per second at the peak.
        """
        demand = self.demand
        kinds = [
            _camel(dataclasses.asdict(kind))
            | {"calls": kind.calls, "writeUnits": demand.write_units_of(kind)}
            for kind in demand.request_kinds
        ]

        return {
            "population": _camel(dataclasses.asdict(demand.population)),
            "hosting": _camel(dataclasses.asdict(self.hosting)),
            "region": self.prices.region,
            "pricesChecked": self.prices.checked,
            "sources": dict(self.prices.sources),
            "requestKinds": kinds,
            "requests": demand.requests,
            "calls": demand.calls,
            "writeUnits": demand.write_units,
            "readUnits": demand.read_units,
            "itemBytes": {
                held: demand.items.bytes_of(held) for held in demand.population.by_held
            },
            "storedGb": demand.stored_gb,
            "partitions": self.partitions,
            "instances": demand.instances,
            "toProvision": _camel(dataclasses.asdict(demand.to_provision)),
            "logGb": self.log_gb,
            "quotas": [
                _camel(dataclasses.asdict(quota)) | {"isEnough": quota.is_enough}
                for quota in self.quotas
            ],
            "costByPart": self.cost_by_part,
            "cost": self.cost,
            "levers": [_camel(dataclasses.asdict(lever)) for lever in self.levers],
            "sensitivity": _camel(self.sensitivity),
        }


def _camel(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its names in camelCase, as the API has them."""
    return {_camel_name(name): value for name, value in members.items()}


def _camel_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))

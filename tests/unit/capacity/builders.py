"""Builders of demands, and the prices of a region."""

from typing import Any

from capacity.demand import Demand, ItemSizes
from capacity.players import Players
from capacity.prices import prices_of

ITEMS = ItemSizes(bytes_of=lambda streams: 300 + 200 * streams, forgetting_share=0.25)
IRELAND = prices_of("eu-west-1")


def demand(**players: Any) -> Demand:
    return Demand(Players(**{"concurrent": 1_000_000} | players), ITEMS)


def rates(demand: Demand) -> dict[str, float]:
    """Return the requests per second by their kind."""
    return {kind.name: kind.per_second for kind in demand.request_kinds}

"""The prices and quotas of AWS, read from `prices.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a region, with what they were looked up for."""

    region: str
    of: Mapping[str, Any]
    quotas: Mapping[str, float]
    checked: str
    sources: Mapping[str, str]

    def tiered(self, name: str, quantity: float) -> float:
        """Of so much in a month, where the price falls with it."""
        total, since = 0.0, 0.0
        for until, price in self.of[name]["tiers"]:
            total += max(0.0, min(quantity, until) - since) * price
            since = until
        return total


def prices_of(region: str, path: Path = FILE) -> Prices:
    """Raises `ValueError` where the region is not in the file."""
    said = tomllib.loads(path.read_text())
    regions = [name for name in said if name not in ("checked", "sources", "quotas")]
    if region not in regions:
        raise ValueError(
            f"capacity/prices.toml has no prices of {region}, but of {', '.join(regions)}. Add a table."
        )
    return Prices(
        region, said[region], said["quotas"], str(said["checked"]), said["sources"]
    )

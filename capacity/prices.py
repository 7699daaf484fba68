"""The prices and quotas of AWS, read from `prices.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("prices.toml")
NOT_REGIONS = ("checked", "sources", "quotas")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a region in dollars, the default quotas, and their sources."""

    region: str
    of: Mapping[str, Any]
    quotas: Mapping[str, float]
    checked: str
    sources: Mapping[str, str]

    def tiered(self, name: str, quantity: float) -> float:
        """Return the monthly price of a quantity under tiered pricing."""
        total = 0.0
        start = 0.0
        for end, price in self.of[name]["tiers"]:
            in_tier = max(0.0, min(quantity, end) - start)
            total += in_tier * price
            start = end

        return total


def prices_of(region: str, path: Path = FILE) -> Prices:
    """Return the prices of a region.

    Raises:
        ValueError: the file has no prices of the region.
    """
    content = tomllib.loads(path.read_text())
    regions = [name for name in content if name not in NOT_REGIONS]
    if region not in regions:
        raise ValueError(
            f"capacity/prices.toml has no prices of {region}, only of "
            f"{', '.join(regions)}. Add a table."
        )

    return Prices(
        region=region,
        of=content[region],
        quotas=content["quotas"],
        checked=str(content["checked"]),
        sources=content["sources"],
    )

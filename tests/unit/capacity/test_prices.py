"""The prices of AWS."""

import tomllib
from typing import Any

import pytest

from capacity.prices import FILE, NOT_REGIONS
from tests.unit.capacity.builders import IRELAND

CONTENT: dict[str, Any] = tomllib.loads(FILE.read_text())
REGIONS = {name: CONTENT[name] for name in CONTENT if name not in NOT_REGIONS}


def test_a_tier_applies_only_to_the_quantity_in_it() -> None:
    assert IRELAND.tiered("http", 100e6) == pytest.approx(111)
    assert IRELAND.tiered("http", 400e6) == pytest.approx(300 * 1.11 + 100 * 1.00)
    assert IRELAND.tiered("rest", 21e9) == pytest.approx(
        333 * 3.5 + 667 * 3.19 + 19_000 * 2.71 + 1000 * 1.72
    )


def test_every_region_has_the_same_prices() -> None:
    assert len(REGIONS) >= 2
    assert len({frozenset(prices) for prices in REGIONS.values()}) == 1


@pytest.mark.parametrize("prices", REGIONS.values(), ids=REGIONS)
def test_prices_fall_from_tier_to_tier_and_the_last_tier_has_no_end(
    prices: dict[str, Any],
) -> None:
    for price in prices.values():
        single = [[float("inf"), price]]
        tiers = price["tiers"] if isinstance(price, dict) else single
        ends = [end for end, _ in tiers]
        costs = [cost for _, cost in tiers]
        assert ends == sorted(ends)
        assert ends[-1] == float("inf")
        assert costs == sorted(costs, reverse=True)


def test_every_price_and_quota_has_a_source() -> None:
    sources = CONTENT["sources"]

    assert {
        "dynamodb",
        "api_gateway",
        "lambda",
        "load_balancer",
        "logs",
        "fargate",
        "traces",
    } <= set(sources)
    assert all("https://" in source for source in sources.values())

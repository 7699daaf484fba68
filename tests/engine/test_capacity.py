"""The planner's calls and units, compared with those that a real engine counts."""

import os
import uuid
from typing import Any

import httpx
import pytest

from bench import replay
from capacity.items import item_bytes, typical_item
from capacity.players import Players
from streams.models import UserStreams

pytestmark = pytest.mark.engine

TOLERANCE = 0.05
COMPARED = (
    "requests",
    "calls",
    "write units",
    "read units",
)


@pytest.fixture
def amazons_engine() -> None:
    """Skip the test unless the engine is DynamoDB Local.

    The embedded engine would take longer than all other tests of the store.
    """
    answer = httpx.get(os.environ["DYNAMODB_ENDPOINT"])
    if "Jetty" not in answer.headers.get("Server", ""):
        pytest.skip("on DynamoDB Local only")


@pytest.mark.usefixtures("amazons_engine")
@pytest.mark.parametrize(
    ("players", "seconds"),
    [(replay.POPULATION, 120), (replay.RELAXED, 240)],
    ids=["equal leases", "relaxed leases"],
)
def test_a_scaled_down_population_takes_the_estimated_calls_and_units(
    players: Players, seconds: int
) -> None:
    rows = replay.compare(players, seconds=seconds)
    errors = {row.what: row.off for row in rows}
    for name in COMPARED:
        assert abs(errors[name]) <= TOLERANCE, name

    kinds = [name for name in errors if name.startswith("requests: ")]

    assert len(kinds) == 6
    for name in kinds:
        # A kind has few requests, so its error is larger.
        assert abs(errors[name]) <= 2 * TOLERANCE, name


def write_units_of(item: dict[str, Any]) -> float:
    """Return the units that the engine counts for a write of an item."""
    table = UserStreams.Meta.table_name
    UserStreams.call("PutItem", {"TableName": table, "Item": item})
    arguments = {
        "TableName": table,
        "Key": {"user_id": item["user_id"]},
        "UpdateExpression": "SET z = :title",
        "ExpressionAttributeValues": {":title": {"S": "x"}},
        "ReturnConsumedCapacity": "TOTAL",
    }
    answer = UserStreams.call("UpdateItem", arguments)

    return float(answer["ConsumedCapacity"]["CapacityUnits"])


@pytest.mark.parametrize(
    ("spare_bytes", "units"),
    [(60, 1), (-60, 2)],
    ids=["under a kilobyte", "over a kilobyte"],
)
def test_an_item_has_the_size_that_the_engine_counts(
    spare_bytes: int, units: int
) -> None:
    size = 1024 - spare_bytes
    item = typical_item(3)
    item["user_id"] = {"S": str(uuid.uuid4())}
    item["t"] = {"S": "x" * (size - item_bytes(item))}

    assert item_bytes(item) == pytest.approx(size, abs=2)
    assert write_units_of(item) == units

"""What the planner says of calls and units, beside what a real engine takes of a scaled-down population."""

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

WITHIN = 0.05


@pytest.fixture
def amazons_engine() -> None:
    """DynamoDB Local; the embedded engine, in Python, would take longer than all other tests of the store."""
    if "Jetty" not in httpx.get(os.environ["DYNAMODB_ENDPOINT"]).headers.get(
        "Server", ""
    ):
        pytest.skip("on DynamoDB Local only")


@pytest.mark.usefixtures("amazons_engine")
@pytest.mark.parametrize(
    ("players", "seconds"),
    [(replay.POPULATION, 120), (replay.RELAXED, 240)],
    ids=["leases alike", "relaxed leases"],
)
def test_a_scaled_down_population_takes_the_calls_and_units_that_are_planned(
    players: Players, seconds: int
) -> None:
    rows = {row.what: row for row in replay.compare(players, seconds=seconds)}
    off = {
        what: round(rows[what].off, 3)
        for what in ("requests", "calls", "write units", "read units")
    }
    assert {what: share for what, share in off.items() if abs(share) > WITHIN} == {}
    verbs = [row for row in rows.values() if row.what.startswith("requests: ")]
    assert len(verbs) == 6
    assert {row.what: row for row in verbs if abs(row.off) > 2 * WITHIN} == {}, (
        "each has few requests of its own"
    )


def written(item: dict[str, Any]) -> float:
    """The units that the engine takes for it."""
    key = {"user_id": item["user_id"]}
    title = {":title": {"S": "x"}}
    UserStreams.call(
        "PutItem", {"TableName": UserStreams.Meta.table_name, "Item": item}
    )
    arguments = {
        "Key": key,
        "UpdateExpression": "SET z = :title",
        "ExpressionAttributeValues": title,
    }
    answer = UserStreams.call(
        "UpdateItem",
        {
            "TableName": UserStreams.Meta.table_name,
            "ReturnConsumedCapacity": "TOTAL",
            **arguments,
        },
    )
    return float(answer["ConsumedCapacity"]["CapacityUnits"])


@pytest.mark.parametrize(
    ("left", "units"), [(60, 1), (-60, 2)], ids=["under a kilobyte", "over a kilobyte"]
)
def test_an_item_is_as_large_as_the_engine_finds_it(left: int, units: int) -> None:
    item = typical_item(3) | {"user_id": {"S": str(uuid.uuid4())}}
    item["t"] = {"S": "x" * (1024 - left - item_bytes(item))}
    assert item_bytes(item) == pytest.approx(1024 - left, abs=2)
    assert written(item) == units

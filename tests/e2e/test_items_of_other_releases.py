"""A deployment finds items that an earlier release has written: `items/RELEASE.json` holds them."""

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

RELEASES = sorted(path.stem for path in (Path(__file__).parent / "items").glob("*.json"))


@pytest.fixture
def dynamodb() -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=os.environ["DYNAMODB_ENDPOINT"],
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def later(value: Any, milliseconds: int, name: str = "") -> Any:
    """An item so much later; `ttl` and `keep_until` are seconds."""
    if name in ("expires_at", "started_at", "at", "ttl", "keep_until") and "N" in value:
        return {"N": str(int(value["N"]) + (milliseconds // 1000 if name in ("ttl", "keep_until") else milliseconds))}
    if isinstance(value, dict):
        return {key: later(part, milliseconds, key) for key, part in value.items()}
    return value


@pytest.fixture(params=RELEASES)
def users(request: pytest.FixtureRequest, dynamodb: Any) -> dict[str, str]:
    """What a release has written a moment ago: users by what happened to them."""
    written = json.loads((Path(__file__).parent / "items" / f"{request.param}.json").read_text())
    since = time.time_ns() // 1_000_000 - written["written_at_ms"]
    found = {}
    for item in written["items"]:
        name = item["user_id"]["S"]
        found[name] = f"{name}-{uuid.uuid4()}"
        table = os.environ.get("DYNAMODB_TABLE", "UserStreams")
        dynamodb.put_item(TableName=table, Item=later(item, since) | {"user_id": {"S": found[name]}})
    return found


def test_streams_that_the_release_before_started_live_on(api: httpx.Client, users: dict[str, str]) -> None:
    streams = {stream["id"]: stream for stream in api.get(f"/users/{users['full']}/streams").json()["streams"]}
    assert streams.keys() == {"tv", "phone"}
    assert (streams["tv"]["deviceName"], streams["tv"]["title"]) == ("Living room", "A film")
    again = api.put(f"/users/{users['full']}/streams/tv", json={"streamId": "film-3"})
    assert again.status_code == 200, "it takes over its own slot"
    assert again.json()["epoch"] > streams["tv"]["epoch"]


def test_slots_that_the_release_before_gave_away_count(api: httpx.Client, users: dict[str, str]) -> None:
    assert api.put(f"/users/{users['replaced']}/streams/e", json={"streamId": "x"}).status_code == 409
    assert api.put(f"/users/{users['evicting']}/streams/e", json={"streamId": "x"}).status_code == 201, "evicts"
    assert api.get(f"/users/{users['limited']}/limit").json()["limit"] == 1


@pytest.mark.parametrize(
    ("user", "id", "reason"),
    [("stopped", "tv", "stopped"), ("evicting", "d0", "evicted"), ("replaced", "a", "replaced")],
)
def test_a_stream_that_the_release_before_ended_stays_ended(
    api: httpx.Client, users: dict[str, str], user: str, id: str, reason: str
) -> None:
    found = api.get(f"/users/{users[user]}/streams/{id}")
    assert (found.status_code, found.json()["reason"]) == (410, reason)

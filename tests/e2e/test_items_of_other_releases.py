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

from deploy.first_format import _rewrite

RELEASES = sorted(
    path.stem for path in (Path(__file__).parent / "items").glob("*.json")
)


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
        return {
            "N": str(
                int(value["N"])
                + (
                    milliseconds // 1000
                    if name in ("ttl", "keep_until")
                    else milliseconds
                )
            )
        }
    if isinstance(value, dict):
        return {key: later(part, milliseconds, key) for key, part in value.items()}
    return value


@pytest.fixture(params=RELEASES)
def users(request: pytest.FixtureRequest, dynamodb: Any) -> dict[str, str]:
    """What a release has written a moment ago: users by what happened to them."""
    written = json.loads(
        (Path(__file__).parent / "items" / f"{request.param}.json").read_text()
    )
    since = time.time_ns() // 1_000_000 - written["written_at_ms"]
    found = {}
    for item in written["items"]:
        name = item["user_id"]["S"]
        found[name] = f"{name}-{uuid.uuid4()}"
        table = os.environ.get("DYNAMODB_TABLE", "UserStreams")
        dynamodb.put_item(
            TableName=table, Item=later(item, since) | {"user_id": {"S": found[name]}}
        )
    return found


def test_streams_that_the_release_before_started_live_on(
    api: httpx.Client, users: dict[str, str]
) -> None:
    streams = {
        stream["id"]: stream
        for stream in api.get(f"/users/{users['full']}/streams").json()["streams"]
    }
    assert streams.keys() == {"tv", "phone"}
    assert (streams["tv"]["deviceName"], streams["tv"]["title"]) == (
        "Living room",
        "A film",
    )
    again = api.put(f"/users/{users['full']}/streams/tv", json={"streamId": "film-3"})
    assert again.status_code == 200, "it takes over its own slot"
    assert again.json()["epoch"] > streams["tv"]["epoch"]


def test_slots_that_the_release_before_gave_away_count(
    api: httpx.Client, users: dict[str, str]
) -> None:
    assert (
        api.put(
            f"/users/{users['replaced']}/streams/e", json={"streamId": "x"}
        ).status_code
        == 409
    )
    assert (
        api.put(
            f"/users/{users['evicting']}/streams/e", json={"streamId": "x"}
        ).status_code
        == 201
    ), "evicts"
    assert api.get(f"/users/{users['limited']}/limit").json()["limit"] == 1


@pytest.mark.parametrize(
    ("user", "id", "reason"),
    [
        ("stopped", "tv", "stopped"),
        ("evicting", "d0", "evicted"),
        ("replaced", "a", "replaced"),
    ],
)
def test_a_stream_that_the_release_before_ended_stays_ended(
    api: httpx.Client, users: dict[str, str], user: str, id: str, reason: str
) -> None:
    found = api.get(f"/users/{users[user]}/streams/{id}")
    assert (found.status_code, found.json()["reason"]) == (410, reason)


# --- the way back -----------------------------------------------------------------------------------------------------


def test_what_a_later_release_adds_is_passed_over(
    api: httpx.Client, dynamodb: Any, user_id: str
) -> None:
    """So that a version of this release can be gone back to from one that stores more."""
    streams, table = (
        f"/users/{user_id}/streams",
        os.environ.get("DYNAMODB_TABLE", "UserStreams"),
    )
    token = api.put(f"{streams}/tv", json={"streamId": "film"}).json()["token"]
    assert api.put(f"{streams}/web", json={"streamId": "film"}).status_code == 201
    assert (
        api.put(
            f"{streams}/car", json={"streamId": "film", "replace": ["web"]}
        ).status_code
        == 201
    )
    item = dynamodb.get_item(TableName=table, Key={"user_id": {"S": user_id}})["Item"]
    more = {"zz": {"M": {"later": {"S": "x"}}}}
    for maps in (item["l"], item["d"]):
        for stored in maps["M"].values():
            stored["M"] |= more
    item["d"]["M"]["old"] = {
        "M": item["d"]["M"]["web"]["M"] | {"r": {"S": "a later reason"}}
    }
    dynamodb.put_item(TableName=table, Item=item | more)
    assert [stream["id"] for stream in api.get(streams).json()["streams"]] == [
        "tv",
        "car",
    ]
    assert api.get(f"{streams}/web").json()["reason"] == "replaced"
    assert api.post(f"{streams}/tv/heartbeat", json={"token": token}).status_code == 200
    assert api.put(f"{streams}/phone", json={"streamId": "film"}).status_code == 201
    assert api.put(f"{streams}/fifth", json={"streamId": "film"}).status_code == 409


def fields(item: Any, name: str) -> set[str]:
    """Every field of the maps of one attribute."""
    return {field for stored in item[name]["M"].values() for field in stored["M"]}


def test_what_this_release_writes_can_be_rewritten_as_1_0_reads_it(
    api: httpx.Client, dynamodb: Any, user_id: str
) -> None:
    streams, table = (
        f"/users/{user_id}/streams",
        os.environ.get("DYNAMODB_TABLE", "UserStreams"),
    )
    tv = {
        "streamId": "film",
        "deviceId": "tv",
        "deviceName": "Living room",
        "title": "A film",
        "metadata": {"x": "y"},
    }
    assert api.post(streams, json=tv).status_code == 201
    assert api.put(f"{streams}/phone", json={"streamId": "news"}).status_code == 201
    assert (
        api.put(
            f"{streams}/web", json={"streamId": "news", "replace": ["phone"]}
        ).status_code
        == 201
    )
    before = api.get(streams).json()["streams"]
    key = {"TableName": table, "Key": {"user_id": {"S": user_id}}}
    assert _rewrite(table, dynamodb.get_item(**key)["Item"], dynamodb)
    item = dynamodb.get_item(**key)["Item"]

    written = json.loads(
        (Path(__file__).parent / "items" / "3ef87f9.json").read_text()
    )["items"]
    assert item.keys() <= {name for known in written for name in known}
    for name in ("leases", "ended"):
        assert fields(item, name) <= {
            field for known in written for field in fields(known, name)
        }
    assert item["leases"]["M"].keys() == item["epochs"]["M"].keys() == {"tv", "web"}
    assert item["leases"]["M"]["tv"]["M"]["title"] == {"S": "A film"}
    assert item["ended"]["M"]["phone"]["M"]["reason"] == {"S": "replaced"}

    there = [
        (stream["id"], stream["epoch"], stream["expiresAt"])
        for stream in api.get(streams).json()["streams"]
    ]
    assert there == [
        (stream["id"], stream["epoch"], stream["expiresAt"]) for stream in before
    ]


def test_an_item_that_changed_meanwhile_is_left_for_the_next_run(
    api: httpx.Client, dynamodb: Any, user_id: str
) -> None:
    table = os.environ.get("DYNAMODB_TABLE", "UserStreams")
    seen = []
    for id in ("tv", "web"):
        assert (
            api.put(
                f"/users/{user_id}/streams/{id}", json={"streamId": "film"}
            ).status_code
            == 201
        )
        seen.append(
            dynamodb.get_item(TableName=table, Key={"user_id": {"S": user_id}})["Item"]
        )
    assert not _rewrite(table, seen[0], dynamodb)
    assert (
        dynamodb.get_item(TableName=table, Key={"user_id": {"S": user_id}})["Item"]
        == seen[1]
    )

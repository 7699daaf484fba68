"""A deployment reads the items of the first release, and of later ones.

`items/3ef87f9.json` contains items that it has written.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from deploy.releases.first_format import rewrite_item

ITEMS = Path(__file__).parent / "items"
FIRST_RELEASE = "3ef87f9"

TIMES_MS = ("expires_at", "started_at", "at")
TIMES_SECONDS = ("ttl", "keep_until")


class Table:
    """The service's table, without the service."""

    name = os.environ.get("DYNAMODB_TABLE", "UserStreams")

    def __init__(self, client: Any) -> None:
        self.client = client

    def get(self, user_id: str) -> dict[str, Any]:
        """Return the item of a user."""
        key = {"user_id": {"S": user_id}}
        item = self.client.get_item(TableName=self.name, Key=key)["Item"]
        return dict(item)

    def put(self, item: Mapping[str, Any]) -> None:
        """Store an item."""
        self.client.put_item(TableName=self.name, Item=item)

    def rewrite(self, item: Mapping[str, Any]) -> bool:
        """Convert an item to the first format, if it has not changed."""
        return rewrite_item(self.name, item, self.client)


@pytest.fixture
def table() -> Table:
    return Table(
        boto3.client(
            "dynamodb",
            endpoint_url=os.environ["DYNAMODB_ENDPOINT"],
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
    )


def written_by(release: str) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((ITEMS / f"{release}.json").read_text())
    return written


def shifted(value: Any, milliseconds: int, name: str = "") -> Any:
    """Return an item, or a part of it called `name`, with all times later."""
    if name in TIMES_MS and "N" in value:
        return {"N": str(int(value["N"]) + milliseconds)}
    if name in TIMES_SECONDS and "N" in value:
        return {"N": str(int(value["N"]) + milliseconds // 1000)}
    if isinstance(value, dict):
        return {key: shifted(part, milliseconds, key) for key, part in value.items()}
    return value


@pytest.fixture(params=[FIRST_RELEASE])
def users(request: pytest.FixtureRequest, table: Table) -> dict[str, str]:
    """Store items as if a release had just written them.

    Returns the ids of the users, by the names of what happened to them.
    """
    written = written_by(request.param)
    age_ms = time.time_ns() // 1_000_000 - written["written_at_ms"]
    user_ids = {}
    for item in written["items"]:
        name = item["user_id"]["S"]
        user_ids[name] = f"{name}-{uuid.uuid4()}"
        identity = {"user_id": {"S": user_ids[name]}}
        table.put(shifted(item, age_ms) | identity)
    return user_ids


def start(api: httpx.Client, user_id: str, id: str, **fields: Any) -> httpx.Response:
    body = {"streamId": "film", **fields}
    return api.put(f"/users/{user_id}/streams/{id}", json=body)


def streams(api: httpx.Client, user_id: str) -> dict[str, dict[str, Any]]:
    """Return the live streams of a user, by id, in the order of the listing."""
    listing = api.get(f"/users/{user_id}/streams").json()
    return {stream["id"]: stream for stream in listing["streams"]}


def test_streams_of_an_earlier_release_are_live(
    api: httpx.Client, users: dict[str, str]
) -> None:
    live = streams(api, users["full"])

    assert live.keys() == {"tv", "phone"}
    assert live["tv"]["deviceName"] == "Living room"
    assert live["tv"]["title"] == "A film"


def test_a_stream_of_an_earlier_release_is_taken_over_by_its_device(
    api: httpx.Client, users: dict[str, str]
) -> None:
    before = streams(api, users["full"])["tv"]

    answer = start(api, users["full"], "tv")

    assert answer.status_code == 200, "it takes over its own slot"
    assert answer.json()["epoch"] > before["epoch"]


def test_slots_and_limits_of_an_earlier_release_count(
    api: httpx.Client, users: dict[str, str]
) -> None:
    assert start(api, users["replaced"], "e").status_code == 409
    assert start(api, users["evicting"], "e").status_code == 201, "it evicts"
    assert api.get(f"/users/{users['limited']}/limit").json()["limit"] == 1


@pytest.mark.parametrize(
    ("user", "id", "reason"),
    [
        ("stopped", "tv", "stopped"),
        ("evicting", "d0", "evicted"),
        ("replaced", "a", "replaced"),
    ],
)
def test_a_stream_that_an_earlier_release_ended_stays_ended(
    api: httpx.Client, users: dict[str, str], user: str, id: str, reason: str
) -> None:
    answer = api.get(f"/users/{users[user]}/streams/{id}")

    assert answer.status_code == 410
    assert answer.json()["reason"] == reason


def test_attributes_of_a_later_release_are_ignored(
    api: httpx.Client, table: Table, user_id: str
) -> None:
    """A rollback to this release is possible from one that stores more."""
    token = start(api, user_id, "tv").json()["token"]
    assert start(api, user_id, "web").status_code == 201
    assert start(api, user_id, "car", replace=["web"]).status_code == 201
    add_later_attributes(table, user_id)

    path = f"/users/{user_id}/streams"
    renewal = api.post(f"{path}/tv/heartbeat", json={"token": token})

    assert list(streams(api, user_id)) == ["tv", "car"]
    assert api.get(f"{path}/web").json()["reason"] == "replaced"
    assert renewal.status_code == 200
    assert start(api, user_id, "phone").status_code == 201
    assert start(api, user_id, "fifth").status_code == 409


def add_later_attributes(table: Table, user_id: str) -> None:
    """Add attributes and a reason that this release does not know."""
    later = {"zz": {"M": {"later": {"S": "x"}}}}
    item = table.get(user_id)
    for attribute in ("l", "d"):
        for stored in item[attribute]["M"].values():
            stored["M"] |= later
    ending = item["d"]["M"]["web"]["M"]
    item["d"]["M"]["old"] = {"M": ending | {"r": {"S": "a later reason"}}}
    table.put(item | later)


def test_an_item_can_be_converted_to_the_first_format(
    api: httpx.Client, table: Table, user_id: str
) -> None:
    body = {
        "streamId": "film",
        "deviceId": "tv",
        "deviceName": "Living room",
        "title": "A film",
        "metadata": {"x": "y"},
    }
    assert api.post(f"/users/{user_id}/streams", json=body).status_code == 201
    assert start(api, user_id, "phone").status_code == 201
    assert start(api, user_id, "web", replace=["phone"]).status_code == 201
    before = streams(api, user_id)

    assert table.rewrite(table.get(user_id))

    item = table.get(user_id)
    assert_has_the_first_format(item)
    assert item["leases"]["M"].keys() == item["epochs"]["M"].keys() == {"tv", "web"}
    assert item["leases"]["M"]["tv"]["M"]["title"] == {"S": "A film"}
    assert item["ended"]["M"]["phone"]["M"]["reason"] == {"S": "replaced"}
    assert leases(streams(api, user_id)) == leases(before)


def assert_has_the_first_format(item: Mapping[str, Any]) -> None:
    """Compare the names in an item with those that the first release has written."""
    written = written_by(FIRST_RELEASE)["items"]
    assert item.keys() <= {name for known in written for name in known}
    for attribute in ("leases", "ended"):
        known_fields = set().union(*(fields(known, attribute) for known in written))
        assert fields(item, attribute) <= known_fields


def fields(item: Mapping[str, Any], attribute: str) -> set[str]:
    """Return the names of the fields in the maps of an attribute."""
    return {name for stored in item[attribute]["M"].values() for name in stored["M"]}


def leases(listed: Mapping[str, Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (stream["id"], stream["epoch"], stream["expiresAt"])
        for stream in listed.values()
    ]


def test_an_item_that_changed_after_it_was_read_is_not_converted(
    api: httpx.Client, table: Table, user_id: str
) -> None:
    assert start(api, user_id, "tv").status_code == 201
    before = table.get(user_id)
    assert start(api, user_id, "web").status_code == 201
    after = table.get(user_id)

    assert not table.rewrite(before)

    assert table.get(user_id) == after

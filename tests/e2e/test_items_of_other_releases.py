"""During a deployment, and on the way back, two versions work on one table: each reads what the other has written.

`tests/items/RELEASE.json` holds items as a release wrote them; the release itself is run from the repository's history.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.servers import PROJECT

RELEASES = sorted(path.stem for path in (Path(__file__).parent / "items").glob("*.json"))
READ = """
import json, sys
import django
django.setup()
from django.test import Client
client = Client(headers={"Host": "localhost"})
print(json.dumps([[found.status_code, found.json()] for found in map(client.get, sys.argv[1:])]))
"""


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


@pytest.mark.parametrize("release", RELEASES)
def test_the_release_before_reads_what_this_one_writes(
    api: httpx.Client, tmp_path: Path, user_id: str, release: str
) -> None:
    body = {"streamId": "film", "deviceId": "tv", "deviceName": "Living room", "title": "A film"}
    assert api.post(f"/users/{user_id}/streams", json=body).status_code == 201
    assert api.put(f"/users/{user_id}/streams/phone", json={"streamId": "film"}).status_code == 201
    assert api.delete(f"/users/{user_id}/streams/phone").status_code == 204
    assert api.put(f"/users/{user_id}/limit", json={"limit": 7, "whenFull": "deny"}).status_code == 200
    listed, live, ended, limit = _ask(
        release,
        tmp_path,
        f"/users/{user_id}/streams",
        f"/users/{user_id}/streams/tv",
        f"/users/{user_id}/streams/phone",
        f"/users/{user_id}/limit",
    )
    assert [status for status, _ in (listed, live, ended, limit)] == [200, 200, 410, 200]
    assert (live[1]["deviceName"], live[1]["title"]) == ("Living room", "A film")
    assert ended[1]["reason"] == "stopped"
    assert (listed[1]["active"], limit[1]["limit"]) == (1, 7)


def _ask(release: str, folder: Path, *paths: str) -> list[tuple[int, dict[str, Any]]]:
    """What a release of the repository's history answers, on the same table."""
    code = subprocess.run(
        ["git", "archive", release, "streams", "streams_project", "clients"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(code.stdout)) as archive:
        archive.extractall(folder, filter="data")
    settings = {"DJANGO_SETTINGS_MODULE": "streams_project.settings", "DEBUG": "1", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return [(status, body) for status, body in json.loads(done.stdout.splitlines()[-1])]

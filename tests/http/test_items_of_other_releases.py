"""Every call works on an item of another release, and keeps what it has added."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.http.stored_items import (
    CALLS_ON_ONE_STREAM,
    CALLS_ON_THE_WHOLE_ITEM,
    Call,
    Item,
    read_item,
    write_item,
)
from tests.http.viewers import limit_url
from tests.viewer import Viewer

ADDED: Item = {"zz": {"S": "new"}}
LATER_REASON = {"S": "a later reason"}
LATER_BEHAVIOUR = {"S": "a later behaviour"}


def take_over(viewer: Viewer, tv: dict[str, Any]) -> httpx.Response:
    return viewer.api.put(f"{viewer.url}/web", json={"streamId": "show"})


def end_surplus(viewer: Viewer, tv: dict[str, Any]) -> httpx.Response:
    body = {"limit": 1, "endSurplus": True}
    return viewer.api.put(limit_url(viewer), json=body)


CALLS: dict[str, Call] = {
    **CALLS_ON_THE_WHOLE_ITEM,
    **CALLS_ON_ONE_STREAM,
    "take over": take_over,
    "end surplus": end_surplus,
}
NEW_STATUS = {"start": 201, "replace": 201}
WITHOUT_CONTENT = ("clear limit", "stop", "end", "end of an epoch")


@pytest.fixture
def client(server_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server_url, timeout=30) as client:
        yield client


@pytest.fixture
def viewer(client: httpx.Client, user_id: str) -> Viewer:
    return Viewer(client, user_id)


def play_on_another_release(viewer: Viewer) -> dict[str, Any]:
    """Play two streams of three, and add what another release could have stored.

    Returns the answer to the start of the first one.
    """
    tv = viewer.started(deviceId="tv", metadata={"genre": "news"})
    viewer.started(deviceId="web")
    viewer.started(deviceId="old")
    viewer.end("old")

    item = read_item(viewer.user_id)
    item |= ADDED | {"when_full": LATER_BEHAVIOUR}
    for lease in item["l"]["M"].values():
        lease["M"] |= ADDED
    item["l"]["M"]["tv"]["M"]["x"]["M"]["later"] = {"L": [{"N": "1"}]}
    item["d"]["M"]["old"]["M"] |= ADDED | {"r": LATER_REASON}
    write_item(item)
    return tv


@pytest.mark.parametrize("name", CALLS)
def test_each_call_keeps_what_another_release_has_added(
    viewer: Viewer, name: str
) -> None:
    tv = play_on_another_release(viewer)
    before = read_item(viewer.user_id)

    answer = CALLS[name](viewer, tv)

    success = NEW_STATUS.get(name, 204 if name in WITHOUT_CONTENT else 200)
    assert answer.status_code == success, answer.text
    after = read_item(viewer.user_id)
    assert after["zz"] == ADDED["zz"]
    assert after["d"]["M"]["old"] == before["d"]["M"]["old"]
    assert_leases_keep_what_was_added(before, after)
    if "limit" not in name and name != "end surplus":
        assert after["when_full"] == LATER_BEHAVIOUR


def assert_leases_keep_what_was_added(before: Item, after: Item) -> None:
    """Compare the leases of the playbacks that continue."""
    for id, lease in after["l"]["M"].items():
        lease_before = before["l"]["M"].get(id)
        if lease_before is None or lease_before["M"]["n"] != lease["M"]["n"]:
            continue
        assert lease["M"]["zz"] == ADDED["zz"]
        assert lease["M"].get("x") == lease_before["M"].get("x")


def test_a_heartbeat_that_resumes_or_revives_keeps_what_was_added(
    viewer: Viewer,
) -> None:
    tv = play_on_another_release(viewer)
    item = read_item(viewer.user_id)
    item["l"]["M"]["tv"]["M"]["e"] = {"N": "1000"}
    write_item(item)

    assert viewer.heartbeat("tv", tv["token"]).status_code == 200

    lease = read_item(viewer.user_id)["l"]["M"]["tv"]["M"]
    assert lease["zz"] == ADDED["zz"]
    assert lease["x"] == item["l"]["M"]["tv"]["M"]["x"]


def test_a_behaviour_of_another_release_denies_a_start_at_the_limit(
    viewer: Viewer,
) -> None:
    play_on_another_release(viewer)
    assert viewer.start(deviceId="phone").status_code == 201

    denial = viewer.start(deviceId="fourth")

    assert denial.status_code == 409
    limit = viewer.api.get(limit_url(viewer)).json()
    assert limit["whenFull"] == "deny"
    assert read_item(viewer.user_id)["when_full"] == LATER_BEHAVIOUR


@pytest.mark.parametrize("name", ["limit", "end surplus"])
def test_an_operator_replaces_a_behaviour_of_another_release(
    viewer: Viewer, name: str
) -> None:
    play_on_another_release(viewer)
    body = {"limit": 2, "whenFull": "evict-oldest", "endSurplus": name != "limit"}

    assert viewer.api.put(limit_url(viewer), json=body).status_code == 200
    assert read_item(viewer.user_id)["when_full"] == {"S": "evict-oldest"}


def test_a_stream_that_ended_for_a_reason_of_another_release_is_over(
    viewer: Viewer,
) -> None:
    play_on_another_release(viewer)
    answer = viewer.read("old")

    assert answer.status_code == 410
    assert answer.json()["reason"] == "stopped"


def test_an_erased_user_keeps_no_attribute_of_another_release(viewer: Viewer) -> None:
    play_on_another_release(viewer)

    answer = viewer.api.delete(f"/users/{viewer.user_id}")

    assert answer.status_code == 204
    assert "zz" not in read_item(viewer.user_id)

"""Starts of streams over HTTP, as a player sees them."""

from email.utils import parsedate_to_datetime

import pytest

from streams import tokens
from tests.http.viewers import ids_of, limit_url
from tests.viewer import Viewer


def test_a_minimal_request_is_admitted_three_times_and_then_denied(
    viewer: Viewer,
) -> None:
    statuses = [viewer.start("456").status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 409]


def test_the_answer_to_a_start_has_the_stream_its_token_and_its_location(
    viewer: Viewer,
) -> None:
    response = viewer.start(
        "456",
        deviceId="tv-1",
        deviceName="Living room",
        deviceType="tv",
        title="The Great Escape",
    )
    body = response.json()

    assert response.status_code == 201
    assert response.headers["Location"] == f"{viewer.url}/tv-1"
    assert {
        name: body[name]
        for name in ("id", "userId", "streamId", "deviceId", "deviceName", "title")
    } == {
        "id": "tv-1",
        "userId": viewer.user_id,
        "streamId": "456",
        "deviceId": "tv-1",
        "deviceName": "Living room",
        "title": "The Great Escape",
    }
    assert body["leaseSeconds"] == 60
    assert 18 <= body["heartbeatSeconds"] <= 20

    left = parsedate_to_datetime(response.headers["Expires"]) - parsedate_to_datetime(
        response.headers["Date"]
    )

    assert left.total_seconds() == 60
    assert (
        tokens.verify(body["token"], user_id=viewer.user_id, id="tv-1").hold.epoch
        == body["epoch"]
    )


def test_a_start_by_put_uses_the_id_in_the_url(viewer: Viewer) -> None:
    url = f"{viewer.url}/kitchen"
    first = viewer.api.put(url, json={"streamId": "456"})
    again = viewer.api.put(url, json={"streamId": "457", "deviceId": "other"})

    assert first.status_code == 201
    assert again.status_code == 200
    assert again.json()["id"] == "kitchen"
    assert viewer.list()["active"] == 1


def test_a_second_start_of_a_device_uses_the_same_slot(viewer: Viewer) -> None:
    first = viewer.started("456", deviceId="tv")
    again = viewer.start("457", deviceId="tv")

    assert again.status_code == 200
    assert again.json()["epoch"] > first["epoch"]
    assert [stream["streamId"] for stream in viewer.list()["streams"]] == ["457"]


@pytest.mark.parametrize("key", ["b7c1-retry", '"b7c1-retry"'])
def test_a_retry_with_the_same_idempotency_key_uses_the_same_slot(
    viewer: Viewer, key: str
) -> None:
    for _ in range(3):
        response = viewer.api.post(
            viewer.url, json={"streamId": "456"}, headers={"Idempotency-Key": key}
        )

    assert response.status_code == 200
    assert viewer.list()["active"] == 1


def test_the_device_id_takes_precedence_over_the_idempotency_key(
    viewer: Viewer,
) -> None:
    response = viewer.api.post(
        viewer.url,
        json={"streamId": "456", "deviceId": "tv"},
        headers={"Idempotency-Key": "k1"},
    )
    assert response.json()["id"] == "tv"


def test_each_start_without_an_identity_takes_a_slot(viewer: Viewer) -> None:
    assert viewer.started("456")["id"] != viewer.started("456")["id"]
    assert viewer.list()["active"] == 2


def test_a_denial_lists_the_holders_and_when_a_retry_can_succeed(
    viewer: Viewer,
) -> None:
    for device in ("tv", "phone", "web"):
        viewer.started("456", deviceId=device, deviceName=f"Ana's {device}")
    response = viewer.start("789")
    body = response.json()

    assert response.status_code == 409
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body["type"] == "stream-limit-reached"
    assert body["limit"] == 3
    assert [stream["deviceName"] for stream in body["streams"]] == [
        "Ana's tv",
        "Ana's phone",
        "Ana's web",
    ]
    assert not any("token" in stream for stream in body["streams"])
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_the_player_of_a_replaced_stream_learns_the_reason(
    viewer: Viewer,
) -> None:
    tv = viewer.started("1", deviceId="tv")
    viewer.started("2", deviceId="phone")
    viewer.started("3", deviceId="web")

    assert viewer.start("4", deviceId="car", replace=["tv"]).status_code == 201
    assert viewer.start("4", deviceId="car", replace=["tv"]).status_code == 200

    ended = viewer.heartbeat("tv", tv["token"])

    assert ended.status_code == 410
    assert {name: ended.json()[name] for name in ("type", "reason", "endedBy")} == {
        "type": "stream-ended",
        "reason": "replaced",
        "endedBy": "car",
    }
    assert ids_of(viewer.list()) == [
        "phone",
        "web",
        "car",
    ]


def test_evict_oldest_ends_the_oldest_stream(viewer: Viewer) -> None:
    viewer.api.put(limit_url(viewer), json={"limit": 2, "whenFull": "evict-oldest"})
    first = viewer.started("1", deviceId="tv")
    viewer.started("2", deviceId="phone")

    assert viewer.start("3", deviceId="web").status_code == 201
    assert viewer.heartbeat("tv", first["token"]).json()["reason"] == "evicted"

"""Ids that stand for no id, such as `undefined`: two devices must not share a slot."""

from typing import Any

import httpx
import pytest

from tests.http.requests_by_hand import assert_problem
from tests.http.viewers import ids_of
from tests.viewer import Viewer

NOT_GIVEN = [
    "null",
    "Null",
    "undefined",
    "Undefined",
    "none",
    "None",
    "nil",
    "NaN",
    "00",
    "000000000000000",
    "00000000-0000-0000-0000-000000000000",
    "00:00:00:00:00:00",
    "0.0.0.0",
]
BLANK = [
    "",
    " ",
    "   ",
]
GIVEN = [
    "0",
    "-",
    "1",
    "00000000-0000-0000-0000-000000000001",
    "nullable",
    "nils",
]


@pytest.mark.parametrize("device_id", [*BLANK, *NOT_GIVEN, None])
def test_two_devices_with_an_id_that_is_none_have_two_slots(
    viewer: Viewer, device_id: str | None
) -> None:
    first = viewer.started(deviceId=device_id)
    second = viewer.started(deviceId=device_id)
    renewed = viewer.heartbeat(first["id"], first["token"])

    assert first["id"] != second["id"]
    assert first["deviceId"] is None
    assert renewed.status_code == 200
    assert viewer.list()["active"] == 2


@pytest.mark.parametrize("device_id", GIVEN)
def test_an_id_that_resembles_none_is_an_id(viewer: Viewer, device_id: str) -> None:
    viewer.started(deviceId=device_id)
    again = viewer.started(deviceId=device_id)

    assert again["id"] == device_id
    assert ids_of(viewer.list()) == [device_id]


def start_with_key(viewer: Viewer, key: str, **fields: Any) -> httpx.Response:
    return viewer.api.post(
        viewer.url,
        json={"streamId": "456", **fields},
        headers={"Idempotency-Key": key},
    )


@pytest.mark.parametrize("key", [*NOT_GIVEN, '"undefined"'])
def test_an_idempotency_key_that_is_none_identifies_no_stream(
    viewer: Viewer, key: str
) -> None:
    first = start_with_key(viewer, key).json()
    second = start_with_key(viewer, key).json()

    assert first["id"] != second["id"]


def test_the_key_identifies_a_start_whose_device_id_is_none(viewer: Viewer) -> None:
    for status in (201, 200):
        answer = start_with_key(viewer, "attempt-1", deviceId="undefined")
        assert answer.status_code == status
        assert answer.json()["id"] == "attempt-1"


@pytest.mark.parametrize("id", NOT_GIVEN)
def test_a_start_under_an_id_that_is_none_is_refused(viewer: Viewer, id: str) -> None:
    """In a URL the id is required, so it cannot count as not given."""
    body = {"streamId": "456"}
    answer = viewer.api.put(f"{viewer.url}/{id}", json=body)

    assert_problem(answer, 400, "invalid-request", "id")
    assert viewer.list()["active"] == 0


@pytest.mark.parametrize(
    ("sent", "stream_id"),
    [
        (456, "456"),
        (0, "0"),
        (-7, "-7"),
        (12345678901234567890, "12345678901234567890"),
    ],
    ids=str,
)
def test_an_integer_as_stream_id_is_its_digits(
    viewer: Viewer, sent: int, stream_id: str
) -> None:
    body = {"streamId": sent, "deviceId": "tv"}
    started = viewer.api.post(viewer.url, json=body).json()

    assert started["streamId"] == stream_id


@pytest.mark.parametrize("stream_id", ["null", "undefined", "00"])
def test_a_stream_id_is_any_text(viewer: Viewer, stream_id: str) -> None:
    """It names content and holds no slot, so such a text harms no other device."""
    started = viewer.started(stream_id)
    assert started["streamId"] == stream_id

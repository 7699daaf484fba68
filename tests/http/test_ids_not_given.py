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
BLANK = ["", " ", "   "]
GIVEN = ["0", "-", "1", "00000000-0000-0000-0000-000000000001", "nullable", "nils"]


@pytest.mark.parametrize("device_id", [*BLANK, *NOT_GIVEN, None])
def test_two_devices_with_an_id_that_is_none_have_two_slots(
    viewer: Viewer, device_id: str | None
) -> None:
    first = viewer.started(deviceId=device_id)
    second = viewer.started(deviceId=device_id)

    assert first["id"] != second["id"]
    assert first["deviceId"] is None
    assert viewer.heartbeat(first["id"], first["token"]).status_code == 200
    assert viewer.list()["active"] == 2


@pytest.mark.parametrize("device_id", GIVEN)
def test_an_id_that_resembles_none_is_an_id(viewer: Viewer, device_id: str) -> None:
    viewer.started(deviceId=device_id)
    assert viewer.started(deviceId=device_id)["id"] == device_id
    assert ids_of(viewer.list()) == [device_id]


def start_with_key(viewer: Viewer, key: str, **fields: Any) -> httpx.Response:
    body = {"streamId": "456", **fields}
    return viewer.api.post(viewer.url, json=body, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("key", ["", '""', *NOT_GIVEN, '"undefined"'])
def test_an_idempotency_key_that_is_none_identifies_no_stream(
    viewer: Viewer, key: str
) -> None:
    ids = {start_with_key(viewer, key).json()["id"] for _ in range(2)}
    assert len(ids) == 2


def test_the_key_identifies_a_start_whose_device_id_is_none(viewer: Viewer) -> None:
    for status in (201, 200):
        answer = start_with_key(viewer, "attempt-1", deviceId="undefined")
        assert answer.status_code == status
        assert answer.json()["id"] == "attempt-1"


@pytest.mark.parametrize("id", NOT_GIVEN)
def test_a_start_under_an_id_that_is_none_is_refused(viewer: Viewer, id: str) -> None:
    """In a URL the id is required, so it cannot count as not given."""
    answer = viewer.api.put(f"{viewer.url}/{id}", json={"streamId": "456"})
    assert_problem(answer, 400, "invalid-request", "id")
    assert viewer.list()["active"] == 0


@pytest.mark.parametrize(
    ("sent", "stream_id"),
    [
        (456, "456"),
        (0, "0"),
        (-7, "-7"),
        (456.0, "456"),
        (12345678901234567890, "12345678901234567890"),
    ],
    ids=str,
)
def test_an_integer_as_stream_id_is_its_digits(
    viewer: Viewer, sent: float, stream_id: str
) -> None:
    body = {"streamId": sent, "deviceId": "tv"}
    assert viewer.api.post(viewer.url, json=body).json()["streamId"] == stream_id
    assert viewer.started(stream_id, deviceId="tv")["streamId"] == stream_id


@pytest.mark.parametrize("stream_id", ["null", "undefined", "00"])
def test_a_stream_id_is_any_text(viewer: Viewer, stream_id: str) -> None:
    """It names content and holds no slot, so such a text harms no other device."""
    assert viewer.started(stream_id)["streamId"] == stream_id

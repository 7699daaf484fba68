"""An invalid body gets a 400 that names the field, and no state changes."""

import json
from typing import Any

import pytest

from streams.models import UserStreams
from tests.http.requests_by_hand import JSON, assert_problem
from tests.http.viewers import limit_url
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")

LONG = "x" * 129

HOSTILE_JSON: dict[str, bytes] = {
    "deep": b'{"streamId":' + b"[" * 8000 + b"]" * 8000 + b"}",
    "deep objects": b'{"a":' * 2500 + b"1" + b"}" * 2500,
    "wide": b"{" + b",".join(b'"%d":1' % number for number in range(1800)) + b"}",
    "a list of empty ids": b'{"streamId":"4","replace":['
    + b",".join([b'""'] * 5000)
    + b"]}",
    "a list of objects": b'{"streamId":"4","replace":['
    + b",".join([b"{}"] * 5000)
    + b"]}",
    "a number that is too large": b'{"streamId":1e999}',
    "a number of many digits": b'{"streamId":' + b"9" * 16_000 + b"}",
    "a fraction of many digits": b'{"streamId":0.' + b"9" * 16_000 + b"}",
    "a name twice": b'{"streamId":"456","streamId":"457"}',
    "a name twice, once escaped": b'{"streamId":"456","\\u0073treamId":"457"}',
    "a name twice in an inner object": b'{"streamId":"456","title":{"a":1,"a":2}}',
    "a name with an unpaired surrogate": b'{"streamId":"456","\\ud800":1}',
    "a comment": b'{"streamId":"456"/**/}',
    "a trailing comma": b'{"streamId":"456",}',
    "single quotes": b"{'streamId':'456'}",
    "Infinity": b'{"streamId":"456","title":-Infinity}',
    "a prefix against JSON hijacking": b')]}\',\n{"streamId":"456"}',
}


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_rejected_with_a_short_answer(
    viewer: Viewer, body: bytes
) -> None:
    response = viewer.api.post(
        viewer.url, content=body, headers={"Content-Type": "application/json"}
    )

    assert_problem(response, 400, "invalid-request")
    assert len(response.content) < 4096
    assert UserStreams.count(viewer.user_id) == 0


@pytest.mark.parametrize(
    "limit",
    [b"1e400", b"9" * 4000, b"-0.5", b"3.5", b"1e-1", b"-1", b"NaN", b'"\\ud800"'],
)
def test_a_number_that_is_not_a_limit_is_rejected(viewer: Viewer, limit: bytes) -> None:
    for field in (b'"limit":%s', b'"limit":3,"whenFull":%s'):
        body = b"{" + field % limit + b"}"
        url = limit_url(viewer)
        response = viewer.api.put(
            url, content=body, headers={"Content-Type": "application/json"}
        )
        assert_problem(response, 400, "invalid-request")
    assert UserStreams.count(viewer.user_id) == 0


BODIES: dict[str, tuple[Any, str]] = {
    "empty object": ({}, "streamId"),
    "array": ([1], "body"),
    "text": ("456", "body"),
    "null": (None, "body"),
    "number": (456, "body"),
    "stream id a fraction": ({"streamId": 4.56}, "streamId"),
    "stream id of many digits": ({"streamId": 10**256}, "streamId"),
    "stream id true": ({"streamId": True}, "streamId"),
    "stream id null": ({"streamId": None}, "streamId"),
    "stream id an object": ({"streamId": {}}, "streamId"),
    "stream id an array": ({"streamId": ["456"]}, "streamId"),
    "stream id empty": ({"streamId": ""}, "streamId"),
    "stream id too long": ({"streamId": "x" * 257}, "streamId"),
    "stream id with NUL": ({"streamId": "4\x0056"}, "streamId"),
    "stream id with a newline": ({"streamId": "4\n56"}, "streamId"),
    "stream id with a lone surrogate": ({"streamId": "\ud800"}, "streamId"),
    "device id a number": ({"streamId": "456", "deviceId": 7}, "deviceId"),
    "device id with spaces": ({"streamId": "456", "deviceId": " tv"}, "deviceId"),
    "device id too long": ({"streamId": "456", "deviceId": LONG}, "deviceId"),
    "device id with a slash": ({"streamId": "456", "deviceId": "a/b"}, "deviceId"),
    "device id with a look-alike": (
        {"streamId": "456", "deviceId": "tv\u0430"},
        "deviceId",
    ),
    "device id with a newline at its end": (
        {"streamId": "456", "deviceId": "tv\n"},
        "deviceId",
    ),
    "replace not a list": ({"streamId": "456", "replace": "tv"}, "replace"),
    "replace of a bad id": ({"streamId": "456", "replace": ["a b"]}, "replace"),
    "replace too long": ({"streamId": "456", "replace": ["a"] * 101}, "replace"),
    "replace of a bad epoch": (
        {"streamId": "456", "replace": [{"id": "tv", "epoch": "1"}]},
        "replace",
    ),
    "replace without an id": (
        {"streamId": "456", "replace": [{"epoch": 1}]},
        "replace",
    ),
}


RAW: dict[str, bytes] = {
    "no body": b"",
    "malformed": b'{"streamId":',
    "two values": b'{"streamId":"456"}{}',
    "invalid UTF-8": b'{"streamId":"\xff\xfe"}',
    "UTF-16": '{"streamId":"456"}'.encode("utf-16"),
    "deep nesting": b"[" * 8000 + b"]" * 8000,
    "deep nesting inside": b'{"streamId":' + b'{"a":' * 2500 + b"1" + b"}" * 2501,
    "NaN": b'{"streamId":NaN}',
    "a number of many digits": b'{"streamId":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize(("body", "field"), BODIES.values(), ids=BODIES)
def test_a_start_with_an_invalid_body_names_the_field(
    viewer: Viewer, body: Any, field: str
) -> None:
    response = viewer.api.post(viewer.url, content=json.dumps(body), headers=JSON)
    assert_problem(response, 400, "invalid-request", field)
    assert UserStreams.count(viewer.user_id) == 0


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
@pytest.mark.parametrize("path", ["streams", "streams/tv/heartbeat", "limit"])
def test_a_body_that_is_not_json_is_rejected(
    viewer: Viewer, content: bytes, path: str
) -> None:
    method = "PUT" if path == "limit" else "POST"
    response = viewer.api.request(
        method, f"/users/{viewer.user_id}/{path}", content=content, headers=JSON
    )

    assert_problem(response, 400, "invalid-request")
    assert response.json()["errors"]
    assert UserStreams.count(viewer.user_id) == 0


def test_all_invalid_fields_are_named_in_one_answer(viewer: Viewer) -> None:
    response = viewer.api.post(
        viewer.url, json={"streamId": "", "deviceId": "a/b", "replace": 7}
    )
    assert response.json()["errors"].keys() == {"streamId", "deviceId", "replace"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "limit"),
        ({"limit": "3"}, "limit"),
        ({"limit": 3.5}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": 10**30}, "limit"),
        ({"limit": 10**400}, "limit"),
        ({"limit": None}, "limit"),
        ({"limit": 3, "whenFull": "explode"}, "whenFull"),
        ({"limit": 3, "whenFull": []}, "whenFull"),
        ({"limit": 3, "when_full": "deny"}, "when_full"),
    ],
    ids=str,
)
def test_an_invalid_limit_names_the_field(
    viewer: Viewer, body: Any, field: str
) -> None:
    assert_problem(
        viewer.api.put(limit_url(viewer), json=body),
        400,
        "invalid-request",
        field,
    )
    assert UserStreams.count(viewer.user_id) == 0


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 3000, None, 7, {}], ids=str)
def test_an_invalid_token_names_the_field(viewer: Viewer, token: Any) -> None:
    viewer.started("456", deviceId="tv")
    assert_problem(viewer.heartbeat("tv", token), 400, "invalid-request", "token")
    assert_problem(viewer.stop("tv", token), 400, "invalid-request", "token")
    assert viewer.list()["active"] == 1


@pytest.mark.parametrize("key", ["a b", "", '""', LONG, "a/b", '"a', 'a"', '"'])
def test_an_invalid_idempotency_key_is_named(viewer: Viewer, key: str) -> None:
    response = viewer.api.post(
        viewer.url, json={"streamId": "456"}, headers={"Idempotency-Key": key}
    )
    assert_problem(response, 400, "invalid-request", "Idempotency-Key")


def test_a_body_above_the_size_limit_is_rejected(viewer: Viewer) -> None:
    response = viewer.api.post(
        viewer.url, content=b'{"streamId":"' + b"x" * 1_000_000 + b'"}', headers=JSON
    )
    assert_problem(response, 413, "payload-too-large")


def test_a_byte_order_mark_before_json_is_skipped(viewer: Viewer) -> None:
    body = b'\xef\xbb\xbf{"streamId":"456"}'
    answer = viewer.api.post(viewer.url, content=body, headers=JSON)

    assert answer.status_code == 201
    assert answer.json()["streamId"] == "456"


@pytest.mark.parametrize("number", ["1e-200", "1e200", "1e-131", "0.1", "-1e125"])
def test_a_number_in_metadata_never_causes_an_error(
    viewer: Viewer, number: str
) -> None:
    body = f'{{"streamId":"456","metadata":{{"rating":{number}}}}}'
    answer = viewer.api.post(viewer.url, content=body.encode(), headers=JSON)

    assert answer.status_code == 201
    assert viewer.list()["active"] == 1

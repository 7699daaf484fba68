"""Ids of users and streams in paths, bodies and headers."""

from urllib.parse import quote, unquote

import pytest

from streams.models import UserStreams
from tests.http.requests_by_hand import (
    BODY,
    assert_problem,
    request_raw,
    send_bytes,
    start_request,
)
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")

LONG = "x" * 129

CONFUSABLES = {
    "Cyrillic a": "\u0430na",
    "Greek omicron": "b\u03bfb",
    "fullwidth a": "\uff41na",
    "the Kelvin sign": "\u212aay",
    "dotless i": "\u0131an",
    "Arabic digits": "\u0661\u0662",
    "a combining accent": "ana\u0301",
    "a zero-width joiner": "a\u200dna",
    "a soft hyphen": "a\u00adna",
    "a right-to-left override": "\u202eana",
    "a non-breaking space": "a\u00a0na",
    "a line separator": "a\u2028na",
    "mathematical letters": "\U0001d41ana",
    "a fullwidth slash": "a\uff0fb",
}


@pytest.mark.parametrize("id", CONFUSABLES.values(), ids=CONFUSABLES)
def test_an_id_that_resembles_another_is_rejected(
    viewer: Viewer, server_url: str, id: str
) -> None:
    assert_problem(
        request_raw(server_url, "PUT", f"/users/{quote(id)}/streams/tv", BODY),
        400,
        "invalid-request",
        "userId",
    )
    assert_problem(
        request_raw(server_url, "PUT", f"{viewer.url}/{quote(id)}", BODY),
        400,
        "invalid-request",
        "id",
    )
    assert_problem(viewer.start(deviceId=id), 400, "invalid-request", "deviceId")
    assert_problem(viewer.start(replace=["tv", id]), 400, "invalid-request", "replace")

    statuses, _ = send_bytes(
        server_url,
        start_request(
            viewer, b"Content-Length: 18", b"Idempotency-Key: " + id.encode()
        ),
    )

    assert statuses == [400]
    assert UserStreams.count(viewer.user_id) == 0


BAD_IDS = {
    "empty": "",
    "too long": LONG,
    "a space": "a%20b",
    "a slash": "a%2Fb",
    "two slashes": "a%2F%2Fb",
    "a backslash": "a%5Cb",
    "NUL": "a%00b",
    "a newline": "a%0A",
    "a carriage return": "a%0D%0AX-Evil:%201",
    "invalid UTF-8": "a%FF",
    "an accent": "%C3%A9",
    "a percent sign": "a%25b",
    "a question mark": "a%3Fb",
    "a look-alike": "%D0%B0na",
}


BAD_USER_IDS = {name: id for name, id in BAD_IDS.items() if "slash" not in name} | {
    "too long": "x" * 256,
    "a hash": "a%23b",
    "a backslash": "a%5Cb",
    "a dot": "%2E",
    "two dots": "%2E%2E",
}
del BAD_USER_IDS["empty"], BAD_USER_IDS["a space"]


@pytest.mark.parametrize("id", BAD_USER_IDS.values(), ids=BAD_USER_IDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "streams"),
        ("GET", "streams"),
        ("GET", "limit"),
        ("DELETE", "streams/tv"),
    ],
)
def test_an_invalid_user_id_is_named(
    server_url: str, method: str, path: str, id: str
) -> None:
    response = request_raw(
        server_url,
        method,
        f"/users/{id}/{path}",
        b'{"streamId":"456"}' * (method == "POST"),
    )
    assert_problem(response, 400, "invalid-request", "userId")


@pytest.mark.parametrize("id", ["", "a%2Fb", "a%2F%2Fb"])
def test_a_slash_in_an_id_addresses_another_path(server_url: str, id: str) -> None:
    assert_problem(
        request_raw(server_url, "GET", f"/users/{id}/streams"), 404, "not-found"
    )


@pytest.mark.parametrize(
    "id",
    [
        "CN=Jo%20Bloggs,OU=x",
        "jo+tag@example.com",
        "YWJj+ZGVm==",
        "auth0%7C123",
        "me",
        "streams",
        "~",
    ],
)
def test_a_user_id_may_contain_printable_ascii(viewer: Viewer, id: str) -> None:
    user = f"/users/{viewer.user_id}{id}"
    started = viewer.api.post(f"{user}/streams", json={"streamId": "456"})

    assert started.status_code == 201
    assert (
        viewer.api.get(started.headers["Location"]).json()["userId"]
        == f"{viewer.user_id}{unquote(id)}"
    )


BAD_STREAM_IDS = {
    name: id for name, id in BAD_IDS.items() if id and "slash" not in name
} | {"a backslash": "a%5Cb"}


@pytest.mark.parametrize("id", BAD_STREAM_IDS.values(), ids=BAD_STREAM_IDS)
@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/heartbeat")],
)
def test_an_invalid_stream_id_is_named(
    server_url: str, user_id: str, method: str, rest: str, id: str
) -> None:
    response = request_raw(server_url, method, f"/users/{user_id}/streams/{id}{rest}")
    assert_problem(response, 400, "invalid-request", "id")
    assert UserStreams.count(user_id) == 0


def test_bytes_that_are_not_utf_8_in_a_path_are_rejected(server_url: str) -> None:
    assert_problem(
        request_raw(server_url, "GET", "/users/\xff\xfe/streams"),
        400,
        "invalid-request",
        "request",
    )

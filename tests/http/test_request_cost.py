"""The cost of a hostile request: similar to an ordinary one, and no lasting memory.

Cost is counted in function calls, because these are the same on every machine.
"""

import encodings
import json
import sys
import time
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from django.urls import resolve

from streams_project.wsgi import application

Answer = tuple[int, dict[str, str], bytes]
BODY = b'{"streamId":"456"}'


def ask(
    method: str,
    path: str,
    body: bytes = b"",
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request in this process and thread."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "application/json",
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    started: list[Any] = []
    content = b"".join(application(environ, lambda *start: started.extend(start)))
    return int(started[0].split()[0]), dict(started[1]), content


def work(*request: Any, **more: Any) -> tuple[int, Answer]:
    """Return the number of functions that a request calls, and its answer.

    Functions of Python and of C count.
    """
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    ask(*request, **more)  # imports, compiles and connects once
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        answer = ask(*request, **more)
    finally:
        sys.setprofile(before)

    return calls, answer


INTEGERS = b'{"streamId":"4","replace":[' + b"1," * 8000 + b"1]}"
IDS = json.dumps({"streamId": "4", "replace": ["a"] * 3000}).encode()
CODECS = ";".join(f"q*={number}''x" for number in range(400))
HOSTILE: dict[str, tuple[dict[str, Any], int]] = {
    "a query string of 8 KB": ({"query": "a" * 8192}, 201),
    "a query string of 4,000 parameters": ({"query": "a&" * 4096}, 201),
    "a query string of 2,700 escapes": ({"query": "%ff" * 2730}, 201),
    "16 KB of integers to replace": ({"body": INTEGERS}, 400),
    "3,000 ids to replace": ({"body": IDS}, 400),
    "60 KB of media types": ({"headers": {"Accept": "a/b;q=0.1," * 6000}}, 201),
    "a media type of 400 codecs": ({"headers": {"Accept": f"text/html;{CODECS}"}}, 201),
    "a content type of 60 KB": (
        {"headers": {"Content-Type": "application/json;" + "a=b;" * 15_000}},
        415,
    ),
    "a charset of 6,000 characters": (
        {"headers": {"Content-Type": "application/json;charset=" + "x" * 6000}},
        415,
    ),
    "cookies of 60 KB": ({"headers": {"Cookie": "a=b;" * 15_000}}, 201),
    "an origin of 60 KB": ({"headers": {"Origin": "https://" + "a." * 30_000}}, 201),
    "100 headers": ({"headers": {f"X-{number}": "1" for number in range(100)}}, 201),
}


@pytest.mark.parametrize(("hostile", "status"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_costs_at_most_twice_an_ordinary_one(
    user_id: str, hostile: dict[str, Any], status: int
) -> None:
    path = f"/users/{user_id}/streams/tv"
    ordinary, _ = work("PUT", path, BODY)
    spent, (answer_status, _, content) = work(
        "PUT", path, hostile.pop("body", BODY), **hostile
    )

    assert answer_status in (status, 200 if status == 201 else status)
    assert spent <= 2 * ordinary
    assert len(content) < 4096


def test_a_denial_costs_about_as_much_as_a_start(user_id: str) -> None:
    for device in ("phone", "tablet", "tv"):
        ordinary, _ = work("PUT", f"/users/{user_id}/streams/{device}", BODY)

    spent, (status, _, content) = work("PUT", f"/users/{user_id}/streams/web", BODY)

    assert status == 409
    assert len(json.loads(content)["streams"]) == 3
    assert spent <= 1.15 * ordinary


PATHS = {
    "many streams": "/users" + "/streams/" * 12_000,
    "many slashes": "/users" + "/" * 100_000,
    "one long id": "/users/" + "x" * 100_000 + "/streams",
    "bytes that are not UTF-8": "/users/" + "\xff" * 100_000,
    "a newline at the end": "/users/" + "a/streams/" * 10_000 + "\n",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "FOO"])
def test_rejecting_a_long_path_costs_less_than_a_health_check(
    method: str, path: str
) -> None:
    ordinary, _ = work("GET", "/healthz")
    spent, (status, headers, content) = work(method, path)

    assert status == 400
    assert json.loads(content)["errors"].keys() == {"path"}
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert spent <= ordinary


def test_the_length_of_a_path_is_that_of_the_decoded_path() -> None:
    within, over = "/" + "x" * 1023, "/" + "x" * 1024
    assert ask("GET", within)[0] == 404
    assert ask("GET", over)[0] == 400


@pytest.mark.parametrize(
    "path",
    ["/users/" + "x" * 1000, "/users" + "/streams/" * 100, "/users" + "/" * 1000],
)
def test_the_longest_path_is_resolved_within_5_milliseconds(
    path: str,
) -> None:
    def seconds() -> float:
        began = time.thread_time()
        resolve(path)
        return time.thread_time() - began

    assert min(seconds() for _ in range(5)) < 0.005


CODEC_NAMES = {
    "a charset": {"Content-Type": "application/json; charset={name}"},
    "a charset of RFC 2231": {"Content-Type": "application/json; charset*={name}''x"},
    "another parameter of RFC 2231": {
        "Content-Type": "application/json; profile*={name}''x"
    },
    "a parameter of a media type": {
        "Accept": "text/html; q*={name}''1, application/json; a*={name}''1"
    },
    "an encoding": {
        "Content-Encoding": "{name}",
        "Accept-Encoding": "{name}",
        "Accept-Charset": "{name}",
    },
}


@pytest.mark.parametrize("headers", CODEC_NAMES.values(), ids=CODEC_NAMES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_cannot_make_the_service_look_up_a_codec(
    user_id: str, method: str, headers: dict[str, str]
) -> None:
    path = f"/users/{user_id}/streams"
    before = set(encodings._cache)
    for number in range(100):
        named = {
            key: value.format(name=f"codec-{number}") for key, value in headers.items()
        }
        status, _, _ = ask(
            method, path, b"{}" if method == "POST" else b"", "a=1", named
        )
        assert status in (200, 400, 415)

    assert set(encodings._cache) == before

"""Arbitrary requests, over WSGI or as an event of Lambda.

No answer is a 500, is HTML that the request did not accept, or takes more than
50 ms of processor time. Each case that once failed is an example here.
"""

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
from tests.http.generated_requests import requests
from tests.lambda_events import HOSTS, WAYS, header, lambda_handler

MAX_CPU_SECONDS = 0.05


CASES = 1000


settings_of_cases = settings(
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
    """Return the answer, and check its processor time.

    A request that took long is repeated, because the first of its kind can be slow.
    """
    for is_last in (False, False, True):
        began = time.thread_time()
        answer = ask()
        spent = time.thread_time() - began
        if spent <= MAX_CPU_SECONDS:
            break
        assert not is_last, f"{spent:.3f} s of processor time"

    return answer


def judge(status: int, content_type: str, body: bytes, *, accept: str) -> None:
    """Check the properties of every answer."""
    assert status < 500, body
    assert len(body) < 64 * 1024 or status == 200, (
        "the answer to a rejected request is short"
    )

    if status >= 400 and body:
        is_page = content_type.startswith("text/html") and "text/html" in accept
        assert is_page or content_type == "application/problem+json", content_type
        assert is_page or json.loads(body)["status"] == status


def over_wsgi(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> None:
    """Send a request as a WSGI server does, with bytes as latin-1."""
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
    """Send a request as API Gateway and similar services do."""
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


@settings_of_cases
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
def test_no_request_over_wsgi_makes_the_service_fail(**request: Any) -> None:
    over_wsgi(**request)


@settings_of_cases
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
def test_no_event_of_lambda_makes_the_service_fail(**request: Any) -> None:
    over_lambda(**request)

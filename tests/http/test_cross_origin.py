"""Web players of other origins, and the forms of a request target."""

import http.client
import re
from typing import Any

import httpx
import pytest
from corsheaders.conf import conf
from corsheaders.defaults import default_headers
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

from streams_project.cross_origin import (
    ALLOWED_HEADERS,
    LOOPBACK_ORIGINS,
    CrossOriginMiddleware,
    log_refused_preflights,
)


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:5173",
        "http://127.0.0.1:8000",
        "https://[::1]:3000",
        "http://player.localhost",
        "http://tv.player.localhost:5173",
        "http://127.0.0.2",
    ],
)
def test_open_access_allows_web_players_of_this_machine(
    api: httpx.Client, origin: str
) -> None:
    answer = api.get("/healthz", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    "origin",
    ["https://localhost.example.com", "http://127.0.0.1.example.com", "null", "*", ""],
)
def test_other_origins_are_not_of_this_machine(origin: str) -> None:
    assert re.match(LOOPBACK_ORIGINS, origin) is None


def test_the_usual_headers_of_web_players_are_allowed() -> None:
    assert set(default_headers) <= set(ALLOWED_HEADERS)
    assert {"x-requested-with", "x-csrftoken"} <= set(ALLOWED_HEADERS)


def headers_of(middleware: type[CorsMiddleware], sent: dict[str, str]) -> set[Any]:
    """Return the headers of an answer to a request with these headers."""
    answer = middleware(lambda request: HttpResponse(headers={"Vary": "accept"}))(
        RequestFactory().get("/users/ana/streams", headers=sent)
    )
    return set(answer.items())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Origin": "https://watch.example.com"},
        {"Origin": "https://other.example.com"},
        {"Origin": ""},
    ],
    ids=["no origin", "an allowed origin", "another origin", "an empty origin"],
)
@pytest.mark.parametrize("path", ["^.*$", "^/other/"], ids=["all paths", "other paths"])
def test_an_answer_has_the_headers_of_django_cors_headers(
    settings: Any, sent: dict[str, str], path: str
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://watch.example.com"]
    settings.CORS_URLS_REGEX = path
    expected = headers_of(CorsMiddleware, sent)
    assert headers_of(CrossOriginMiddleware, sent) == expected


def test_an_answer_to_a_caller_without_origin_varies_by_it() -> None:
    answer = headers_of(CrossOriginMiddleware, {})
    assert ("Vary", "accept, origin") in answer
    assert not [name for name, _ in answer if name.startswith("Access-Control")]


def test_each_setting_that_django_cors_headers_reads_is_set() -> None:
    names = [name for name in vars(type(conf)) if name.startswith("CORS_")]
    unset = {name for name in names if not hasattr(settings, name)}
    assert unset == {"CORS_ALLOW_METHODS", "CORS_PREFLIGHT_MAX_AGE"}  # of a preflight


def preflight(headers: dict[str, str], answer: dict[str, str]) -> None:
    """Send a preflight that the service answers with these headers."""
    middleware = log_refused_preflights(lambda request: HttpResponse(headers=answer))
    names = {"Access-Control-Request-Method": "POST", **headers}
    middleware(RequestFactory().options("/users/ana/streams", headers=names))


def test_a_refused_origin_leaves_a_line_that_names_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    preflight({"Origin": "https://watch.example.com"}, {})
    assert "'https://watch.example.com'" in caplog.text
    assert "CORS_ALLOWED_ORIGINS" in caplog.text


def test_a_refused_header_leaves_a_line_that_names_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    preflight(
        {
            "Origin": "https://watch.example.com",
            "Access-Control-Request-Headers": "content-type, x-player",
        },
        {
            "Access-Control-Allow-Origin": "https://watch.example.com",
            "Access-Control-Allow-Headers": "Content-Type",
        },
    )
    assert "x-player. Add them to CORS_ALLOW_HEADERS" in caplog.text


def test_an_allowed_preflight_leaves_no_line(caplog: pytest.LogCaptureFixture) -> None:
    preflight({}, {"Access-Control-Allow-Origin": "https://watch.example.com"})
    assert caplog.text == ""


def answer_to(server_url: str, method: str, target: str) -> tuple[int, str | None]:
    address = server_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.putrequest(method, target, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Content-Type")


@pytest.mark.parametrize(
    ("method", "target"),
    [("OPTIONS", "*"), ("GET", "http://127.0.0.1/healthz"), ("GET", "healthz")],
)
def test_another_request_target_gets_a_problem(
    server_url: str, method: str, target: str
) -> None:
    status, content_type = answer_to(server_url, method, target)
    assert (status, content_type) == (404, "application/problem+json")

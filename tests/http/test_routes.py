"""Every route answers every method and media type, with and without credentials."""

import hashlib
import itertools
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from django.urls import URLPattern
from rest_framework.views import APIView

from streams.authentication import ApiKeyAuthentication
from streams.urls import urlpatterns

API_ROUTES = [route for route in urlpatterns if hasattr(route.callback, "cls")]
WITH_BODY = ("POST", "PUT", "PATCH")
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "FOO")
ACCEPTED = (
    "application/json",
    "application/problem+json",
    "text/html",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    "text/plain",
    "image/png",
    "*/*",
    "not a type",
)
CONTENT_TYPES = ("application/json", "text/plain", "multipart/form-data")
BODIES = (b"", b"{}", b'{"streamId": "456", "token": "x", "limit": 1}')
KEY = "a-key-of-a-back-end"
CREDENTIALS: dict[str, dict[str, str]] = {
    "open access": {},
    "no credentials": {},
    "an administrator": {"X-API-Key": KEY},
}


@pytest.fixture(params=CREDENTIALS)
def credentials(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Return the headers of a caller, of a service with or without credentials."""
    if request.param == "open access":
        return {}

    digest = hashlib.sha256(KEY.encode()).hexdigest()
    scopes = frozenset({"streams:operate", "streams:admin"})
    settings.API_KEYS = [SimpleNamespace(name="ops", sha256=digest, scopes=scopes)]
    settings.OPEN_ACCESS = False
    monkeypatch.setattr(APIView, "authentication_classes", [ApiKeyAuthentication])
    return CREDENTIALS[request.param]


def path_of(route: URLPattern, user_id: str) -> str:
    return "/" + str(route.pattern).replace("<str:user_id>", user_id).replace(
        "<str:id>", "tv"
    )


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as client:
        yield client


@pytest.mark.parametrize("route", urlpatterns, ids=lambda route: f"/{route.pattern}")
def test_no_request_to_a_route_is_a_failure_of_the_service(
    client: httpx.Client,
    server_url: str,
    user_id: str,
    credentials: dict[str, str],
    route: URLPattern,
) -> None:
    url = server_url + path_of(route, user_id)
    contents = itertools.cycle(itertools.product(CONTENT_TYPES, BODIES))

    for method, accepted in itertools.product(METHODS, ACCEPTED):
        content_type, body = next(contents)
        headers = {"Accept": accepted, "Content-Type": content_type, **credentials}
        content = body if method in WITH_BODY else b""
        answer = client.request(method, url, headers=headers, content=content)
        assert answer.status_code < 500, (method, headers, content, answer.text)


@pytest.mark.parametrize("route", API_ROUTES, ids=lambda route: f"/{route.pattern}")
def test_every_view_has_a_page_with_a_button_for_each_method(
    server_url: str, user_id: str, route: URLPattern
) -> None:
    url = server_url + path_of(route, user_id)
    page = httpx.get(url, headers={"Accept": "text/html"})
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"

    allowed = set(page.headers["Allow"].split(", ")) - {"GET", "HEAD"}
    assert set(re.findall(r'data-method="(\w+)"', page.text)) >= allowed


@pytest.mark.parametrize("path", ["/nothing", "/users/ana/nothing", "/console/nothing"])
def test_an_unknown_url_answers_a_browser_with_a_page(
    server_url: str, path: str
) -> None:
    page = httpx.get(server_url + path, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Content-Type"]) == (
        404,
        "text/html; charset=utf-8",
    )
    assert "404 Not Found: The URL does not exist." in page.text


@pytest.mark.parametrize("accepted", ["application/json", "*/*", "image/png"])
def test_an_unknown_url_answers_a_program_with_a_problem(
    server_url: str, accepted: str
) -> None:
    answer = httpx.post(f"{server_url}/nothing", headers={"Accept": accepted})
    assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


def test_a_browser_can_ask_for_json_in_the_query(server_url: str, user_id: str) -> None:
    url = f"{server_url}/users/{user_id}/streams?format=json"
    answer = httpx.get(url, headers={"Accept": "text/html"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["active"] == 0


def test_another_format_in_the_query_is_ignored(server_url: str, user_id: str) -> None:
    url = f"{server_url}/users/{user_id}/streams?format=xml"
    assert httpx.get(url).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_page_of_an_extra_action_offers_the_calls_of_its_stream(
    server_url: str, user_id: str, slash: str
) -> None:
    url = f"{server_url}/users/{user_id}/streams/tv/stop{slash}"
    page = httpx.get(url, headers={"Accept": "text/html"})
    assert page.status_code == 405
    assert f"<h1>Stream tv of {user_id}</h1>" in page.text
    for call in ("startStreamAs", "endStream", "renewStream", "stopStream"):
        assert f'id="{call}"' in page.text


def test_instants_on_a_page_are_times(server_url: str, user_id: str) -> None:
    url = f"{server_url}/users/{user_id}/streams"
    page = httpx.post(url, json={"streamId": "456"}, headers={"Accept": "text/html"})
    assert re.search(r'expiresAt&quot;: &quot;<time datetime="[^"]+Z">', page.text)

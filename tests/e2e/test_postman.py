"""The Postman collection calls the whole API, and its assertions hold (`-m node`)."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from streams.routes import Route, routes
from tests.http.test_openapi import PAGES
from tests.servers import PROJECT, running, runserver

POSTMAN = PROJECT / "postman"
COLLECTION = json.loads((POSTMAN / "stream-limits.postman_collection.json").read_text())
METHODS = {"GET", "POST", "PUT", "DELETE"}
KEY = "postman-key"


def calls(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every call in a list of calls and folders."""
    for item in items:
        if "item" in item:
            yield from calls(item["item"])
        else:
            yield item


def path_of(call: dict[str, Any]) -> str:
    url: str = call["request"]["url"]["raw"]
    path, _, _ = url.removeprefix("{{baseUrl}}").partition("?")
    return path.replace("{{userId}}", "ana")


def pattern_of(route: Route) -> re.Pattern[str]:
    """Return a pattern of the paths of a route."""
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", route.path))


def api_routes() -> list[Route]:
    """Return the routes of the API, without pages and without the paths of `/me`."""
    return [
        route
        for route in routes("streams.urls")
        if route.name not in PAGES and not str(route.name).startswith("my-")
    ]


def test_the_collection_contains_every_call_of_the_api() -> None:
    offered = {
        (route.name, method)
        for route in api_routes()
        for method in route.methods & METHODS
    }

    called = set()
    for call in calls(COLLECTION["item"]):
        path = path_of(call)
        matching = [
            route for route in api_routes() if pattern_of(route).fullmatch(path)
        ]
        called.add((matching[0].name, call["request"]["method"]))

    assert called == offered


def test_every_call_of_the_collection_asserts_something() -> None:
    for call in calls(COLLECTION["item"]):
        tests = [
            line
            for event in call["event"]
            if event["listen"] == "test"
            for line in event["script"]["exec"]
        ]
        assert any("pm.response" in line for line in tests), call["name"]


@pytest.mark.parametrize("name", ["local", "test"])
def test_an_environment_contains_the_address_and_no_key(name: str) -> None:
    environment = json.loads((POSTMAN / f"{name}.postman_environment.json").read_text())
    values = {value["key"]: value["value"] for value in environment["values"]}

    assert values["baseUrl"].startswith("http")
    assert values["apiKey"] == ""


def newman(url: str, *, key: str = "") -> subprocess.CompletedProcess[str]:
    """Run the collection against a service."""
    return subprocess.run(
        [POSTMAN / "run", url],
        env=os.environ | {"API_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.node
def test_the_collection_passes_against_an_open_service(server_url: str) -> None:
    result = newman(server_url)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def closed_service_url() -> Iterator[str]:
    """Run a service that requires an API key."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    environment = os.environ | {
        "API_KEYS": f"postman:{digest}:streams:operate streams:admin",
        "PYTHONUNBUFFERED": "1",
    }
    with running(runserver(), environment) as server:
        yield server.url


@pytest.mark.node
def test_the_collection_passes_with_the_key_of_a_back_end(
    closed_service_url: str,
) -> None:
    result = newman(closed_service_url, key=KEY)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.node
def test_the_collection_fails_without_the_required_key(
    closed_service_url: str,
) -> None:
    result = newman(closed_service_url)

    assert result.returncode == 1
    assert "expected response to have status code 200 but got 401" in result.stdout

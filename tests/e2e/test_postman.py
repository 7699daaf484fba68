"""The Postman collection: complete, and true of a running service when newman runs it (`-m node`)."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from streams.urls import urlpatterns
from tests.http.test_openapi import PAGES
from tests.servers import PROJECT, running, runserver

POSTMAN = PROJECT / "postman"
COLLECTION = json.loads((POSTMAN / "stream-limits.postman_collection.json").read_text())
METHODS = {"GET", "POST", "PUT", "DELETE"}
KEY = "postman-key"


def calls(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield from calls(item["item"]) if "item" in item else [item]


def path_of(call: dict[str, Any]) -> str:
    path: str = call["request"]["url"]["raw"].removeprefix("{{baseUrl}}/")
    return path.replace("{{userId}}", "ana").partition("?")[0]


def test_the_collection_has_every_call_of_the_api() -> None:
    offered = set()
    for route in urlpatterns:
        if route.name in PAGES or str(route.name).startswith("my-"):
            continue
        callback: Any = route.callback
        actions = getattr(callback, "actions", None)
        view = getattr(callback, "cls", None) or callback.view_class
        methods = actions or [
            name for name in view.http_method_names if hasattr(view, name)
        ]
        offered |= {(route.name, method.upper()) for method in methods}
    routes = [
        (route.name, re.compile(route.pattern.regex.pattern)) for route in urlpatterns
    ]
    called = set()
    for call in calls(COLLECTION["item"]):
        name = next(name for name, pattern in routes if pattern.match(path_of(call)))
        called.add((name, call["request"]["method"]))
    assert called == {(name, method) for name, method in offered if method in METHODS}


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
def test_an_environment_gives_the_address_and_no_key(name: str) -> None:
    environment = json.loads((POSTMAN / f"{name}.postman_environment.json").read_text())
    values = {value["key"]: value["value"] for value in environment["values"]}
    assert values["baseUrl"].startswith("http")
    assert values["apiKey"] == ""


def newman(url: str, *, key: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [POSTMAN / "run", url],
        env=os.environ | {"API_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.node
def test_the_collection_holds_for_an_open_service(server_url: str) -> None:
    done = newman(server_url)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def closed_service_url() -> Iterator[str]:
    """A service that asks for an API key."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    environment = os.environ | {
        "API_KEYS": f"postman:{digest}:streams:operate streams:admin",
        "PYTHONUNBUFFERED": "1",
    }
    with running(runserver(), environment) as server:
        yield server.url


@pytest.mark.node
def test_the_collection_holds_for_a_back_end_with_its_key(
    closed_service_url: str,
) -> None:
    done = newman(closed_service_url, key=KEY)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.node
def test_the_collection_fails_without_the_key_that_is_asked_for(
    closed_service_url: str,
) -> None:
    done = newman(closed_service_url)
    assert done.returncode == 1
    assert "expected response to have status code 200 but got 401" in done.stdout

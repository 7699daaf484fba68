"""Permissions: each route, method and caller, over HTTP, with credentials required."""

import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from streams.urls import urlpatterns
from tests.servers import PROJECT, running, runserver

SECRET, KEY = "secret-of-the-identity-provider-0123456789", "back-end-key"
ADMIN_KEY = "back-end-admin-key"
OWN = "ana"


def bearer(user_id: str, scope: str = "", **more: Any) -> dict[str, str]:
    claims = {
        "sub": user_id,
        "iss": "https://id.example.com",
        "aud": "streams",
        "scope": scope,
    }
    expiry = {"exp": time.time() + 3600}
    token = jwt.encode(claims | more | expiry, SECRET)
    return {"Authorization": f"Bearer {token}"}


CALLERS: dict[str, dict[str, str]] = {
    "anonymous": {},
    "bad token": {"Authorization": "Bearer x.y.z"},
    "bad key": {"X-API-Key": "unknown"},
    "own viewer": bearer(OWN),
    "another viewer": bearer("bob"),
    "operator": bearer("olga", "streams:operate"),
    "administrator": bearer("adam", "streams:admin"),
    "back end": {"X-API-Key": KEY},
    "administrating back end": {"X-API-Key": ADMIN_KEY},
}
UNKNOWN = dict.fromkeys(["anonymous", "bad token", "bad key"], 401)


def streams_of_ana(allowed: int) -> dict[str, int]:
    forbidden = dict.fromkeys(
        ["another viewer", "administrator", "administrating back end"], 403
    )
    return (
        UNKNOWN
        | forbidden
        | dict.fromkeys(["own viewer", "operator", "back end"], allowed)
    )


def limit_of_ana(
    *, viewer: int, another: int, operator: int, administrator: int
) -> dict[str, int]:
    return UNKNOWN | {
        "own viewer": viewer,
        "another viewer": another,
        "operator": operator,
        "administrator": administrator,
        "back end": operator,
        "administrating back end": administrator,
    }


def own_account(
    viewer: int, *, back_end: int = 401, administrating: int = 403, **callers: int
) -> dict[str, int]:
    """Return the statuses of `/me`, which belongs to viewers and not to back ends."""
    viewers = dict.fromkeys(
        ["own viewer", "another viewer", "operator", "administrator"], viewer
    )
    return (
        UNKNOWN
        | viewers
        | {"back end": back_end, "administrating back end": administrating}
        | callers
    )


PATHS = {
    "account": "/users/gone",
    "limit": f"/users/{OWN}/limit",
    "dry-run": f"/users/{OWN}/dry-run",
    "tickets": f"/users/{OWN}/tickets",
    "stream-list": f"/users/{OWN}/streams",
    "stream-heartbeat": f"/users/{OWN}/streams/unknown/heartbeat",
    "stream-stop": f"/users/{OWN}/streams/unknown/stop",
    "stream-detail": f"/users/{OWN}/streams/unknown",
    "my-account": "/me",
    "my-limit": "/me/limit",
    "my-dry-run": "/me/dry-run",
    "my-tickets": "/me/tickets",
    "my-stream-list": "/me/streams",
    "my-stream-heartbeat": "/me/streams/unknown/heartbeat",
    "my-stream-stop": "/me/streams/unknown/stop",
    "my-stream-detail": "/me/streams/unknown",
    "cmcd": "/cmcd/unknown",
    "plans": "/plans",
    "edge-keys": "/.well-known/jwks.json",
    "healthz": "/healthz",
    "readyz": "/readyz",
    "home": "/",
    "openapi": "/openapi.json",
    "docs": "/docs",
    "console": "/console",
    "problems": "/docs/problems",
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("limit", "PUT"): {"limit": 100},
    ("tickets", "POST"): {"seconds": 60},
    ("stream-list", "POST"): {"streamId": "456", "deviceId": "tv"},
    ("dry-run", "POST"): {"streamId": "456", "deviceId": "tv"},
    ("stream-detail", "PUT"): {"streamId": ""},
    ("stream-heartbeat", "POST"): {"token": "x"},
    ("stream-stop", "POST"): {"token": "x"},
}
BODIES |= {(f"my-{route}", method): body for (route, method), body in BODIES.items()}
QUERIES = {
    ("stream-list", "DELETE"): "?except=tv",
    ("my-stream-list", "DELETE"): "?except=tv",
}
TOKEN_HOLDERS = dict.fromkeys(CALLERS, 400)
EVERYONE = dict.fromkeys(CALLERS, 200)
MATRIX: dict[tuple[str, str], dict[str, int]] = {
    ("limit", "GET"): limit_of_ana(
        viewer=200, another=403, operator=200, administrator=200
    ),
    ("limit", "PUT"): limit_of_ana(
        viewer=403, another=403, operator=403, administrator=200
    ),
    ("limit", "DELETE"): limit_of_ana(
        viewer=403, another=403, operator=403, administrator=204
    ),
    ("stream-list", "GET"): streams_of_ana(200),
    ("stream-list", "POST"): streams_of_ana(200),
    ("stream-list", "DELETE"): streams_of_ana(200),
    ("dry-run", "POST"): streams_of_ana(200),
    ("stream-heartbeat", "POST"): TOKEN_HOLDERS,
    ("stream-stop", "POST"): TOKEN_HOLDERS,
    ("account", "DELETE"): limit_of_ana(
        viewer=403, another=403, operator=403, administrator=204
    ),
    ("tickets", "POST"): streams_of_ana(201),
    ("my-tickets", "POST"): own_account(201),
    ("my-limit", "GET"): own_account(200, administrating=401),
    ("my-limit", "PUT"): own_account(
        403, back_end=403, administrating=401, administrator=200
    ),
    ("my-limit", "DELETE"): own_account(
        403, back_end=403, administrating=401, administrator=204
    ),
    ("my-stream-list", "GET"): own_account(200),
    ("my-stream-list", "POST"): own_account(201, **{"own viewer": 200}),
    ("my-stream-list", "DELETE"): own_account(200),
    ("my-dry-run", "POST"): own_account(200),
    ("my-stream-heartbeat", "POST"): TOKEN_HOLDERS,
    ("my-stream-stop", "POST"): TOKEN_HOLDERS,
    ("my-stream-detail", "GET"): own_account(404),
    ("my-stream-detail", "PUT"): own_account(400, back_end=400),
    ("my-stream-detail", "DELETE"): own_account(404),
    ("my-account", "DELETE"): own_account(
        403, back_end=403, administrating=401, administrator=204
    ),
    ("stream-detail", "GET"): streams_of_ana(404),
    ("stream-detail", "PUT"): streams_of_ana(400),
    ("stream-detail", "DELETE"): streams_of_ana(404),
    ("plans", "GET"): limit_of_ana(
        viewer=403, another=403, operator=403, administrator=200
    ),
    ("cmcd", "POST"): dict.fromkeys(CALLERS, 404),
    ("edge-keys", "GET"): EVERYONE,
    ("healthz", "GET"): EVERYONE,
    ("readyz", "GET"): EVERYONE,
    ("home", "GET"): dict.fromkeys(CALLERS, 302),
    ("openapi", "GET"): EVERYONE,
    ("docs", "GET"): EVERYONE,
    ("console", "GET"): EVERYONE,
    ("problems", "GET"): EVERYONE,
}


METHODS = ("get", "post", "put", "patch", "delete", "trace")


def routes() -> Iterator[tuple[str, str]]:
    """Yield the name of each route, with each method that its view implements."""
    for route in urlpatterns:
        callback: Any = route.callback
        options: dict[str, Any] = getattr(callback, "view_initkwargs", {})
        actions = getattr(callback, "actions", {})
        view = getattr(callback, "view_class", None)
        for method in set(METHODS) & set(options.get("http_method_names", METHODS)):
            if method in actions or hasattr(view, method):
                yield str(route.name), method.upper()


def hashed(key: str, scope: str) -> str:
    return f"{scope[-5:]}:{hashlib.sha256(key.encode()).hexdigest()}:{scope}"


ENVIRONMENT = {
    "AUTH_JWT_SECRETS": SECRET,
    "AUTH_ISSUER": "https://id.example.com",
    "AUTH_AUDIENCE": "streams",
    "AUTH_TRUST_STREAM_LIMIT": "1",
    "API_KEYS": ",".join(
        [hashed(KEY, "streams:operate"), hashed(ADMIN_KEY, "streams:admin")]
    ),
    "CORS_ALLOWED_ORIGINS": "https://watch.example.com",
    "PYTHONUNBUFFERED": "1",
}
ON_LAMBDA = """
import json, sys
from bench.events import event
from bench.peers import zappa_settings_of

zappa_settings_of.install(APP_MODULE="streams_project.wsgi", APP_FUNCTION="application")
from streams_project.lambda_entry import lambda_handler

for headers in json.loads(sys.argv[2]):
    print(lambda_handler(event("GET", sys.argv[1], None, headers), None)["statusCode"])
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    """Yield a service that requires credentials."""
    environment = os.environ | ENVIRONMENT
    with running(runserver(), environment) as server, server.client() as client:
        assert "Callers must authenticate." in server.said
        client.post(
            PATHS["stream-list"],
            json={"streamId": "456", "deviceId": "tv"},
            headers=CALLERS["own viewer"],
        )
        yield client


def test_every_route_and_method_has_a_row() -> None:
    assert set(routes()) == MATRIX.keys()
    assert all(row.keys() == CALLERS.keys() for row in MATRIX.values())


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("route", "method"), MATRIX, ids=str)
def test_a_caller_gets_the_status_of_the_matrix(
    guarded: httpx.Client, route: str, method: str, caller: str
) -> None:
    url = PATHS[route] + QUERIES.get((route, method), "")
    response = guarded.request(
        method, url, json=BODIES.get((route, method)), headers=CALLERS[caller]
    )
    assert response.status_code == MATRIX[route, method][caller], response.text
    if response.status_code == 401:
        assert response.json()["type"] == "unauthenticated"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="streams"'
    if response.status_code == 403:
        assert response.json()["type"] == "forbidden"


@pytest.mark.parametrize("name", ["X_API_Key", "X_API-Key", "x_api_key"])
def test_a_header_named_with_an_underscore_is_no_credential(
    guarded: httpx.Client, name: str
) -> None:
    assert guarded.get(PATHS["stream-list"], headers={name: KEY}).status_code == 401


def test_on_lambda_an_underscore_is_no_credential_and_no_log_line_has_a_secret(
    user_id: str,
) -> None:
    sent = [
        {"X-API-Key": KEY},
        *({name: KEY} for name in ("X_API_Key", "X_API-Key", "x_api_key")),
        bearer(user_id),
    ]
    environment = (
        os.environ
        | ENVIRONMENT
        | {"DEBUG": "0", "ALLOWED_HOSTS": ".amazonaws.com", "LOG_LEVEL": "DEBUG"}
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ON_LAMBDA,
            f"/users/{user_id}/streams",
            json.dumps(sent),
        ],
        cwd=PROJECT,
        env=environment | {"LEASE_TOKEN_KEYS": "key-of-lease-tokens-0123456789abcdef"},
        capture_output=True,
        text=True,
    )
    assert [line for line in done.stdout.splitlines() if line.isdigit()] == [
        "200",
        "401",
        "401",
        "401",
        "200",
    ], done
    assert not any(
        secret in done.stdout + done.stderr
        for secret in (user_id, KEY, sent[-1]["Authorization"])
    )


def test_an_entitlement_takes_precedence_over_the_default_and_the_stored_limit(
    guarded: httpx.Client,
) -> None:
    user_id = f"user-{uuid.uuid4()}"
    url, two = f"/users/{user_id}/streams", bearer(user_id, stream_limit=2)
    guarded.put(
        f"/users/{user_id}/limit", json={"limit": 1}, headers=CALLERS["administrator"]
    ).raise_for_status()
    statuses = [
        guarded.post(url, json={"streamId": "456"}, headers=two).status_code
        for _ in range(3)
    ]
    assert statuses == [201, 201, 409]
    assert guarded.get(url, headers=two).json()["limit"] == 2
    assert guarded.get(url, headers=bearer(user_id)).json()["limit"] == 1


def test_an_operators_entitlement_does_not_apply_to_the_user(
    guarded: httpx.Client,
) -> None:
    user_id = f"user-{uuid.uuid4()}"
    headers = bearer("olga", "streams:operate", stream_limit=100)
    assert (
        guarded.get(f"/users/{user_id}/streams", headers=headers).json()["limit"] == 3
    )


def test_a_web_player_of_an_allowed_origin_may_call(guarded: httpx.Client) -> None:
    preflight = {
        "Origin": "https://watch.example.com",
        "Access-Control-Request-Method": "POST",
    }
    response = guarded.options(PATHS["stream-list"], headers=preflight)
    assert response.status_code == 200
    assert (
        response.headers["Access-Control-Allow-Origin"] == "https://watch.example.com"
    )
    assert "authorization" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "http://watch.example.com", "null"]
)
def test_another_origin_gets_no_cors_header(guarded: httpx.Client, origin: str) -> None:
    response = guarded.get(
        PATHS["stream-list"], headers={"Origin": origin} | CALLERS["own viewer"]
    )
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_every_answer_carries_the_security_headers(
    guarded: httpx.Client, accept: str
) -> None:
    response = guarded.get(
        PATHS["stream-list"], headers={"Accept": accept} | CALLERS["own viewer"]
    )
    assert response.status_code == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]


def test_a_request_for_another_host_is_refused(guarded: httpx.Client) -> None:
    assert (
        guarded.get("/healthz", headers={"Host": "evil.example.com"}).status_code == 200
    ), "a health check by address"
    response = guarded.get("/readyz", headers={"Host": "evil.example.com"})
    assert (response.status_code, response.json()["type"]) == (400, "invalid-request")
    assert "Host" in response.json()["errors"]

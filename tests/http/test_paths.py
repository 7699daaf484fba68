"""Paths, methods and static files: a request reaches only the route that it names."""

import pytest

from streams.models import UserStreams
from tests.http.requests_by_hand import (
    BODY,
    VICTIM,
    assert_problem,
    request_raw,
    send_bytes,
)
from tests.http.viewers import limit_url
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")

# A server that normalised, decoded twice or truncated a path would reach `{victim}`.
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
    "a path parameter of a segment": ("/users/{victim}/streams;jsessionid=1/tv", 404),
    "a fragment": ("/users/{victim}/streams/tv#x", 400),
    "a NUL": ("/users/{victim}%00x/streams/tv", 400),
    "a newline": ("/users/{victim}%0a/streams/tv", 400),
    "two slashes": ("/users//{victim}/streams/tv", 404),
    "no leading slash": ("users/{victim}/streams/tv", 404),
    "capital letters": ("/USERS/{victim}/streams/tv", 404),
    "an absolute URL": ("http://localhost/users/{victim}/streams/tv", 404),
    "an absolute URL of another host": (
        "http://evil.example/users/{victim}/streams/tv",
        404,
    ),
    "an authority": ("evil.example:443", 404),
    "an asterisk": ("*", 404),
    "an expression of a template": ("/users/{victim}/streams/${{7*7}}", 400),
    "many slashes": ("/users" + "/streams/" * 5000, 400),
    "a line of 70 KB": ("/users/" + "x" * 70_000 + "/streams/tv", 431),
}


@pytest.mark.parametrize(("path", "status"), PATHS.values(), ids=PATHS)
def test_a_path_does_not_reach_another_user_by_normalisation(
    server_url: str, path: str, status: int
) -> None:
    line = f"PUT {path.format(victim=VICTIM)} HTTP/1.1\r\nHost: localhost\r\n".encode()
    head = b"Content-Type: application/json\r\nContent-Length: 18\r\n\r\n"
    statuses, answer = send_bytes(server_url, line + head + BODY)

    assert statuses == [status]
    assert b"application/problem+json" in answer


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
def test_only_static_files_are_served_below_static(server_url: str, path: str) -> None:
    assert_problem(request_raw(server_url, "GET", f"/static/{path}"), 404, "not-found")


OVERRIDES = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Method",
    "_method",
]


@pytest.mark.parametrize("header", OVERRIDES)
def test_a_header_cannot_override_the_method(viewer: Viewer, header: str) -> None:
    viewer.started(deviceId="tv")

    assert_problem(
        viewer.api.post(f"{viewer.url}/tv", json={}, headers={header: "DELETE"}),
        405,
        "method-not-allowed",
    )
    assert_problem(
        viewer.api.post(f"{viewer.url}/tv?_method=DELETE", json={}),
        405,
        "method-not-allowed",
    )

    limit = viewer.api.get(limit_url(viewer), headers={header: "DELETE"})

    assert limit.status_code == 200
    assert limit.json()["limit"] == 3
    assert viewer.list()["active"] == 1


@pytest.mark.parametrize(
    "method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "PATCH", "X" * 3000]
)
def test_an_unknown_method_is_rejected(
    server_url: str, user_id: str, method: str
) -> None:
    assert_problem(
        request_raw(server_url, method, f"/users/{user_id}/streams/tv", BODY),
        405,
        "method-not-allowed",
    )
    assert UserStreams.count(user_id) == 0


def test_a_method_that_is_no_token_is_rejected(server_url: str) -> None:
    response = request_raw(server_url, "\x1b[31m", "/users/u/streams/tv", BODY)
    assert_problem(response, 400, "invalid-request", "request")


@pytest.mark.parametrize(
    "path",
    ["/users", "/users/ana/stream", "/nothing", "/%00", "//nothing", "/me/nothing"],
)
def test_an_unknown_url_gets_a_problem(server_url: str, path: str) -> None:
    assert_problem(request_raw(server_url, "GET", path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "streams", "GET, POST, DELETE, HEAD, OPTIONS"),
        ("POST", "streams/tv", "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("GET", "streams/tv/heartbeat", "POST, OPTIONS"),
        ("POST", "limit", "GET, PUT, DELETE, HEAD, OPTIONS"),
    ],
)
def test_the_answer_to_an_unsupported_method_lists_the_allowed_ones(
    viewer: Viewer, method: str, path: str, allowed: str
) -> None:
    response = viewer.api.request(method, f"/users/{viewer.user_id}/{path}")
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allowed

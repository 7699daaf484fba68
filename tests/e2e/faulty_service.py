"""The service with a fault between it and its callers, for the tests of `verify`.

A fault receives each request and returns the answer. `Request.pass_on` sends the
request to the service.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

ADMIN_KEY = "key-of-an-administrator"


@dataclass
class Answer:
    """An answer of the service, which a fault can change."""

    status: str
    headers: dict[str, str]
    content: bytes

    @property
    def code(self) -> int:
        """The status code."""
        return int(self.status.split()[0])

    @property
    def body(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)

    def replaced(self, status: str, body: Any = None) -> "Answer":
        """Return an answer with the same headers and another status and body."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = self.headers | {"Content-Length": str(len(content))}
        return Answer(status, headers, content)

    def with_header(self, name: str, value: str) -> "Answer":
        """Return the answer with a header."""
        return Answer(self.status, self.headers | {name: value}, self.content)

    def without(self, removed: str) -> "Answer":
        """Return the answer without a header. Its name is in lower case."""
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() != removed
        }
        return Answer(self.status, headers, self.content)


NO_CONTENT = Answer("204 No Content", {}, b"")


@dataclass
class Request:
    """A request on its way to the service."""

    environ: Mapping[str, Any]
    content: bytes
    application: Any

    @property
    def path(self) -> str:
        """The path of the URL."""
        return str(self.environ["PATH_INFO"])

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def call(self) -> str:
        """The method and the last segment of the path: `POST streams`."""
        return f"{self.method} {self.path.rpartition('/')[2]}"

    def pass_on(self, content: bytes | None = None, **environ: str) -> Answer:
        """Send the request to the service, with another body or other variables."""
        sent = self.content if content is None else content
        changed = {
            **self.environ,
            "wsgi.input": BytesIO(sent),
            "CONTENT_LENGTH": str(len(sent)),
            **environ,
        }
        started: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            started.extend((status, dict(headers)))

        parts = self.application(changed, start_response)
        status, headers = started
        return Answer(status, headers, b"".join(parts))


type Fault = Callable[[Request], Answer]


def with_fault(application: Any, fault: Fault) -> Any:
    """Return a WSGI application with a fault in front of another one."""

    def faulty(environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        content = environ["wsgi.input"].read(length)
        answer = fault(Request(environ, content, application))
        start_response(answer.status, list(answer.headers.items()))
        return [answer.content]

    return faulty


def no_fault(request: Request) -> Answer:
    return request.pass_on()


def accepts_every_caller(request: Request) -> Answer:
    return request.pass_on(HTTP_X_API_KEY=ADMIN_KEY, HTTP_AUTHORIZATION="")


def admits_beyond_the_limit(request: Request) -> Answer:
    answer = request.pass_on()
    if request.call == "POST streams" and answer.code == 409:
        other_user = request.path.replace("/streams", "-2/streams")
        return request.pass_on(PATH_INFO=other_user)
    return answer


def ignores_the_device(request: Request) -> Answer:
    is_start = request.call == "POST streams"
    if is_start and request.content.startswith(b'{"streamId"'):
        body = json.loads(request.content)
        body.pop("deviceId", None)
        return request.pass_on(json.dumps(body).encode())
    return request.pass_on()


def ignores_the_idempotency_key(request: Request) -> Answer:
    if request.call == "POST streams":
        return request.pass_on(HTTP_IDEMPOTENCY_KEY=os.urandom(8).hex())
    return request.pass_on()


def fails_at_the_limit(request: Request) -> Answer:
    answer = request.pass_on()
    if answer.code == 409:
        return answer.replaced("500 Internal Server Error")
    return answer


def lists_no_holders(request: Request) -> Answer:
    answer = request.pass_on()
    if answer.code == 409:
        return answer.replaced("409 Conflict", answer.body | {"streams": []})
    return answer


def omits_retry_after(request: Request) -> Answer:
    return request.pass_on().without("retry-after")


def refuses_heartbeats_at_the_limit(request: Request) -> Answer:
    answer = request.pass_on()
    if request.call != "POST heartbeat" or answer.code != 200:
        return answer

    user = request.path.partition("/streams")[0]
    listing = request.pass_on(
        b"",
        REQUEST_METHOD="GET",
        PATH_INFO=f"{user}/streams",
        HTTP_X_API_KEY=ADMIN_KEY,
    )
    if listing.body["available"] == 0:
        problem = {"type": "store-contended"}
        return answer.replaced("503 Service Unavailable", problem)
    return answer


def ignores_stops(request: Request) -> Answer:
    return NO_CONTENT if request.call == "POST stop" else request.pass_on()


def renews_a_lost_slot(request: Request) -> Answer:
    answer = request.pass_on()
    if b"taken-over" in answer.content:
        return answer.replaced("200 OK", {})
    return answer


def hides_the_reason(request: Request) -> Answer:
    answer = request.pass_on()
    if answer.code == 410 and answer.body["reason"] in ("stopped", "replaced"):
        return answer.replaced("404 Not Found", {"type": "stream-not-found"})
    return answer


def has_a_fast_clock(request: Request) -> Answer:
    answer = request.pass_on()
    if b'"startedAt"' not in answer.content or "streams" in answer.body:
        return answer

    later = dict(answer.body)
    for name in ("startedAt", "expiresAt"):
        instant = datetime.fromisoformat(answer.body[name])
        later[name] = (instant + timedelta(seconds=90)).isoformat()
    return answer.replaced(answer.status, later)


def refuses_web_players(request: Request) -> Answer:
    return request.pass_on().without("access-control-allow-origin")


def allows_every_origin(request: Request) -> Answer:
    return request.pass_on().with_header("Access-Control-Allow-Origin", "*")


def allows_caching(request: Request) -> Answer:
    return request.pass_on().without("cache-control")


def answers_in_html(request: Request) -> Answer:
    answer = request.pass_on()
    if request.path == "/no-such-thing":
        html = answer.with_header("Content-Type", "text/html")
        return Answer(html.status, html.headers, b"Not found")
    return answer


def replaces_no_stream(request: Request) -> Answer:
    if request.call == "POST streams" and b'"replace"' in request.content:
        body = json.loads(request.content)
        del body["replace"]
        return request.pass_on(json.dumps(body).encode())
    return request.pass_on()


def keeps_ghosts(request: Request) -> Answer:
    """Pass the call on: the clock of the service stands still, as the tests arrange."""
    return request.pass_on()


def erases_no_user(request: Request) -> Answer:
    is_user = "/streams" not in request.path
    if request.method == "DELETE" and is_user:
        return NO_CONTENT
    return request.pass_on()


def has_no_store(request: Request) -> Answer:
    answer = request.pass_on()
    if request.call == "GET readyz":
        problem = {"type": "store-unavailable"}
        return answer.replaced("503 Service Unavailable", problem)
    return answer


FAILED_CHECKS: dict[Fault, set[str]] = {
    accepts_every_caller: {"unauthorised"},
    admits_beyond_the_limit: {"limit-under-a-race", "denial"},
    ignores_the_device: {
        "idempotent-start",
        "fenced",
        "own-slot",
        "ghosts",
        "ended-says-why",
        "headers",
    },
    ignores_the_idempotency_key: {"idempotent-start"},
    fails_at_the_limit: {"limit-under-a-race", "denial", "latency"},
    lists_no_holders: {"denial"},
    omits_retry_after: {"denial"},
    refuses_heartbeats_at_the_limit: {"holders-renew", "latency"},
    ignores_stops: {"fenced", "stop"},
    renews_a_lost_slot: {"fenced"},
    hides_the_reason: {"ended-says-why"},
    has_a_fast_clock: {"clock", "headers"},
    refuses_web_players: {"cors"},
    allows_every_origin: {"cors"},
    allows_caching: {"headers"},
    answers_in_html: {"problems"},
    replaces_no_stream: {"ended-says-why", "one-order"},
    keeps_ghosts: {"ghosts"},
    erases_no_user: {"left-nothing"},
}
"""The checks that fail with each fault."""

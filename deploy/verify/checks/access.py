"""Checks of who may call the service."""

import re
from typing import Any

import httpx

from deploy.verify.checks.check import expect_problem, promise
from deploy.verify.service import DeployedService, Skipped, counted, expect, summary

STREAMS = "/users/verify-nobody/streams"
FOREIGN_ORIGIN = "https://foreign-origin.invalid"
TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
MAX_TEXT_CHARACTERS = 160
ALLOW_ORIGIN = "Access-Control-Allow-Origin"

HEADERS_OF_PLAYERS = "authorization,content-type,idempotency-key"
"""The request headers that web players send."""

HEADERS_FOR_PLAYERS = {"date", "expires", "location", "retry-after"}
"""The response headers that web players read."""

PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": HEADERS_OF_PLAYERS,
}


@promise(
    "it answers, and so does its store",
    "the address; the function's log; /readyz asks DynamoDB: table, role",
)
def reachable(service: DeployedService) -> str:
    """Ask `/healthz` and `/readyz`. A viewer's account must not play anything."""
    for path in ("/healthz", "/readyz"):
        verb = path.removeprefix("/")
        answer = service.ask(verb, "GET", path, credentials={})
        expect(_is_of_this_service(answer), f"{path}: {_stranger(answer)}")
        expect(answer.status_code == 200, f"{path}: {summary(answer)}")

    if service.is_viewer:
        listing = service.ask("list", "GET", "/me/streams")
        expect(listing.status_code == 200, f"the token: {summary(listing)}")
        active = listing.json()["active"]
        streams = counted(active, "stream")
        expect(
            active == 0,
            f"this viewer has {streams}: use an account that plays nothing",
        )
    return "/healthz, /readyz"


def _is_of_this_service(answer: httpx.Response) -> bool:
    """Return whether the answer is a problem, or a status of this service."""
    try:
        body = answer.json()
    except ValueError:
        return False
    if not isinstance(body, dict):
        return False
    return "type" in body or body.get("status") == "ok"


def _stranger(answer: httpx.Response) -> str:
    """Return which other service answered: its name, status, media type and title."""
    server = answer.headers.get("Server", "no Server header")
    media_type = answer.headers.get("Content-Type", "no Content-Type")
    title = TITLE.search(answer.text)
    text = title[1] if title else answer.text[:MAX_TEXT_CHARACTERS]

    sentence = f"another service answered ({server}): {answer.status_code} {media_type}"
    shown = " ".join(text.split())
    return f"{sentence}: {shown}" if shown else sentence


@promise(
    "a call without credentials, or with bad ones, is refused",
    "AUTH_…, API_KEYS, DEBUG (it must be 0)",
)
def unauthorised(service: DeployedService) -> str:
    """Read and start without credentials, with a bad token and with a bad key."""
    if service.may_be_open:
        raise Skipped("local development is open to its own machine")

    bad_credentials: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer e30.e30.e30"},
        {"X-API-Key": "not-a-key"},
    )
    for credentials in bad_credentials:
        read = service.ask("refused", "GET", STREAMS, credentials=credentials)
        expect_problem(read, 401, "unauthenticated")

        start = service.ask(
            "refused",
            "POST",
            STREAMS,
            credentials=credentials,
            json={"streamId": "verify"},
        )
        expect_problem(start, 401, "unauthenticated")
    return "401 each time"


@promise(
    "a viewer reaches no other user, and sets no limit",
    "streams:operate and streams:admin in viewers' tokens",
)
def forbidden(service: DeployedService) -> str:
    """Read and start as a viewer for another user, and set the viewer's own limit."""
    if service.token is None:
        raise Skipped("needs a viewer's bearer token")

    calls: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("GET", STREAMS, {}),
        ("POST", STREAMS, {"json": {"streamId": "verify"}}),
        ("PUT", "/me/limit", {"json": {"limit": 100}}),
    )
    for method, path, body in calls:
        answer = service.ask(
            "refused", method, path, credentials=service.viewer_credentials, **body
        )
        expect_problem(answer, 403, "forbidden")
    return "403 each time"


@promise(
    "web players of the own origins may call, others may not",
    "CORS_ALLOWED_ORIGINS; OPTIONS on its way",
)
def cors(service: DeployedService) -> str:
    """Send a preflight and a call from a foreign origin and from an allowed one."""
    _expect_no_access(service, "OPTIONS", PREFLIGHT)
    _expect_no_access(service, "GET", {})
    if service.origin is None:
        return "no foreign origin; --origin would try your players'"

    _expect_preflight(service, service.origin)
    _expect_readable_answer(service, service.origin)
    return f"{service.origin}, and no foreign one"


def _expect_no_access(
    service: DeployedService, method: str, headers: dict[str, str]
) -> None:
    sent = {"Origin": FOREIGN_ORIGIN, **headers}
    answer = service.ask("cors", method, STREAMS, headers=sent)
    allowed = answer.headers.get(ALLOW_ORIGIN)
    expect(allowed is None, f"{method} of {FOREIGN_ORIGIN} is allowed: {allowed}")


def _expect_preflight(service: DeployedService, origin: str) -> None:
    sent = {"Origin": origin, **PREFLIGHT}
    answer = service.ask("cors", "OPTIONS", STREAMS, credentials={}, headers=sent)
    expect(
        answer.headers.get(ALLOW_ORIGIN) == origin,
        f"the preflight answers {summary(answer)}",
    )

    methods = answer.headers.get("Access-Control-Allow-Methods", "")
    expect("POST" in methods, "the preflight does not allow POST")

    allowed = _names(answer.headers.get("Access-Control-Allow-Headers", ""))
    missing = _names(HEADERS_OF_PLAYERS) - allowed
    expect(not missing, f"the preflight does not allow {', '.join(sorted(missing))}")


def _expect_readable_answer(service: DeployedService, origin: str) -> None:
    answer = service.ask("cors", "GET", STREAMS, headers={"Origin": origin})
    expect(
        answer.headers.get(ALLOW_ORIGIN) == origin,
        "players cannot read the answer of a call",
    )

    exposed = _names(answer.headers.get("Access-Control-Expose-Headers", ""))
    hidden = HEADERS_FOR_PLAYERS - exposed
    expect(not hidden, f"players cannot read {', '.join(sorted(hidden))}")


def _names(header: str) -> set[str]:
    """Return the names in a comma-separated header, in lower case."""
    return {name.strip().lower() for name in header.split(",")}

"""A call of the model as an HTTP exchange with the WSGI application in this process."""

import contextvars
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import jwt

from streams_project.wsgi import application
from tests.contract.state import NOTHING_GRANTED, Call, Granted

SECRET = "a secret of the contract's viewers, 32 bytes"
AUTHENTICATION = {
    "AUTH_JWT_SECRETS": [SECRET],
    "AUTH_ALGORITHMS": ["HS256"],
    "AUTH_ISSUER": "https://viewers.example",
    "AUTH_AUDIENCE": "streams",
    "AUTH_TRUST_STREAM_LIMIT": True,
    "AUTH_TRUST_STREAM_PLAN": True,
}
clock: contextvars.ContextVar[int] = contextvars.ContextVar("clock")
"""The instant (ms) at which the server receives the request that is being served."""


class Clock:
    """The clock of the views, in place of the module `time`."""

    @staticmethod
    def time_ns() -> int:
        """Return the instant of the request."""
        return clock.get() * 1_000_000


@dataclass(frozen=True)
class Request:
    """An HTTP request below the user's path. `body` is JSON, or None without one."""

    method: str
    path: str
    query: str = ""
    body: Any = None


@dataclass(frozen=True)
class Response:
    """An HTTP response. `body` is JSON, or None without one."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Credentials:
    """The tokens and epochs that the callers received, by the number of the call."""

    tokens: dict[int, str] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)

    def keep(self, call: Call, response: Response) -> None:
        """Keep the token and the epoch of an answer."""
        if response.status not in (200, 201):
            return
        if call.verb in ("start", "heartbeat"):
            self.tokens[call.number] = response.body["token"]
        if call.verb == "start":
            self.epochs[call.number] = response.body["epoch"]

    def copy(self) -> "Credentials":
        """Return a copy."""
        return Credentials(dict(self.tokens), dict(self.epochs))


def request_of(call: Call, known: Credentials) -> Request:
    """Return the request of a call."""
    stream = f"/streams/{quote(call.id)}"
    match call.verb:
        case "start":
            return Request("PUT", stream, body=_start_body(call, known))
        case "dry run":
            return Request("PUT", stream, "dryRun=true", _start_body(call, known))
        case "heartbeat":
            state = "paused" if call.is_paused else "playing"
            body = {"token": known.tokens[call.token], "state": state}
            return Request("POST", f"{stream}/heartbeat", body=body)
        case "stop":
            body = {"token": known.tokens[call.token]}
            return Request("POST", f"{stream}/stop", body=body)
        case "end":
            epoch = known.epochs.get(call.playback or 0)
            return Request("DELETE", stream, f"epoch={epoch}" if epoch else "")
        case "end all":
            query = f"except={call.keep}" if call.keep else ""
            return Request("DELETE", "/streams", query)
        case "set limit":
            return Request("PUT", "/limit", body=_limit_body(call))
        case "clear limit":
            return Request("DELETE", "/limit")
        case "get limit":
            return Request("GET", "/limit")
        case "forget":
            return Request("DELETE", "")
        case "read":
            return Request("GET", stream)
        case "list":
            return Request("GET", "/streams")
    raise ValueError(call.verb)


def _start_body(call: Call, known: Credentials) -> dict[str, Any]:
    attributes = dict(call.attributes)
    body: dict[str, Any] = {"streamId": attributes["streamId"], "replace": []}
    if "deviceType" in attributes:
        body["deviceType"] = attributes["deviceType"]
    body["metadata"] = {
        name.removeprefix("metadata."): value
        for name, value in call.attributes
        if name.startswith("metadata.")
    }
    for id, playback in call.replaces:
        epoch = known.epochs.get(playback or 0)
        body["replace"].append({"id": id, "epoch": epoch} if epoch else id)
    return body


def _limit_body(call: Call) -> dict[str, Any]:
    fields = {"limit": call.limit, "plan": call.plan, "whenFull": call.when_full}
    body: dict[str, Any] = {
        name: value for name, value in fields.items() if value is not None
    }
    if call.ends_surplus:
        body["endSurplus"] = True
    return body


def exchange(user_id: str, call: Call, known: Credentials) -> Response:
    """Send the request of a call to the application and return its response."""
    environ = environ_of(user_id, call, known)
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        started.extend((int(status.split()[0]), dict(headers)))

    instant = clock.set(call.now)
    try:
        chunks: Any = application(environ, start_response)
        content = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
    finally:
        clock.reset(instant)

    status, headers = started
    return Response(status, headers, json.loads(content) if content else None)


def environ_of(user_id: str, call: Call, known: Credentials) -> dict[str, Any]:
    """Return the WSGI environment of the request of a call."""
    request = request_of(call, known)
    environ = _environ("/me" if call.is_me else f"/users/{user_id}", request)
    needs_bearer = call.is_me and call.verb not in ("heartbeat", "stop")
    if needs_bearer or call.granted != NOTHING_GRANTED:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {_bearer(user_id, call.granted)}"
    network = dict(call.attributes).get("network")
    if network is not None:
        environ["streams.network"] = network
    return environ


def _environ(user_path: str, request: Request) -> dict[str, Any]:
    has_body = request.body is not None
    content = json.dumps(request.body).encode() if has_body else b""
    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"{user_path}{request.path}",
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": "application/json" if has_body else "",
        "CONTENT_LENGTH": str(len(content)) if has_body else "",
        "HTTP_HOST": "localhost",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }


def _bearer(user_id: str, granted: Granted) -> str:
    """Return a viewer's bearer token. Its times are those of the real clock."""
    claims: dict[str, Any] = {
        "sub": user_id,
        "iss": AUTHENTICATION["AUTH_ISSUER"],
        "aud": AUTHENTICATION["AUTH_AUDIENCE"],
        "exp": int(datetime.now().timestamp()) + 3600,
    }
    if granted.limit is not None:
        claims["stream_limit"] = granted.limit
    if granted.plan is not None:
        claims["stream_plan"] = granted.plan
    return jwt.encode(claims, SECRET, algorithm="HS256")


# --- facts ----------------------------------------------------------------------


def facts_of(call: Call, response: Response) -> dict[str, Any]:
    """Return the facts of an answer that the model predicts."""
    body = response.body
    match response.status:
        case 503:
            return {"isContended": body["type"] == "store-contended"}
        case 409 | 429:
            return _refusal_facts(response)
        case 410:
            return _ending_facts(body)
        case 200 | 201:
            return _success_facts(call, body)
    return {"problem": body} if response.status >= 500 else {}


def _refusal_facts(response: Response) -> dict[str, Any]:
    body = response.body
    retry_after = response.headers.get("Retry-After")
    facts = {"retryAfter": int(retry_after) if retry_after else None}
    if response.status == 429:
        return facts
    return facts | {
        "limit": body["limit"],
        "plan": body["plan"],
        "rule": (body.get("rule") or {}).get("name"),
        "streams": [stream["id"] for stream in body["streams"]],
    }


def _success_facts(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    if call.verb in ("start", "heartbeat"):
        return _stream_facts(body) | {"isGrace": body["isGrace"]}
    if call.verb == "read":
        return _stream_facts(body)
    if call.verb == "list":
        return {
            "plan": body["plan"],
            "limit": body["limit"],
            "active": body["active"],
            "available": body["available"],
            "streams": [_stream_facts(stream) for stream in body["streams"]],
            "over": [
                {"id": ending["id"], **_ending_facts(ending)}
                for ending in body["ended"]
            ],
        }
    return {"ended": None, **body}


def _stream_facts(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": body["id"],
        "epoch": body["epoch"],
        "startedAt": _instant(body["startedAt"]),
        "expiresAt": _instant(body["expiresAt"]),
        "pausedAt": body["pausedAt"] and _instant(body["pausedAt"]),
        "isDueInTime": 0 < body["heartbeatSeconds"] <= body["leaseSeconds"],
    }


def _ending_facts(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "reason": body["reason"],
        "endedAt": _instant(body["endedAt"]),
        "endedBy": body["endedBy"],
    }


def _instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)

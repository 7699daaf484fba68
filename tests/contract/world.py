"""The service in this process, under a virtual clock, over a real engine.

Requests go through the WSGI application: parsing, views, service, store, retries and
transport are the product's. Replaced are the clock, the pauses, and the plans. Faults
act below the retries, at single tries:

    application ─▶ service ─▶ store ─▶ calls.make ─▶ [ a fault ] ─▶ transport ─▶ engine
"""

import contextvars
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import jwt
from django.conf import settings
from django.test import override_settings

from streams import rules, service, views
from streams.authentication import BearerAuthentication
from streams.dynamodb import calls
from streams.dynamodb.transport import NotReached
from streams.models import UserStreams
from streams.storage.store import StreamStore
from streams_project.plans import read_plans
from streams_project.wsgi import application
from tests.contract.catalogue import FOLDER, Catalogue
from tests.contract.order import Event
from tests.contract.state import Answer, Call, Granted

NOW = 1_800_000_000_000
SECRET = "a secret of the contract's viewers, 32 bytes"
AUTHENTICATION = {
    "AUTH_JWT_SECRETS": [SECRET],
    "AUTH_ALGORITHMS": ["HS256"],
    "AUTH_ISSUER": "https://viewers.example",
    "AUTH_AUDIENCE": "streams",
    "AUTH_TRUST_STREAM_LIMIT": True,
    "AUTH_TRUST_STREAM_PLAN": True,
}
NO_BODY = object()

type Try = Callable[[], dict[str, Any]]
"""Carries out one try and returns the engine's answer."""
type Fault = Callable[[int, str, Try], dict[str, Any]]
"""Handles one try: its index in the call, its operation, and how to carry it out."""


def no_answer(operation: str) -> NotReached:
    """Return the error of a try that got no answer."""
    return NotReached(operation=operation, endpoint="virtual", error="no answer")


def no_fault(index: int, operation: str, carry_out: Try) -> dict[str, Any]:
    """Carry out a try."""
    return carry_out()


@dataclass
class Running:
    """A call of the API that is being served: its fault and the tries so far.

    It is disturbed if the engine did not carry out each try exactly once.
    """

    fault: Fault
    operations: list[str] = field(default_factory=list)
    is_disturbed: bool = False


@dataclass
class World:
    """One user of the service, with the answers that the callers got."""

    catalogue: Catalogue
    user_id: str
    now: int = NOW
    history: list[Event] = field(default_factory=list)
    tokens: dict[int, str] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)
    positions: int = 0
    numbers: int = 0

    def call(self, verb: str, *, fault: Fault = no_fault, **details: Any) -> Event:
        """Make one call at the current instant and record its answer."""
        self.numbers += 1
        call = Call(number=self.numbers, verb=verb, **{"now": self.now} | details)
        invoked = self._position()
        running = Running(fault)
        self.running.append(running)
        try:
            context = contextvars.copy_context()
            response = context.run(self._exchange, call)
        finally:
            self.running.pop()
        calls.reset_circuit()
        answer = self._answer(call, *response)
        event = Event(call, answer, invoked, self._position(), running.is_disturbed)
        self.history.append(event)
        return event

    def send(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call to the engine with the product's retries: `UserStreams.call`."""
        running = self.running[-1]

        def send_once(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            index = len(running.operations)
            running.operations.append(operation)
            carried_out = 0

            def count() -> dict[str, Any]:
                nonlocal carried_out
                carried_out += 1
                return carry_out(operation, arguments)

            try:
                return running.fault(index, operation, count)
            except NotReached:
                running.is_disturbed = True
                raise
            finally:
                running.is_disturbed |= carried_out != 1

        return calls.make(send_once, operation, arguments)

    def item(self) -> dict[str, Any] | None:
        """Return the user's item as the engine stores it."""
        answer = carry_out("GetItem", self._key() | {"ConsistentRead": True})
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def restore(self, item: dict[str, Any] | None) -> None:
        """Store an item, or none, in place of the user's."""
        if item is None:
            carry_out("DeleteItem", self._key())
        else:
            table = {"TableName": settings.DYNAMODB_TABLE}
            carry_out("PutItem", table | {"Item": item})

    def _key(self) -> dict[str, Any]:
        key = {"user_id": {"S": self.user_id}}
        return {"TableName": settings.DYNAMODB_TABLE, "Key": key}

    def _position(self) -> int:
        self.positions += 1
        return self.positions

    def _exchange(self, call: Call) -> tuple[int, Mapping[str, str], Any]:
        """Send the HTTP request of a call and return status, headers and body."""
        method, path, query, body = self._request(call)
        content = b"" if body is NO_BODY else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"/users/{self.user_id}{path}",
            "QUERY_STRING": query,
            "CONTENT_TYPE": "" if body is NO_BODY else "application/json",
            "CONTENT_LENGTH": "" if body is NO_BODY else str(len(content)),
            "HTTP_HOST": "localhost",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            "contract.now": call.now,
        }
        if call.granted != Granted():
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self._bearer(call.granted)}"
        network = dict(call.attributes).get("network")
        status, headers, answer = _answer_of(environ, network)
        return status, headers, json.loads(answer) if answer else None

    def _bearer(self, granted: Granted) -> str:
        """Return a viewer's bearer token. Its times are those of the real clock."""
        claims: dict[str, Any] = {
            "sub": self.user_id,
            "iss": AUTHENTICATION["AUTH_ISSUER"],
            "aud": AUTHENTICATION["AUTH_AUDIENCE"],
            "exp": int(datetime.now().timestamp()) + 3600,
        }
        if granted.limit is not None:
            claims["stream_limit"] = granted.limit
        if granted.plan is not None:
            claims["stream_plan"] = granted.plan
        return jwt.encode(claims, SECRET, algorithm="HS256")

    def _request(self, call: Call) -> tuple[str, str, str, Any]:
        """Return method, path below the user, query and body of a call."""
        stream = f"/streams/{quote(call.id)}"
        match call.verb:
            case "start":
                return "PUT", stream, "", self._start_body(call)
            case "dry run":
                return "PUT", stream, "dryRun=true", self._start_body(call)
            case "heartbeat":
                state = "paused" if call.is_paused else "playing"
                token = self.tokens[call.token]
                return (
                    "POST",
                    f"{stream}/heartbeat",
                    "",
                    {"token": token, "state": state},
                )
            case "stop":
                return "POST", f"{stream}/stop", "", {"token": self.tokens[call.token]}
            case "end":
                epoch = self.epochs.get(call.playback or 0)
                return "DELETE", stream, f"epoch={epoch}" if epoch else "", NO_BODY
            case "end all":
                query = f"except={call.keep}" if call.keep else ""
                return "DELETE", "/streams", query, NO_BODY
            case "set limit":
                return "PUT", "/limit", "", _limit_body(call)
            case "clear limit":
                return "DELETE", "/limit", "", NO_BODY
            case "get limit":
                return "GET", "/limit", "", NO_BODY
            case "forget":
                return "DELETE", "", "", NO_BODY
            case "read":
                return "GET", stream, "", NO_BODY
            case "list":
                return "GET", "/streams", "", NO_BODY
        raise ValueError(call.verb)

    def _start_body(self, call: Call) -> dict[str, Any]:
        attributes = dict(call.attributes)
        body = {"streamId": attributes["streamId"], "replace": []}
        if "deviceType" in attributes:
            body["deviceType"] = attributes["deviceType"]
        for id, playback in call.replaces:
            epoch = self.epochs.get(playback or 0)
            body["replace"].append({"id": id, "epoch": epoch} if epoch else id)
        return body

    def _answer(
        self, call: Call, status: int, headers: Mapping[str, str], body: Any
    ) -> Answer:
        """Return the facts of an answer, and keep its token and epoch."""
        if status in (200, 201) and call.verb in ("start", "heartbeat"):
            self.tokens[call.number] = body["token"]
            if call.verb == "start":
                self.epochs[call.number] = body["epoch"]
        return Answer(status, facts_of(call, status, headers, body))


def facts_of(
    call: Call, status: int, headers: Mapping[str, str], body: Any
) -> dict[str, Any]:
    """Return the facts of an answer that the model predicts."""
    if status == 503:
        return {"isContended": body["type"] == "store-contended"}
    if status in (409, 429):
        retry = headers.get("Retry-After")
        facts: dict[str, Any] = {"retryAfter": int(retry) if retry else None}
        if status == 409:
            rule = body.get("rule") or {}
            facts |= {"limit": body["limit"], "plan": body["plan"]}
            facts |= {"rule": rule.get("name")}
            facts |= {"streams": [one["id"] for one in body["streams"]]}
        return facts
    if status == 410:
        return {
            "reason": body["reason"],
            "endedAt": _instant(body["endedAt"]),
            "endedBy": body["endedBy"],
        }
    if status not in (200, 201):
        return {"problem": body} if status == 500 else {}
    if call.verb in ("start", "heartbeat", "read"):
        return _stream_facts(body)
    if call.verb == "list":
        return body | {
            "streams": [_stream_facts(stream) for stream in body["streams"]],
            "over": [
                ending | {"endedAt": _instant(ending["endedAt"])}
                for ending in body["ended"]
            ],
        }
    facts = dict(body)
    facts.setdefault("ended", None)
    return facts


def _stream_facts(body: Mapping[str, Any]) -> dict[str, Any]:
    left, due = body["leaseSeconds"], body["heartbeatSeconds"]
    return {
        "id": body["id"],
        "epoch": body["epoch"],
        "startedAt": _instant(body["startedAt"]),
        "expiresAt": _instant(body["expiresAt"]),
        "pausedAt": body["pausedAt"] and _instant(body["pausedAt"]),
        "isDueInTime": 0 < due <= left,
    }


def _instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _limit_body(call: Call) -> dict[str, Any]:
    fields = {"limit": call.limit, "plan": call.plan, "whenFull": call.when_full}
    body: dict[str, Any] = {
        name: value for name, value in fields.items() if value is not None
    }
    if call.ends_surplus:
        body["endSurplus"] = True
    return body


def over_http(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Send one try to the engine over the product's transport."""
    connection = UserStreams._get_connection().connection
    answer: dict[str, Any] = connection.dispatch(operation, dict(arguments))
    return answer


engine: Callable[[str, Mapping[str, Any]], dict[str, Any]] = over_http
"""Carries out one try."""


def carry_out(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Let the engine carry out one try."""
    return engine(operation, arguments)


def _answer_of(
    environ: dict[str, Any], network: str | None
) -> tuple[int, dict[str, str], bytes]:
    """Run the WSGI application."""
    told: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        told.extend((int(status.split()[0]), dict(headers)))

    if network is not None:
        environ["streams.network"] = network
    clock = _clock.set(environ["contract.now"])
    try:
        response = application(environ, start_response)
        body = b"".join(response)
        if hasattr(response, "close"):
            response.close()
    finally:
        _clock.reset(clock)
    return told[0], told[1], body


_clock: contextvars.ContextVar[int] = contextvars.ContextVar("clock")


class _Clock:
    """The clock of the views, in place of the module `time`."""

    @staticmethod
    def time_ns() -> int:
        return _clock.get() * 1_000_000


def plans_of(catalogue: Catalogue) -> rules.Plans:
    """Let the service read the plans of a catalogue."""
    path = FOLDER / f"{catalogue.file}.toml"
    plans = read_plans("PLANS", path, default=settings.PLANS.default)
    rate = rules.StartRate(burst=catalogue.burst, interval_ms=catalogue.interval_ms)
    return rules.Plans(default=plans.default, named=plans.named, start_rate=rate)


@contextmanager
def served(catalogue: Catalogue) -> Iterator[Callable[[World], None]]:
    """Serve worlds with these plans; call the result with the world to serve."""
    served_worlds: list[World] = []

    def send(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return served_worlds[-1].send(operation, arguments)

    plans = plans_of(catalogue)
    store = StreamStore(plans=plans, call=send, sleep=lambda seconds: None)

    with ExitStack() as patches:
        patches.enter_context(override_settings(PLANS=plans, **AUTHENTICATION))
        patches.enter_context(patch.object(service, "store", store))
        patches.enter_context(patch.object(views, "time", _Clock))
        patches.enter_context(
            patch.object(
                views.UserView, "authentication_classes", [BearerAuthentication]
            )
        )
        patches.enter_context(patch.object(calls, "_random", lambda: 0.0))
        yield served_worlds.append

"""The service in this process, under a virtual clock, over a real engine.

Requests go through the WSGI application: parsing, views, service, store, retries and
transport are the product's. Replaced are the clock, the pauses, and the plans. Faults
act below the retries, at single tries:

    application ─▶ service ─▶ store ─▶ calls.make ─▶ [ a fault ] ─▶ transport ─▶ engine
"""

import contextvars
import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from django.test import override_settings

from streams import grace, rules, service, views
from streams.authentication import BearerAuthentication
from streams.conf import settings
from streams.dynamodb import calls
from streams.dynamodb.transport import NotReached
from streams.models import UserStreams
from streams.plan_files import read_plans
from streams.storage.store import StreamStore
from tests.contract.catalogue import FOLDER, Catalogue
from tests.contract.exchange import (
    AUTHENTICATION,
    Clock,
    Credentials,
    exchange,
    facts_of,
)
from tests.contract.order import Event
from tests.contract.state import Answer, Call

NOW = 1_800_000_000_000
MAX_TRIES = 20
QUICK_MS = 500
"""A call that takes longer was disturbed: its request or its answer was slow."""

type Try = Callable[[], dict[str, Any]]
"""Carries out one try and returns the engine's answer."""
type Fault = Callable[[int, str, Try], dict[str, Any]]
"""Handles one try: its index in the call, its operation, and how to carry it out."""
type Engine = Callable[[str, Mapping[str, Any]], dict[str, Any]]


def certainly(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out an operation of a test. A busy machine may need several tries."""
    for _ in range(MAX_TRIES):
        with suppress(NotReached):
            return engine(operation, arguments)
    return engine(operation, arguments)


def over_http(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Send one try to the engine over the product's transport."""
    connection = UserStreams._get_connection().connection
    answer: dict[str, Any] = connection.dispatch(operation, dict(arguments))
    return answer


engine: Engine = over_http
"""Carries out one try."""


def no_answer(operation: str) -> NotReached:
    """Return the error of a try that got no answer."""
    return NotReached(operation=operation, endpoint="virtual", error="no answer")


def no_fault(index: int, operation: str, carry_out: Try) -> dict[str, Any]:
    """Carry out a try."""
    return carry_out()


@dataclass
class Running:
    """A call of the API that is being served: its fault and the tries so far.

    It is disturbed if the engine did not carry out each try exactly once. In an
    outage no try is answered.
    """

    fault: Fault
    operations: list[str] = field(default_factory=list)
    is_disturbed: bool = False
    is_outage: bool = True

    def send(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make one try."""
        index = len(self.operations)
        self.operations.append(operation)
        carried_out = 0

        def carry_out() -> dict[str, Any]:
            nonlocal carried_out
            carried_out += 1
            return engine(operation, arguments)

        try:
            answer = self.fault(index, operation, carry_out)
        except NotReached:
            self.is_disturbed = True
            raise
        except Exception:
            self.is_outage = False
            raise
        else:
            self.is_outage = False
            return answer
        finally:
            self.is_disturbed |= carried_out != 1


@dataclass
class World:
    """One user of the service, with the answers that the callers got."""

    catalogue: Catalogue
    user_id: str
    now: int = NOW
    history: list[Event] = field(default_factory=list)
    known: Credentials = field(default_factory=Credentials)
    running: list[Running] = field(default_factory=list)
    positions: int = 0
    numbers: int = 0

    def call(self, verb: str, *, fault: Fault = no_fault, **details: Any) -> Event:
        """Make one call at the current instant and record its answer."""
        self.numbers += 1
        called = self.now
        call = Call(number=self.numbers, verb=verb, **{"now": self.now} | details)
        invoked = self._position()

        running = Running(fault)
        self.running.append(running)
        try:
            context = contextvars.copy_context()
            response = context.run(exchange, self.user_id, call, self.known)
        finally:
            self.running.pop()
        calls.reset_circuit()
        self.known.keep(call, response)

        event = Event(
            call=call,
            answer=Answer(response.status, facts_of(call, response)),
            invoked=invoked,
            answered=self._position(),
            is_disturbed=running.is_disturbed or self.now - called > QUICK_MS,
            is_outage=running.is_outage and bool(running.operations),
        )
        self.history.append(event)
        return event

    def send(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call to the engine with the product's retries."""
        return calls.make(self.running[-1].send, operation, arguments)

    def item(self) -> dict[str, Any] | None:
        """Return the user's item as the engine stores it."""
        answer = certainly("GetItem", self._key() | {"ConsistentRead": True})
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def remembered(self) -> Any:
        """Return what the process remembers of the user since an outage."""
        return copy.deepcopy(grace._users.get(self.user_id))

    def remember(self, memory: Any) -> None:
        """Let the process remember this of the user."""
        grace._users.pop(self.user_id, None)
        if memory is not None:
            grace._users[self.user_id] = copy.deepcopy(memory)

    def restore(self, item: dict[str, Any] | None) -> None:
        """Store an item, or none, in place of the user's."""
        if item is None:
            certainly("DeleteItem", self._key())
        else:
            certainly("PutItem", {"TableName": settings.DYNAMODB_TABLE, "Item": item})

    def _key(self) -> dict[str, Any]:
        key = {"user_id": {"S": self.user_id}}
        return {"TableName": settings.DYNAMODB_TABLE, "Key": key}

    def _position(self) -> int:
        self.positions += 1
        return self.positions


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
    authentication = [BearerAuthentication]

    mode = {
        "WHEN_STORE_IS_DOWN": "open" if catalogue.is_open else "closed",
        "MAX_GRACE_STREAMS": catalogue.grace_streams,
    }
    with ExitStack() as patches:
        for replaced in (
            override_settings(PLANS=plans, **mode, **AUTHENTICATION),
            patch.object(service, "store", store),
            patch.object(views, "time", Clock),
            patch.object(views.UserView, "authentication_classes", authentication),
            patch.object(calls, "_random", lambda: 0.0),
        ):
            patches.enter_context(replaced)
        yield served_worlds.append

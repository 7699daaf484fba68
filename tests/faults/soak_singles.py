"""Users of a soak who make one call at a time: one order must explain their lives.

The contract's model judges each life as a whole, as it judges a program under virtual
time (`tests/contract/`). The service says at which instant it judged each call.
"""

import http.client
import json
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from tests.contract.catalogue import Catalogue, read
from tests.contract.exchange import Response, facts_of, request_of
from tests.contract.order import Event, Search
from tests.contract.programs import Run, Step
from tests.contract.scenes import attributes
from tests.contract.state import Answer, Call
from tests.contract.world import Fault, World, no_fault
from tests.faults.soak_users import LEASE_SECONDS, LIMIT, PLANS

CALLS_IN_A_LIFE = 30
IDS = ("tv", "phone", "web")
WAITS_SECONDS = (0, 0, 0.01, 0.3, 0.3, 1, 1, 3, LEASE_SECONDS + 1)
VERBS = (
    *["start"] * 6,
    *["heartbeat"] * 8,
    *["stop"] * 2,
    *["end"] * 2,
    *["set limit"] * 2,
    "end all",
    "clear limit",
    "forget",
    "dry run",
    "read",
    "list",
    "list",
)
JSON = {"Content-Type": "application/json"}

type Connect = Callable[[], http.client.HTTPConnection]
"""Returns the connection to one of the services."""


def catalogue() -> Catalogue:
    """Return the plans of the soak as the model reads them."""
    default = {"limit": LIMIT, "lease_seconds": LEASE_SECONDS}
    return read(PLANS.stem, interval_ms=0, folder=PLANS.parent, default=default)


class RemoteWorld(World):
    """A user of the soak's services. The clock is that of the service."""

    connect: Connect

    def call(self, verb: str, *, fault: Fault = no_fault, **details: Any) -> Event:
        """Make one call over HTTP and record its answer."""
        self.numbers += 1
        call = Call(number=self.numbers, verb=verb, **{"now": 0} | details)
        invoked = self._position()
        response, now = self._exchange(call)
        self.known.keep(call, response)

        event = Event(
            call=Call(**vars(call) | {"now": now}),
            answer=Answer(response.status, facts_of(call, response)),
            invoked=invoked,
            answered=self._position(),
        )
        self.history.append(event)
        return event

    def _exchange(self, call: Call) -> tuple[Response, int]:
        """Return the response to a call, and when it was judged."""
        request = request_of(call, self.known)
        query = f"?{request.query}" if request.query else ""
        url = f"/users/{self.user_id}{request.path}{query}"
        content = None if request.body is None else json.dumps(request.body)

        connection = self.connect()
        headers = JSON if content else {}
        connection.request(request.method, url, content, headers)
        answer = connection.getresponse()
        text = answer.read()
        body = json.loads(text) if text else None
        response = Response(answer.status, dict(answer.getheaders()), body)
        return response, int(response.headers["X-Now"])


def live(connect: Connect, dice: random.Random, is_over: Callable[[], bool]) -> Search:
    """Live one life, and return the search for the order of its calls.

    The life ends early when the soak is over.
    """
    world = RemoteWorld(catalogue(), f"single-{secrets.token_hex(8)}")
    world.connect = connect
    run = Run(world)
    for _ in range(CALLS_IN_A_LIFE):
        time.sleep(dice.choice(WAITS_SECONDS))
        if is_over():
            break
        step = _random_step(dice)
        details = run._details(step)
        if details is not None:
            world.call(step.verb, **details)

    world.call("list")
    return Search(world.history, world.catalogue)


def _random_step(dice: random.Random) -> Step:
    film = dice.choice(("film", "show"))
    device = dice.choice(("tv", "phone", None))
    return Step(
        verb=dice.choice(VERBS),
        id=dice.choice(IDS),
        said=attributes(film, device, room=dice.choice(("hall", "den", None))),
        age=dice.choice((0, 0, 0, 1, 2)),
        names_epoch=dice.random() < 0.5,
        replaces=dice.choice((None, None, *IDS)),
        is_paused=dice.random() < 0.2,
        keeps=dice.random() < 0.5,
        limit=dice.choice((None, 0, 1, 2, 3)),
        plan=dice.choice((None, "household", "hotel")),
        when_full=dice.choice((None, "deny", "evict-oldest")),
        ends_surplus=dice.random() < 0.5,
    )

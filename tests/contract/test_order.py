"""The search finds an order if there is one, and only then."""

from collections.abc import Sequence

import pytest

from tests.contract.catalogue import read
from tests.contract.order import Event, Search
from tests.contract.scenes import FILM, NEWS, SHOW
from tests.contract.state import Answer, Call

NOW = 1_800_000_000_000
TV = Call(number=1, verb="start", now=NOW, id="tv", attributes=FILM)
PHONE = Call(number=2, verb="start", now=NOW, id="phone", attributes=SHOW)
PC = Call(number=3, verb="start", now=NOW, id="pc", attributes=NEWS)
LIST = Call(number=4, verb="list", now=NOW)
STOP = Call(number=5, verb="end", now=NOW, id="tv")


def admitted(call: Call, invoked: int, answered: int, *, status: int = 201) -> Event:
    """Return a start with the answer that an empty slot leads to."""
    facts = {
        "id": call.id,
        "startedAt": call.now,
        "expiresAt": call.now + 60_000,
        "pausedAt": None,
        "isDueInTime": True,
        "isGrace": False,
        "epoch": call.now * 1000 + call.number,
    }
    return Event(call, Answer(status, facts), invoked, answered)


def unknown(call: Call, invoked: int, answered: int) -> Event:
    """Return a call that was answered 503."""
    return Event(call, Answer(503), invoked, answered)


def listed(*calls: Call, invoked: int) -> Event:
    """Return a list of these streams."""
    streams = [dict(admitted(call, 0, 0).answer.facts) for call in calls]
    facts = {
        "plan": "default",
        "limit": 2,
        "active": len(calls),
        "available": 2 - len(calls),
        "streams": streams,
        "over": [],
    }
    return Event(LIST, Answer(200, facts), invoked, invoked + 1)


def ended(invoked: int, answered: int) -> Event:
    """Return a `DELETE` of the TV's stream that succeeded."""
    return Event(STOP, Answer(204), invoked, answered)


EXPLAINED = {
    "one after the other": [admitted(TV, 1, 2), admitted(PHONE, 3, 4)],
    "at the same time": [admitted(TV, 1, 3), listed(invoked=2)],
    "a 503 took effect": [unknown(TV, 1, 2), listed(TV, invoked=3)],
    "a 503 did not": [unknown(TV, 1, 2), listed(invoked=3)],
    "a 503 took effect later": [
        unknown(TV, 1, 2),
        listed(invoked=3),
        listed(TV, invoked=5),
    ],
}
UNEXPLAINED = {
    "three streams of two": [
        admitted(TV, 1, 4),
        admitted(PHONE, 2, 5),
        admitted(PC, 3, 6),
    ],
    "lost afterwards": [admitted(TV, 1, 2), listed(invoked=3)],
    "seen before it was sent": [listed(TV, invoked=1), admitted(TV, 3, 4)],
    "took over an empty slot": [admitted(TV, 1, 2, status=200)],
    "a late start after an end": [
        admitted(TV, 1, 2),
        unknown(TV, 3, 4),
        ended(5, 6),
        listed(TV, invoked=7),
    ],
}


@pytest.mark.parametrize("events", EXPLAINED.values(), ids=EXPLAINED.keys())
def test_an_order_is_found(events: Sequence[Event]) -> None:
    assert Search(events, read("denying")).finds_order()


@pytest.mark.parametrize("events", UNEXPLAINED.values(), ids=UNEXPLAINED.keys())
def test_no_order_is_found(events: Sequence[Event]) -> None:
    assert not Search(events, read("denying")).finds_order()

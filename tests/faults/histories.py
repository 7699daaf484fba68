"""Builders of the calls in a history."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.faults.exchanged import Exchanged
from tests.faults.history import History
from tests.faults.plan_rules import TomlTable

LEASE = 5000


PLANS: Mapping[str, TomlTable] = {
    "home": {
        "limit": 3,
        "relaxed_lease_seconds": 7,
        "paused_seconds": 9,
        "rules": [
            {"name": "one-tv", "where": {"deviceType": ["tv"]}, "limit": 1},
            {"name": "one-per-title", "per": "streamId", "limit": 1},
        ],
    },
    "kids": {
        "limit": 2,
        "rules": [
            {"name": "no-adults", "where": {"metadata.kids": [False]}, "limit": 0}
        ],
    },
    "hotel": {
        "limit": 4,
        "rules": [{"name": "two-rooms", "distinct": "metadata.room", "limit": 2}],
    },
}


ONE_TV: Mapping[str, Any] = {"plan": "home", "limit": 3, "rule": "one-tv"}


ONE_PER_TITLE: Mapping[str, Any] = {"plan": "home", "limit": 3, "rule": "one-per-title"}


TWO_ROOMS: Mapping[str, Any] = {"plan": "hotel", "limit": 4, "rule": "two-rooms"}


def history(*operations: Exchanged, limit: int = 2, **more: int) -> History:
    return History(
        {**PLANS, "default": {"limit": limit}},
        LEASE,
        operations=list(operations),
        **more,
    )


def start(
    id: str,
    at: float,
    *,
    took: float = 10,
    status: int = 201,
    epoch: int = 0,
    **more: Any,
) -> Exchanged:
    """Return an admitted start. Its epoch is the time of the call."""
    epoch = epoch or int((at + 100_000) * 1000)
    return Exchanged(
        "start", at, id, at + took, status, epoch, expires_at=at + LEASE, **more
    )


def renew(of: Exchanged, at: float, *, status: int = 200, **more: Any) -> Exchanged:
    more = {"expires_at": at + LEASE} | more
    answered = at + 10
    return Exchanged("renew", at, of.id, answered, status, of.epoch, **more)


def stop(of: Exchanged, at: float, *, status: int = 204) -> Exchanged:
    answered = at + 10
    return Exchanged("stop", at, of.id, answered, status, of.epoch)


def denied(
    id: str, at: float, *names: str, limit: int = 2, plan: str = "default", **more: Any
) -> Exchanged:
    return Exchanged(
        "start", at, id, at + 10, 409, names=names, limit=limit, plan=plan, **more
    )


def limit(
    to: int | None, at: float, *, status: int = 200, evicts: bool = False
) -> Exchanged:
    return Exchanged("limit", at, "", at + 10, status, limit=to, evicts=evicts)


def plan(name: str, at: float, **more: Any) -> Exchanged:
    return replace(limit(None, at), plan=name, **more)


def of(
    call: Exchanged, title: str = "", *, type: str = "", room: str = ""
) -> Exchanged:
    """Return a start with the attributes that rules examine."""
    attributes = {
        "streamId": title or call.id,
        "deviceType": type,
        "metadata.room": room,
    }
    return replace(
        call, attributes={name: value for name, value in attributes.items() if value}
    )


def pause(
    of: Exchanged, at: float, *, since: float | None = None, **more: Any
) -> Exchanged:
    """Return a paused heartbeat under the plan `home`."""
    paused_at = at if since is None else since
    return renew(
        of,
        at,
        pauses=True,
        paused_at=paused_at,
        **{"expires_at": paused_at + 9000, **more},
    )


A, B, C = start("a", 0), start("b", 100), start("c", 200)


HOME, HOTEL = plan("home", -50), plan("hotel", -50)


TV, OTHER_TV = of(A, type="tv"), of(B, type="tv")


HALL, DEN, ATTIC = of(A, room="hall"), of(B, room="den"), of(C, room="attic")


UNKNOWN_RAISE, LATE_FILM = (
    limit(5, -500, status=503),
    replace(of(A, "film"), status=503, epoch=0),
)

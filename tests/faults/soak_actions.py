"""The actions of players and operators in a soak, and the frequency of each."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.exchanged import Exchanged
from tests.faults.soak_users import LEASE_SECONDS, Held, User, now_ms

ASLEEP_SECONDS = 2 * LEASE_SECONDS
"""Long enough for a late heartbeat to revive the stream."""
IDS = ("tv", "phone", "web", "car")
"""Ids of devices. Each is also the type of its device."""


@dataclass(frozen=True)
class Prepared:
    """A call that an action prepared, and its request."""

    call: Exchanged
    method: str
    path: str
    body: Any = None


type Action = Callable[[User, str, Held | None, random.Random], Prepared | None]
"""Prepares a call of a device, or returns None if the device makes no call."""


def choose_action(dice: random.Random) -> tuple[str, Action]:
    """Return a random action, with its name."""
    weights = [weight for weight, _ in ACTIONS.values()]
    name = dice.choices(list(ACTIONS), weights)[0]
    _, action = ACTIONS[name]
    return name, action


def _start(
    person: User, id: str, held: Held | None, dice: random.Random
) -> Prepared | None:
    if person.sleeps(id):
        return None

    replaces: tuple[str, ...] = ()
    if dice.random() < 0.1:
        others = [other for other in IDS if other != id]
        replaces = tuple(dice.sample(others, 1))

    examined: dict[str, Any] = {
        "streamId": dice.choice("1234"),
        "deviceType": dice.choice((id, id, id, None)),
    }
    room = dice.choice(("hall", "den", "attic", None))
    attributes = examined | {"metadata.room": room}
    call = Exchanged("start", 0, id, replaces=replaces, attributes=attributes)

    body = examined | {
        "deviceId": id,
        "replace": list(replaces),
        "metadata": {"room": room},
    }
    return Prepared(call, "POST", "/streams", body)


def _by_token(verb: str, path: str, *, pauses: bool = False) -> Action:
    def act(
        person: User, id: str, held: Held | None, dice: random.Random
    ) -> Prepared | None:
        if held is None:
            return None

        call = Exchanged(verb, 0, id, epoch=held.epoch, pauses=pauses)
        body = {"token": held.token}
        if pauses:
            body["state"] = "paused"
        return Prepared(call, "POST", f"/streams/{id}/{path}", body)

    return act


def _crash(person: User, id: str, held: Held | None, dice: random.Random) -> None:
    person.held.pop(id, None)


def _sleep(person: User, id: str, held: Held | None, dice: random.Random) -> None:
    person.asleep[id] = now_ms() + 1000 * ASLEEP_SECONDS


def _end(person: User, id: str, held: Held | None, dice: random.Random) -> Prepared:
    call = Exchanged("end", 0, id)
    return Prepared(call, "DELETE", f"/streams/{id}")


def _end_all(person: User, id: str, held: Held | None, dice: random.Random) -> Prepared:
    if dice.random() < 0.5:
        call = Exchanged("end all", 0, names=(id,))
        return Prepared(call, "DELETE", f"/streams?except={id}")

    return Prepared(Exchanged("end all", 0), "DELETE", "/streams")


def _list(person: User, id: str, held: Held | None, dice: random.Random) -> Prepared:
    return Prepared(Exchanged("list", 0), "GET", "/streams")


def _limit(person: User, id: str, held: Held | None, dice: random.Random) -> Prepared:
    if dice.random() < 0.3:
        return Prepared(Exchanged("limit", 0), "DELETE", "/limit")

    plan = dice.choice((None, "household", "hotel"))
    evicts = dice.random() < 0.2
    has_limit = plan is None or dice.random() < 0.3
    limit = dice.choice((1, 2, 3)) if has_limit else None

    call = Exchanged("limit", 0, limit=limit, plan=plan, evicts=evicts)
    body = {
        "limit": limit,
        "plan": plan,
        "whenFull": "evict-oldest" if evicts else "deny",
    }
    return Prepared(call, "PUT", "/limit", body)


ACTIONS: Mapping[str, tuple[float, Action]] = {
    "start or zap": (10, _start),
    "heartbeat": (45, _by_token("renew", "heartbeat")),
    "pause": (6, _by_token("renew", "heartbeat", pauses=True)),
    "stop": (4, _by_token("stop", "stop")),
    "crash": (2, _crash),
    "sleep": (0.6, _sleep),
    "end by an operator": (1, _end),
    "end all": (0.5, _end_all),
    "list": (3, _list),
    "change of the limit": (2, _limit),
}
"""By name: the frequency of an action, and the action."""

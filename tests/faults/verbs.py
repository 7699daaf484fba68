"""Every verb of the API, in every scene that changes its calls to DynamoDB."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from streams import tokens
from streams.rules import Hold, WhenFull
from streams.storage.store import StreamStore
from tests.builders import asking

GONE_MS = 5_000
"""Age of a ghost: the time since its lease expired."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Scene:
    """A user and the tokens that its players hold, by the id of the stream."""

    api: httpx.Client
    store: StreamStore
    """The store, without the proxy and with enough time."""
    user_id: str
    asks_of: str = ""
    """The user whose item the verb reads, if it is another one."""
    tokens: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)

    @property
    def asked_of(self) -> str:
        return self.asks_of or self.user_id

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.api.request(method, f"/users/{self.user_id}{path}", **more)

    def start(self, id: str, **fields: Any) -> httpx.Response:
        return self.call(
            "POST", "/streams", json={"streamId": "film", "deviceId": id, **fields}
        )

    def keep(self, response: httpx.Response) -> httpx.Response:
        """Store the token of an answer, as a player does."""
        body = response.json() if response.is_success and response.content else {}
        if "token" in body:
            self.tokens[body["id"]] = body["token"]
            self.epochs[body["id"]] = body["epoch"]
        return response

    def heartbeat(self, id: str, token: str | None = None) -> httpx.Response:
        return self.call(
            "POST",
            f"/streams/{id}/heartbeat",
            json={"token": token or self.tokens[id]},
        )

    def live(self, *ids: str) -> None:
        for id in ids:
            self.hold(id, ago_ms=1000)

    def ghost(self, id: str) -> None:
        self.hold(id, ago_ms=self.store.plans.default.lease_ms + GONE_MS)

    def hold(self, id: str, *, ago_ms: int) -> None:
        now = now_ms() - ago_ms
        request = asking(id, now=now)
        lease = self.store.start(self.user_id, request, now=now).lease
        self.tokens[id] = tokens.issue(self.user_id, lease)
        self.epochs[id] = lease.epoch

    def hold_of(self, id: str) -> Hold:
        token = self.tokens[id]
        return tokens.verify(token, user_id=self.user_id, id=id).hold

    def limit(self, limit: int, when_full: WhenFull = WhenFull.DENY) -> None:
        now = now_ms()
        self.store.set_limit(
            self.user_id,
            limit=limit,
            when_full=when_full,
            now=now,
        )


def room(scene: Scene) -> None:
    scene.live("a", "b")


def full(scene: Scene) -> None:
    scene.live("a", "b", "c")


def full_of_ghosts(scene: Scene) -> None:
    scene.ghost("c")
    scene.live("a", "b")


def paused(scene: Scene) -> None:
    room(scene)
    scene.store.renew(
        scene.user_id,
        "a",
        hold=scene.hold_of("a"),
        is_paused=True,
        now=now_ms(),
    )


def evicting(scene: Scene) -> None:
    scene.limit(3, WhenFull.EVICT_OLDEST)
    full(scene)


def limited(scene: Scene) -> None:
    scene.limit(5)
    room(scene)


def forgetful(scene: Scene) -> None:
    """Fill the account with endings, so that the next stop forgets one."""
    scene.live("a", "b")
    for id in "efghijklmnop":
        scene.hold(id, ago_ms=1000)
        scene.store.stop(scene.user_id, id, hold=None, now=now_ms())


def taken_over(scene: Scene) -> None:
    room(scene)
    scene.tokens["old"] = scene.tokens["a"]
    scene.hold("a", ago_ms=500)


def over(scene: Scene) -> None:
    room(scene)
    scene.store.stop(scene.user_id, "a", hold=scene.hold_of("a"), now=now_ms())


type Do = Callable[[Scene], httpx.Response]


@dataclass(frozen=True)
class Verb:
    """A call in a scene.

    `after` is the next call of the same users. A late write must not undo it.
    """

    before: Callable[[Scene], None]
    do: Do
    after: Do | None = None


def stopping(id: str) -> Do:
    return lambda scene: scene.call(
        "POST", f"/streams/{id}/stop", json={"token": scene.tokens[id]}
    )


def starting(id: str, **fields: Any) -> Do:
    return lambda scene: scene.start(id, **fields)


def limiting(limit: int) -> Do:
    return lambda scene: scene.call(
        "PUT", "/limit", json={"limit": limit, "whenFull": "deny"}
    )


def calling(method: str, path: str) -> Do:
    return lambda scene: scene.call(method, path)


VERBS: Mapping[str, Verb] = {
    "start": Verb(room, starting("new"), stopping("new")),
    "first start of a user": Verb(lambda scene: None, starting("new"), starting("new")),
    "start over a ghost": Verb(full_of_ghosts, starting("new"), stopping("new")),
    "start that is denied": Verb(full, starting("new")),
    "dry run": Verb(
        room,
        lambda scene: scene.call(
            "POST", "/streams?dryRun=true", json={"streamId": "film"}
        ),
    ),
    "takeover": Verb(room, starting("a"), starting("a")),
    "takeover when full": Verb(full, starting("a"), stopping("a")),
    "replace": Verb(
        full, starting("new", replace=["b"]), starting("b", replace=["new"])
    ),
    "evict": Verb(evicting, starting("new"), starting("a")),
    "renew": Verb(room, lambda scene: scene.heartbeat("a"), starting("a")),
    "pause": Verb(
        room,
        lambda scene: scene.call(
            "POST",
            "/streams/a/heartbeat",
            json={"token": scene.tokens["a"], "state": "paused"},
        ),
        starting("a"),
    ),
    "resume": Verb(paused, lambda scene: scene.heartbeat("a"), starting("a")),
    "revival": Verb(full_of_ghosts, lambda scene: scene.heartbeat("c"), stopping("c")),
    "renew of a lost slot": Verb(
        taken_over, lambda scene: scene.heartbeat("a", scene.tokens["old"])
    ),
    "stop by token": Verb(room, stopping("a"), starting("a")),
    "stop that forgets endings": Verb(forgetful, stopping("a"), starting("a")),
    "stop of an ended stream": Verb(over, stopping("a"), starting("a")),
    "stop of a ghost": Verb(full_of_ghosts, stopping("c"), starting("c")),
    "DELETE": Verb(room, calling("DELETE", "/streams/a"), starting("a")),
    "DELETE of an epoch": Verb(
        room,
        lambda scene: scene.call("DELETE", f"/streams/a?epoch={scene.epochs['a']}"),
        starting("a"),
    ),
    "DELETE of a ghost": Verb(
        full_of_ghosts, calling("DELETE", "/streams/c"), starting("c")
    ),
    "end all": Verb(full, calling("DELETE", "/streams"), starting("a")),
    "end all, with a ghost": Verb(
        full_of_ghosts, calling("DELETE", "/streams"), starting("a")
    ),
    "end all except": Verb(full, calling("DELETE", "/streams?except=a"), starting("b")),
    "list": Verb(room, calling("GET", "/streams")),
    "get": Verb(room, calling("GET", "/streams/a")),
    "get limit": Verb(limited, calling("GET", "/limit")),
    "set limit": Verb(room, limiting(5), limiting(7)),
    "set limit again": Verb(limited, limiting(6), calling("DELETE", "/limit")),
    "set limit that ends the surplus": Verb(
        full,
        lambda scene: scene.call(
            "PUT", "/limit", json={"limit": 1, "endSurplus": True}
        ),
        limiting(7),
    ),
    "clear limit": Verb(limited, calling("DELETE", "/limit"), limiting(7)),
    "erase": Verb(
        limited,
        lambda scene: scene.api.delete(f"/users/{scene.user_id}"),
        starting("a"),
    ),
    "readyz": Verb(room, lambda scene: scene.api.get("/readyz")),
}

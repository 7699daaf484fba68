"""`make load URL=…`: players in the planner's mix, with Locust, at a constant rate whatever the answers take.

Percentiles and refusals by verb; exit status 1 where more than one in a hundred answers is not the one that was
planned. Users are made up (`load-…`); in the end their streams are ended."""

# Locust patches the standard library for gevent when it is imported: before anything else but what has no sockets.
from bench.mix import PLANNED, Seen, arguments, shares

OPTIONS = arguments() if __name__ == "__main__" else None

from locust import User, task  # noqa: E402
from locust.env import Environment  # noqa: E402

# ruff: isort: split
import json  # noqa: E402
import math  # noqa: E402
import random  # noqa: E402
import secrets  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import deque  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from http.client import HTTPException  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import gevent.pool  # noqa: E402
from geventhttpclient import HTTPClient  # noqa: E402

from capacity.players import Players  # noqa: E402

ANSWERED_WITHIN_SECONDS = 10
AT_ONCE_AT_MOST = 10_000
SECONDS_BETWEEN_HEARTBEATS = 19
PLAYING_AT_MOST = 2000
FULL_USERS = 5


@dataclass
class LoadedStream:
    """A stream that plays."""

    user: str
    id: str
    token: str


class Crowd(User):
    """All the players of a run: one user of Locust's, whose one task is the run."""

    options: Any
    seen: Seen

    def on_start(self) -> None:
        """Streams that play already, and users who play on all that they may."""
        url = self.options.url
        self.http = HTTPClient.from_url(
            url, concurrency=AT_ONCE_AT_MOST, network_timeout=ANSWERED_WITHIN_SECONDS
        )
        self.base = urlsplit(url).path
        self.headers = {"Content-Type": "application/json"}
        if self.options.api_key:
            self.headers["X-API-Key"] = self.options.api_key
        self.playing: deque[LoadedStream] = deque()
        self.full: list[str] = []
        self.mix = shares(Players(concurrent=1000))
        self.acts: dict[str, Callable[[], tuple[int | None, str]]] = {
            "start": self.begin,
            "zap": self.zap,
            "denial": self.be_denied,
            "heartbeat": self.beat,
            "stop": self.stop_one,
            "list": self.look,
        }

    @task
    def come(self) -> None:
        """Before the load, those who play already; then a request at each tick, in a greenlet of its own."""
        rate, seconds = self.options.rate, self.options.seconds
        wanted = min(PLAYING_AT_MOST, math.ceil(rate * SECONDS_BETWEEN_HEARTBEATS))
        pool = gevent.pool.Pool(16)
        pool.map(lambda _: self.begin(), range(wanted))
        pool.map(lambda _: self.fill(), range(FULL_USERS))
        verbs, weights = list(self.mix), list(self.mix.values())
        began, under_way = time.perf_counter(), []
        for number in range(math.floor(rate * seconds)):
            due = began + number / rate
            gevent.sleep(max(0, due - time.perf_counter()))
            under_way.append(
                gevent.spawn(self.act, random.choices(verbs, weights)[0], due)
            )
        gevent.joinall(under_way, timeout=ANSWERED_WITHIN_SECONDS)
        pool.map(self.leave, [watched.user for watched in self.playing] + self.full)
        self.environment.runner.quit()

    def act(self, verb: str, due: float) -> None:
        """One request; its latency counts from its tick."""
        status, type = self.acts[verb]()
        self.seen.note(verb, (time.perf_counter() - due) * 1000, status, type)

    def ask(
        self, method: str, path: str, body: object = None
    ) -> tuple[int | None, Any]:
        """One request: its status, and what it says."""
        sent = "" if body is None else json.dumps(body)
        try:
            answer = self.http.request(method, f"{self.base}{path}", sent, self.headers)
            content = bytes(answer.read())
        except (OSError, HTTPException) as exc:
            return None, {"type": type(exc).__name__}
        try:
            return answer.status_code, json.loads(content) if content else {}
        except ValueError:
            return answer.status_code, {"type": "not JSON"}

    def begin(
        self, user: str | None = None, id: str | None = None
    ) -> tuple[int | None, str]:
        """A start: of a new user, or of this one."""
        name = user or f"load-{secrets.token_hex(8)}"
        status, said = self.ask(
            "POST",
            f"/users/{name}/streams",
            {"streamId": "film", "deviceId": id or "tv"},
        )
        if status in (200, 201):
            self.playing.append(LoadedStream(name, said["id"], said["token"]))
        return status, said.get("type", "")

    def zap(self) -> tuple[int | None, str]:
        """Another programme on the same device."""
        if not self.playing:
            return self.begin()
        watched = self.playing.popleft()
        return self.begin(watched.user, watched.id)

    def beat(self) -> tuple[int | None, str]:
        """The heartbeat of the stream that has waited longest."""
        if not self.playing:
            return self.begin()
        watched = self.playing.popleft()
        path = f"/users/{watched.user}/streams/{watched.id}/heartbeat"
        status, said = self.ask("POST", path, {"token": watched.token})
        if status == PLANNED["heartbeat"]:
            watched.token = said["token"]
            self.playing.append(watched)
        return status, said.get("type", "")

    def stop_one(self) -> tuple[int | None, str]:
        """A player's stop."""
        if not self.playing:
            return PLANNED["stop"], ""
        watched = self.playing.popleft()
        status, said = self.ask(
            "POST",
            f"/users/{watched.user}/streams/{watched.id}/stop",
            {"token": watched.token},
        )
        return status, said.get("type", "")

    def fill(self) -> None:
        """A user who plays on all that they may."""
        user, status = f"load-{secrets.token_hex(8)}", None
        for number in range(101):
            status, _ = self.ask(
                "POST",
                f"/users/{user}/streams",
                {"streamId": "film", "deviceId": f"device-{number}"},
            )
            if status not in (200, 201):
                break
        self.full.append(user)

    def be_denied(self) -> tuple[int | None, str]:
        """One more device."""
        user = random.choice(self.full)
        status, said = self.ask(
            "POST",
            f"/users/{user}/streams",
            {"streamId": "film", "deviceId": "one-too-many"},
        )
        return status, said.get("type", "")

    def look(self) -> tuple[int | None, str]:
        """Who holds the slots."""
        user = self.playing[0].user if self.playing else "load-nobody"
        status, said = self.ask("GET", f"/users/{user}/streams")
        return status, said.get("type", "")

    def leave(self, user: str) -> None:
        """Forget a user, or end the streams where that is not allowed."""
        status, _ = self.ask("DELETE", f"/users/{user}")
        if status != 204:
            self.ask("DELETE", f"/users/{user}/streams")


def main(options: Any) -> int:
    """One run."""
    seen = Seen()
    Crowd.options, Crowd.seen = options, seen
    runner = Environment(user_classes=[Crowd]).create_local_runner()
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    mix = shares(Players(concurrent=1000))
    sys.stdout.write(
        seen.report(rate=options.rate, seconds=options.seconds, planned=mix) + "\n"
    )
    return 0 if seen.is_as_planned else 1


if __name__ == "__main__":
    sys.exit(main(OPTIONS))

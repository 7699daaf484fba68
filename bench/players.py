"""Players in an open loop, with Locust: a request goes out at every tick of a constant rate, whether or not those
before it were answered, and its latency counts from its tick. A service that falls behind cannot slow the load down.

Each player is the project's Python client: it starts, sends three heartbeats, stops, and begins again.

python -m bench.players URL RATE SECONDS   `{"offered", "achieved", "failed", "busy_seconds", "latency_ms"}` as JSON
"""

# Locust patches the standard library for gevent when it is imported: before anything else.
from locust import User, events, task
from locust.env import Environment

# ruff: isort: split
import math
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPException
from json import dumps
from typing import Any

import gevent
import httpx
from geventhttpclient import HTTPClient

from bench.scene import as_viewer
from clients.python.streams_client import Refused, StreamClient

PERCENTILES = (50, 95, 99, 99.9)
HEARTBEATS = 3
ANSWERED_WITHIN_SECONDS = 10
AT_ONCE_AT_MOST = 10_000


class Connections:
    """What the Python client needs of `httpx.Client`, by the means that Locust itself uses: the load shares the cores
    with what it loads, and httpx would take as much of them as the service does."""

    def __init__(self, url: str) -> None:
        self.client = HTTPClient.from_url(
            url, concurrency=AT_ONCE_AT_MOST, network_timeout=ANSWERED_WITHIN_SECONDS
        )
        self.answered_well = 0

    def post(
        self,
        url: str,
        *,
        json: Mapping[str, object],
        headers: Mapping[str, str],
        follow_redirects: bool,
    ) -> httpx.Response:
        """One request, and the whole of its answer. A refusal is not what this load should get."""
        try:
            answer = self.client.request(
                "POST",
                url,
                dumps(json),
                {"Content-Type": "application/json", **headers},
            )
            content = bytes(answer.read())
        except (OSError, HTTPException) as exc:
            raise httpx.TransportError(str(exc)) from exc
        self.answered_well += answer.status_code < 400
        return httpx.Response(
            answer.status_code, headers=dict(answer.items()), content=content
        )


class Arrivals(User):
    """All the players of a run: one user of Locust's, whose one task is the run."""

    url: str
    rate: float
    seconds: float
    http: Connections

    def on_start(self) -> None:
        """No players yet: one is made when none is idle."""
        self.idle: deque[Iterator[str]] = deque()

    @task
    def arrive(self) -> None:
        """A request at each tick, in a greenlet of its own."""
        began = time.perf_counter()
        under_way = []
        for number in range(math.floor(self.rate * self.seconds)):
            due = began + number / self.rate
            gevent.sleep(max(0, due - time.perf_counter()))
            under_way.append(gevent.spawn(self.request, due))
        gevent.joinall(under_way, timeout=ANSWERED_WITHIN_SECONDS)
        self.environment.runner.quit()

    def request(self, due: float) -> None:
        """The next step of whichever player is idle longest."""
        player = self.idle.popleft() if self.idle else self.play()
        verb = next(player)
        self.environment.events.request.fire(
            request_type="player",
            name=verb,
            response_time=(time.perf_counter() - due) * 1000,
            response_length=0,
            exception=None,
            context={},
        )
        self.idle.append(player)

    def play(self) -> Iterator[str]:
        """One player: a request, and its verb, at each step."""
        user = str(uuid.uuid4())
        # One try a request, and no heartbeats of its own: it is the ticks that say when something is sent.
        http: Any = self.http
        client = StreamClient(
            self.url,
            user,
            headers=as_viewer(user),
            http=http,
            beats=False,
            patience_seconds=0,
        )
        while True:
            with suppress(Refused):
                client.start("456", deviceId="tv")
            yield "start"
            for _ in range(HEARTBEATS):
                client.heartbeat()
                yield "renew"
            client.stop()
            yield "stop"


def main(url: str, rate: float, seconds: float) -> dict[str, object]:
    """One run at one rate."""
    answered: list[tuple[float, float]] = []

    def note(response_time: float, **rest: object) -> None:
        answered.append((time.perf_counter(), response_time))

    events.request.add_listener(note)
    Arrivals.url, Arrivals.http, Arrivals.rate, Arrivals.seconds = (
        url,
        Connections(url),
        rate,
        seconds,
    )
    runner = Environment(user_classes=[Arrivals], events=events).create_local_runner()
    began, busy = time.perf_counter(), time.process_time()
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    latencies = sorted(latency for _, latency in answered)
    return {
        "offered": rate,
        "achieved": sum(at < began + seconds for at, _ in answered) / seconds,
        "failed": math.floor(rate * seconds) - Arrivals.http.answered_well,
        "busy_seconds": time.process_time() - busy,
        "latency_ms": {
            str(percent): _percentile(latencies, percent) for percent in PERCENTILES
        },
    }


def _percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


if __name__ == "__main__":
    print(dumps(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))))

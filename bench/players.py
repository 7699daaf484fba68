"""Players in an open loop, with Locust.

A request is sent at every tick of a constant rate, even if earlier ones have no answer
yet, and its latency counts from its tick. So a service that falls behind cannot slow
the load down. Each player is the project's Python client: it starts, sends three
heartbeats, stops, and starts again.

python -m bench.players URL RATE SECONDS

Prints `{"offered", "achieved", "failed", "busy_seconds", "latency_ms"}` as JSON.
"""

# Locust patches the standard library for gevent when it is imported, so it comes first.
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

from bench.mix import PERCENTILES, percentile
from bench.scene import as_viewer
from clients.python.streams_client import Refused, StreamClient

HEARTBEATS = 3
ANSWERED_WITHIN_SECONDS = 10
MAX_CONNECTIONS = 10_000


class Connections:
    """The part of `httpx.Client` that the Python client uses, on Locust's connections.

    The load shares the cores with the service. httpx would need as much processor time
    as the service does.
    """

    def __init__(self, url: str) -> None:
        self.client = HTTPClient.from_url(
            url,
            concurrency=MAX_CONNECTIONS,
            network_timeout=ANSWERED_WITHIN_SECONDS,
        )
        self.succeeded = 0

    def post(
        self,
        url: str,
        *,
        json: Mapping[str, object],
        headers: Mapping[str, str],
        follow_redirects: bool,
    ) -> httpx.Response:
        """Send one request and return its answer. A refusal counts as a failure."""
        all_headers = {"Content-Type": "application/json", **headers}
        try:
            answer = self.client.request("POST", url, dumps(json), all_headers)
            content = bytes(answer.read())
        except (OSError, HTTPException) as exc:
            raise httpx.TransportError(str(exc)) from exc

        self.succeeded += answer.status_code < 400
        return httpx.Response(
            answer.status_code,
            headers=dict(answer.items()),
            content=content,
        )


class Arrivals(User):
    """All players of a run: one Locust user whose only task is the run."""

    url: str
    rate: float
    seconds: float
    http: Connections

    def on_start(self) -> None:
        """Begin without players. A player is added when no player is idle."""
        self.idle: deque[Iterator[str]] = deque()

    @task
    def perform(self) -> None:
        """Send a request at each tick, each in its own greenlet."""
        began = time.perf_counter()
        greenlets = []
        for number in range(math.floor(self.rate * self.seconds)):
            due = began + number / self.rate
            gevent.sleep(max(0, due - time.perf_counter()))
            greenlets.append(gevent.spawn(self.send_next, due))

        gevent.joinall(greenlets, timeout=ANSWERED_WITHIN_SECONDS)
        self.environment.runner.quit()

    def send_next(self, due: float) -> None:
        """Send the next request of the player that has been idle longest."""
        player = self.idle.popleft() if self.idle else self.play()
        verb = next(player)

        latency_ms = (time.perf_counter() - due) * 1000
        self.environment.events.request.fire(
            request_type="player",
            name=verb,
            response_time=latency_ms,
            response_length=0,
            exception=None,
            context={},
        )
        self.idle.append(player)

    def play(self) -> Iterator[str]:
        """Play as one player. Each step sends a request and yields its verb."""
        user = str(uuid.uuid4())
        http: Any = self.http
        client = StreamClient(
            self.url,
            user,
            headers=as_viewer(user),
            http=http,
            beats=False,  # the ticks decide when a heartbeat is sent
            patience_seconds=0,  # one try per request
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
    """Run once at one rate and return the figures."""
    answers: list[tuple[float, float]] = []

    def note(response_time: float, **others: object) -> None:
        answers.append((time.perf_counter(), response_time))

    events.request.add_listener(note)
    Arrivals.url = url
    Arrivals.http = Connections(url)
    Arrivals.rate = rate
    Arrivals.seconds = seconds

    runner = Environment(user_classes=[Arrivals], events=events).create_local_runner()
    began = time.perf_counter()
    busy_before = time.process_time()
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    busy_seconds = time.process_time() - busy_before

    end = began + seconds
    answered_in_time = sum(answered_at < end for answered_at, _ in answers)
    latencies = sorted(latency_ms for _, latency_ms in answers)
    sent = math.floor(rate * seconds)
    return {
        "offered": rate,
        "achieved": answered_in_time / seconds,
        "failed": sent - Arrivals.http.succeeded,
        "busy_seconds": busy_seconds,
        "latency_ms": {
            str(percent): percentile(latencies, percent) for percent in PERCENTILES
        },
    }


if __name__ == "__main__":
    print(dumps(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))))

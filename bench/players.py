"""Players in an open loop, with Locust: a request goes out at every tick of a constant rate, whether or not those
before it were answered, and its latency counts from its tick. A service that falls behind cannot slow the load down.

Each player is the project's Python client: it starts, sends three heartbeats, stops, and begins again.

python -m bench.players URL RATE SECONDS   `{"offered", "achieved", "failed", "latency_ms": {percentile: ms}}` as JSON
"""

# Locust patches the standard library for gevent when it is imported: before anything else.
from locust import User, events, task
from locust.env import Environment

# ruff: isort: split
import json
import math
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import gevent
import httpx

from bench.scene import as_viewer
from clients.python.streams_client import Refused, StreamClient

PERCENTILES = (50, 95, 99, 99.9)
HEARTBEATS = 3
ANSWERED_WITHIN_SECONDS = 10


class Arrivals(User):
    """All the players of a run: one user of Locust's, whose one task is the run."""

    rate: float
    seconds: float
    answered_well = 0

    def on_start(self) -> None:
        """No players yet: one is made when none is idle."""
        self.idle: deque[Iterator[str]] = deque()
        self.http = httpx.Client(
            timeout=ANSWERED_WITHIN_SECONDS,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            event_hooks={"response": [self.note_answered]},
        )

    def note_answered(self, response: httpx.Response) -> None:
        """A refusal is not what this load should get."""
        Arrivals.answered_well += response.is_success

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
        client = StreamClient(self.host, user, headers=as_viewer(user), http=self.http, beats=False, patience_seconds=0)
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

    @events.request.add_listener
    def note(response_time: float, **rest: object) -> None:
        answered.append((time.perf_counter(), response_time))

    Arrivals.host, Arrivals.rate, Arrivals.seconds = url, rate, seconds
    runner = Environment(user_classes=[Arrivals], events=events).create_local_runner()
    began = time.perf_counter()
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    latencies = sorted(latency for _, latency in answered)
    return {
        "offered": rate,
        "achieved": sum(at < began + seconds for at, _ in answered) / seconds,
        "failed": math.floor(rate * seconds) - Arrivals.answered_well,
        "latency_ms": {str(percent): _percentile(latencies, percent) for percent in PERCENTILES},
    }


def _percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))))

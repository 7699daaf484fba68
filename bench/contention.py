"""Measures contention: several callers act on one user at the same instant.

python -m bench.contention

Prints `{verb: {callers: {"calls_a_request", "median_ms", "slowest_ms", "contended",
"over"}}}`: DynamoDB calls per request, milliseconds from the common instant to the
answer, requests that failed as contended, and streams admitted over the limit.
"""

import json
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bench.scene import VERBS
from streams.errors import StoreContended, StreamLimitReached
from streams.models import UserStreams
from streams.rules import EPOCHS_PER_MS, Hold, Plan, Plans, StartRequest
from streams.storage.store import StreamStore

CALLERS = (1, 4, 16, 64)
ATTEMPTS = 10
LEASE_MS = 60_000
LIMIT = 3
HIGH_LIMIT = 100
"""A limit at which every caller has a stream to renew or to stop."""


@dataclass
class Contention:
    """A number of callers that send one verb for one user."""

    verb: str
    callers: int
    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    streams_over_limit: int = 0

    def __post_init__(self) -> None:
        is_start = self.verb in ("start", "denial")
        self.limit = LIMIT if is_start else HIGH_LIMIT
        plans = Plans(default=Plan(limit=self.limit, lease_ms=LEASE_MS))
        self.quiet_store = StreamStore(plans=plans)
        self.store = StreamStore(plans=plans, call=self._count_and_call)

    def measure(self) -> dict[str, float]:
        """Run all attempts and return the figures."""
        self._attempt()  # opens the connections and is not measured
        self.calls.clear()
        self.outcomes.clear()
        self.latencies.clear()

        for _ in range(ATTEMPTS):
            self._attempt()

        return {
            "calls_a_request": self.calls.total() / (self.callers * ATTEMPTS),
            "median_ms": statistics.median(self.latencies),
            "slowest_ms": max(self.latencies),
            "contended": self.outcomes["StoreContended"],
            "over": self.streams_over_limit,
        }

    def _attempt(self) -> None:
        """Have all callers act on a new user at the same instant."""
        user = str(uuid.uuid4())
        now = time.time_ns() // 1_000_000
        holds = self._start_before(user, now)
        gate = threading.Barrier(self.callers)

        def act(number: int) -> tuple[str, float]:
            gate.wait()
            began = time.perf_counter()
            outcome = self._outcome_of(user, number, holds, now=now)
            return outcome, (time.perf_counter() - began) * 1000

        with ThreadPoolExecutor(self.callers) as pool:
            for outcome, latency_ms in pool.map(act, range(self.callers)):
                self.outcomes[outcome] += 1
                self.latencies.append(latency_ms)

        live = self.quiet_store.read(user, now=now).live(now)
        self.streams_over_limit += max(0, len(live) - self.limit)

    def _start_before(self, user: str, now: int) -> list[Hold]:
        """Start the streams that the verb needs, and return their holds."""
        streams = {"start": 0, "denial": self.limit}.get(self.verb, self.callers)
        holds = []
        for number in range(streams):
            request = _start_request(f"s{number}", now)
            lease = self.quiet_store.start(user, request, now=now).lease
            holds.append(Hold(epoch=lease.epoch, expires_at=lease.expires_at))
        return holds

    def _outcome_of(
        self, user: str, number: int, holds: list[Hold], *, now: int
    ) -> str:
        """Send the verb of one caller and return "done" or the error's name."""
        try:
            if self.verb in ("start", "denial"):
                request = _start_request(f"new-{number}", now)
                self.store.start(user, request, now=now)
            elif self.verb == "renew":
                self.store.renew(user, f"s{number}", hold=holds[number], now=now + 1)
            else:
                self.store.stop(user, f"s{number}", hold=holds[number], now=now + 1)
        except (StreamLimitReached, StoreContended) as refusal:
            return type(refusal).__name__
        return "done"

    def _count_and_call(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.calls[operation] += 1
        return UserStreams.call(operation, arguments)


def _start_request(id: str, now: int) -> StartRequest:
    epoch = now * EPOCHS_PER_MS
    return StartRequest(id=id, stream_id="456", epoch=epoch, nonce=id)


def main() -> None:
    """Measure every verb with every number of callers, and print the figures."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for verb in VERBS:
        figures[verb] = {}
        for callers in CALLERS:
            figures[verb][str(callers)] = Contention(verb, callers).measure()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

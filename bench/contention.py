"""Contention: so many callers at the same instant on one user. DynamoDB calls for each request, milliseconds from that
instant to the answer, requests that ended as contended, and streams admitted over the limit.

python -m bench.contention   `{verb: {callers: {"calls_a_request", "median_ms", "slowest_ms", "contended", "over"}}}`
"""

import json
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.scene import VERBS
from streams.errors import StoreContended, StreamLimitReached
from streams.models import UserStreams
from streams.rules import EPOCHS_A_MS, Hold, Policy, StartRequest
from streams.storage.store import StreamStore

CALLERS = (1, 4, 16, 64)
ATTEMPTS = 10
LEASE_MS = 60_000
MANY = 100
"""A limit that leaves every caller a stream of its own, to renew or to stop."""


def contend(verb: str, callers: int) -> dict[str, float]:
    """The figures of a verb. A start is of a user who has nothing yet; a denial, of one whose slots are all held; a
    renewal and a stop, of one who holds as many streams as there are callers."""
    calls: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    latencies: list[float] = []
    over = 0

    def counted(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        calls[operation] += 1
        return UserStreams.call(operation, arguments)

    policy = Policy(limit=3 if verb in ("start", "denial") else MANY, lease_ms=LEASE_MS)
    quiet, store = StreamStore(policy=policy), StreamStore(policy=policy, call=counted)
    for attempt in range(ATTEMPTS + 1):
        user, now = str(uuid.uuid4()), time.time_ns() // 1_000_000
        before = {"start": 0, "denial": policy.limit}.get(verb, callers)
        leases = [
            quiet.start(user, _asking(f"s{number}", now), now=now).lease
            for number in range(before)
        ]
        holds = [
            Hold(epoch=lease.epoch, expires_at=lease.expires_at) for lease in leases
        ]
        gate = threading.Barrier(callers)

        def act(number: int) -> tuple[str, float]:
            gate.wait()  # noqa: B023
            began = time.perf_counter()
            try:
                if verb in ("start", "denial"):
                    store.start(user, _asking(f"new-{number}", now), now=now)  # noqa: B023
                elif verb == "renew":
                    store.renew(user, f"s{number}", hold=holds[number], now=now + 1)  # noqa: B023
                else:
                    store.stop(user, f"s{number}", hold=holds[number], now=now + 1)  # noqa: B023
                outcome = "done"
            except (StreamLimitReached, StoreContended) as refusal:
                outcome = type(refusal).__name__
            return outcome, (time.perf_counter() - began) * 1000

        with ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(act, range(callers)))
        over += max(0, len(quiet.read(user, now=now).live(now)) - policy.limit)
        if attempt:  # the first opens the connections
            outcomes.update(outcome for outcome, _ in answers)
            latencies += [latency for _, latency in answers]
        else:
            calls.clear()
    return {
        "calls_a_request": calls.total() / (callers * ATTEMPTS),
        "median_ms": statistics.median(latencies),
        "slowest_ms": max(latencies),
        "contended": outcomes["StoreContended"],
        "over": over,
    }


def _asking(id: str, now: int) -> StartRequest:
    return StartRequest(id=id, stream_id="456", epoch=now * EPOCHS_A_MS, nonce=id)


if __name__ == "__main__":
    print(
        json.dumps(
            {
                verb: {str(callers): contend(verb, callers) for callers in CALLERS}
                for verb in VERBS
            }
        )
    )

"""Counts the DynamoDB calls and capacity units of each verb, as reported.

python -m bench.counted

Prints `{case: {"calls", "refused", "units"}}` as JSON. The units are those that
the engine reports (`ReturnConsumedCapacity`).
"""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from streams.errors import StreamLimitReached
from streams.models import UserStreams
from streams.plan_files import read_plans
from streams.rules import EPOCHS_PER_MS, Hold, Lease, Plan, Plans, StartRequest
from streams.storage.store import StreamStore

LEASE_MS = 60_000
DEFAULT_PLAN = Plan(limit=3, lease_ms=LEASE_MS)
ENDINGS = 8
"""Endings that an item holds before a stop drops the oldest."""
FAMILY = Path(__file__).parent.parent / "docs" / "plans" / "family.toml"


class CountedCalls:
    """Sends calls to DynamoDB and counts them, with the units that they consume."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Count from here."""
        self.calls = 0
        self.answered = 0
        self.units = 0.0

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Send a call and count it."""
        self.calls += 1
        answer = UserStreams.call(operation, arguments)
        self.answered += 1
        self.units += answer["ConsumedCapacity"]["CapacityUnits"]
        return answer


class Cases:
    """The counted cases of one user, with one catalogue of plans."""

    def __init__(self, plans: Plans, *, now: int) -> None:
        self.counted = CountedCalls()
        self.store = StreamStore(plans=plans, call=self.counted)
        self.user = f"counted-{uuid.uuid4()}"
        self.now = now
        self.epochs = itertools.count(now * EPOCHS_PER_MS)
        self.figures: dict[str, dict[str, float]] = {}

    def count[Result](self, case: str, act: Callable[[], Result]) -> Result | None:
        """Record the calls and units of an act. Return its result, None if denied."""
        self.counted.reset()
        result = None
        with suppress(StreamLimitReached):
            result = act()

        self.figures[case] = {
            "calls": self.counted.calls,
            "refused": self.counted.calls - self.counted.answered,
            "units": self.counted.units,
        }
        return result

    def start(
        self,
        id: str,
        *,
        stream_id: str = "456",
        device_type: str | None = None,
        network: str | None = None,
        later_ms: int = 0,
    ) -> Lease:
        """Start a stream and return its lease."""
        request = StartRequest(
            id=id,
            stream_id=stream_id,
            device_type=device_type,
            network=network,
            epoch=next(self.epochs) + later_ms * EPOCHS_PER_MS,
            nonce="counted",
        )
        admission = self.store.start(self.user, request, now=self.now + later_ms)
        return admission.lease

    def renew(
        self, id: str, hold: Hold, *, later_ms: int, is_paused: bool = False
    ) -> Lease:
        """Send a heartbeat and return the lease."""
        return self.store.renew(
            self.user,
            id,
            hold=hold,
            now=self.now + later_ms,
            is_paused=is_paused,
        )

    def stop(self, id: str, hold: Hold, *, later_ms: int) -> None:
        """Stop a stream."""
        self.store.stop(self.user, id, hold=hold, now=self.now + later_ms)


def count_default_plan(*, now: int) -> dict[str, dict[str, float]]:
    """Count the verbs of a user with a plain limit of 3."""
    cases = Cases(Plans(default=DEFAULT_PLAN), now=now)

    cases.count("first start of a new user", lambda: cases.start("a"))
    cases.count("start", lambda: cases.start("b"))
    hold = _hold_of(cases.start("c"))
    cases.count("denial", lambda: cases.start("d"))
    cases.count("renew", lambda: cases.renew("c", hold, later_ms=1))
    cases.count("stop", lambda: cases.stop("c", hold, later_ms=2))

    for number in range(1, ENDINGS + 1):
        id = f"ended-{number}"
        cases.stop(id, _hold_of(cases.start(id)), later_ms=3)
    last_hold = _hold_of(cases.start("e"))
    cases.count(
        "stop that forgets old endings, one in four",
        lambda: cases.stop("e", last_hold, later_ms=4),
    )

    cases.start("e")
    cases.count(
        "start over a ghost",
        lambda: cases.start("f", later_ms=2 * LEASE_MS),
    )
    cases.count("list", lambda: cases.store.read(cases.user, now=now))
    return cases.figures


def count_family_plan(*, now: int) -> dict[str, dict[str, float]]:
    """Count the verbs of a user with the plan of docs/plans/family.toml.

    The plan is stored for the user. The default plan has no rules.
    """
    cases = Cases(read_plans("PLANS", FAMILY, default=DEFAULT_PLAN), now=now)

    def start(id: str, stream_id: str, device_type: str = "phone") -> Lease:
        return cases.start(
            id,
            stream_id=stream_id,
            device_type=device_type,
            network="home",
        )

    cases.count(
        "family plan: set it",
        lambda: cases.store.set_limit(cases.user, plan="family", now=now),
    )
    lease = cases.count(
        "family plan: start, of one device",
        lambda: start("a", "one", "tv"),
    )
    assert lease is not None, "the plan has room for the first stream"
    cases.count(
        "family plan: start, of another title",
        lambda: start("b", "two", "tv"),
    )
    cases.count(
        "family plan: denial, of the same title",
        lambda: start("c", "two"),
    )
    cases.count(
        "family plan: denial, of a third big screen",
        lambda: start("c", "three", "tv"),
    )

    hold = _hold_of(lease)
    cases.count(
        "family plan: pause",
        lambda: cases.renew("a", hold, later_ms=1, is_paused=True),
    )
    cases.count(
        "family plan: heartbeat while paused",
        lambda: cases.renew("a", hold, later_ms=2, is_paused=True),
    )
    cases.count(
        "family plan: heartbeat that resumes",
        lambda: cases.renew("a", hold, later_ms=3),
    )

    relaxed_hold = _hold_of(start("b", "two", "tv"))
    cases.count(
        "family plan: heartbeat, relaxed",
        lambda: cases.renew("b", relaxed_hold, later_ms=4),
    )
    return cases.figures


def _hold_of(lease: Lease) -> Hold:
    return Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)


def main() -> None:
    """Count every case and print the figures."""
    now = time.time_ns() // 1_000_000
    print(json.dumps(count_default_plan(now=now) | count_family_plan(now=now)))


if __name__ == "__main__":
    main()

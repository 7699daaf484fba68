"""DynamoDB calls and capacity units of each verb, as the engine reports them (`ReturnConsumedCapacity`).

python -m bench.counted   `{case: {"calls", "refused", "units"}}` as JSON
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
from streams.rules import EPOCHS_A_MS, Hold, Policy, StartRequest
from streams.storage.store import StreamStore
from streams_project.plans import read_plans

LEASE_MS = 60_000
FAMILY = Path(__file__).parent.parent / "docs" / "plans" / "family.toml"


class Counted:
    """DynamoDB, with what it is asked and what that took."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count from here."""
        self.calls = self.answered = 0
        self.units = 0.0

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Send it on."""
        self.calls += 1
        answer = UserStreams.call(operation, arguments)
        self.answered += 1
        self.units += answer["ConsumedCapacity"]["CapacityUnits"]
        return answer


def count() -> dict[str, dict[str, float]]:
    """What each case takes."""
    found: dict[str, dict[str, float]] = {}
    user, now, counted = (
        f"counted-{uuid.uuid4()}",
        time.time_ns() // 1_000_000,
        Counted(),
    )
    store = StreamStore(policy=Policy(limit=3, lease_ms=LEASE_MS), call=counted)

    starts = itertools.count()

    def note(case: str, act: Callable[[], Any]) -> Any:
        counted.forget()
        outcome = None
        with suppress(StreamLimitReached):
            outcome = act()
        found[case] = {
            "calls": counted.calls,
            "refused": counted.calls - counted.answered,
            "units": counted.units,
        }
        return outcome

    def start(id: str, at: int = now) -> Any:
        request = StartRequest(
            id=id,
            stream_id="456",
            epoch=at * EPOCHS_A_MS + next(starts),
            nonce="counted",
        )
        return store.start(user, request, now=at)

    def held(id: str) -> Hold:
        lease = start(id).lease
        return Hold(epoch=lease.epoch, expires_at=lease.expires_at)

    note("first start of a new user", lambda: start("a"))
    note("start", lambda: start("b"))
    hold = held("c")
    note("denial", lambda: start("d"))
    note("renew", lambda: store.renew(user, "c", hold=hold, now=now + 1))
    note("stop", lambda: store.stop(user, "c", hold=hold, now=now + 2))
    for number in range(1, 9):
        store.stop(user, f"ended-{number}", hold=held(f"ended-{number}"), now=now + 3)
    hold = held("e")
    note(
        "stop that forgets old endings, one in four",
        lambda: store.stop(user, "e", hold=hold, now=now + 4),
    )
    start("e")
    note("start over a ghost", lambda: start("f", now + 2 * LEASE_MS))
    note("list", lambda: store.read(user, now=now))
    of_plans(note, counted, now)
    return found


def of_plans(
    note: Callable[[str, Callable[[], Any]], Any], counted: "Counted", now: int
) -> None:
    """What docs/plans/family.toml takes, stored for a user beside a plain default plan."""
    default = Policy(limit=3, lease_ms=LEASE_MS)
    store = StreamStore(
        policy=read_plans("PLANS", FAMILY, default=default), call=counted
    )
    user, epochs = f"counted-{uuid.uuid4()}", itertools.count(now * EPOCHS_A_MS)

    def start(id: str, film: str, kind: str = "phone") -> Any:
        request = StartRequest(
            id=id,
            stream_id=film,
            device_type=kind,
            network="home",
            epoch=next(epochs),
            nonce="counted",
        )
        return store.start(user, request, now=now).lease

    note("family plan: set it", lambda: store.set_limit(user, plan="family", now=now))
    lease = note("family plan: start, of one device", lambda: start("a", "one", "tv"))
    note("family plan: start, of another title", lambda: start("b", "two", "tv"))
    note("family plan: denial, of the same title", lambda: start("c", "two"))
    note(
        "family plan: denial, of a third big screen", lambda: start("c", "three", "tv")
    )
    hold = Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)
    note(
        "family plan: pause",
        lambda: store.renew(user, "a", hold=hold, now=now + 1, is_paused=True),
    )
    note(
        "family plan: heartbeat while paused",
        lambda: store.renew(user, "a", hold=hold, now=now + 2, is_paused=True),
    )
    lease = note(
        "family plan: heartbeat that resumes",
        lambda: store.renew(user, "a", hold=hold, now=now + 3),
    )
    lease = start("b", "two", "tv")
    hold = Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)
    note(
        "family plan: heartbeat, relaxed",
        lambda: store.renew(user, "b", hold=hold, now=now + 4),
    )


if __name__ == "__main__":
    print(json.dumps(count()))

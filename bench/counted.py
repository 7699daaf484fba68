"""DynamoDB calls and capacity units of each verb, as the engine reports them (`ReturnConsumedCapacity`).

python -m bench.counted   `{case: {"calls", "refused", "units"}}` as JSON
"""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from streams.errors import StreamLimitReached
from streams.models import UserStreams
from streams.rules import EPOCHS_A_MS, Hold, Policy, StartRequest
from streams.storage.store import StreamStore

LEASE_MS = 60_000


class Counted:
    """DynamoDB, with what it is asked and what that took."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count from here."""
        self.calls = self.answered = 0
        self.units = 0.0

    def __call__(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send it on."""
        self.calls += 1
        answer = UserStreams.call(operation, arguments)
        self.answered += 1
        self.units += answer["ConsumedCapacity"]["CapacityUnits"]
        return answer


def count() -> dict[str, dict[str, float]]:
    """What each case takes."""
    found: dict[str, dict[str, float]] = {}
    user, now, counted = f"counted-{uuid.uuid4()}", time.time_ns() // 1_000_000, Counted()
    store = StreamStore(policy=Policy(limit=3, lease_ms=LEASE_MS), call=counted)

    starts = itertools.count()

    def note(case: str, act: Callable[[], Any]) -> Any:
        counted.forget()
        outcome = None
        with suppress(StreamLimitReached):
            outcome = act()
        found[case] = {"calls": counted.calls, "refused": counted.calls - counted.answered, "units": counted.units}
        return outcome

    def start(id: str, at: int = now) -> Any:
        request = StartRequest(id=id, stream_id="456", epoch=at * EPOCHS_A_MS + next(starts), nonce="counted")
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
    note("stop that forgets old endings, one in four", lambda: store.stop(user, "e", hold=hold, now=now + 4))
    start("e")
    note("start over a ghost", lambda: start("f", now + 2 * LEASE_MS))
    note("list", lambda: store.read(user, now=now))
    return found


if __name__ == "__main__":
    print(json.dumps(count()))

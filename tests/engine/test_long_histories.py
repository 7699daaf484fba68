"""Hundreds of calls of one user over a few ids: the store agrees with the rule."""

import random
from functools import partial
from typing import Any

import pytest

from streams.rules import Admission, Hold, Lease, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, held
from tests.dynamodb_clients import Calls
from tests.model import ModelStore
from tests.outcomes import outcome

pytestmark = pytest.mark.engine

IDS = [f"d{number}" for number in range(13)]
"""One more than an item has room for endings."""
WAITS_MS = [0, 1, 1, 7, 500, LEASE_MS // 3, LEASE_MS]
WEIGHTS = [30, 20, 12, 24, 2, 3, 3]
"""How often each verb is called, in the order of the verbs."""
MAX_CALLS = 2
"""Of a verb without rivals."""


@pytest.mark.parametrize("seed", range(3))
def test_a_long_history_of_one_user_agrees_with_the_rule(
    streams: StreamStore,
    user_id: str,
    calls: Calls,
    seed: int,
) -> None:
    dice, model, now = (
        random.Random(seed),
        ModelStore(streams.plans),
        NOW,
    )
    holds: dict[str, list[Hold]] = {}
    for number in range(300):
        waits = WAITS_MS if dice.random() < 0.3 else [1]
        now += dice.choice(waits)
        id = dice.choice(IDS)
        unknown = Hold(epoch=1, expires_at=now)
        last_holds = holds.get(id, [unknown])[-2:]
        hold = dice.choice(last_holds)
        count = dice.choice([0, 0, 1, 2])
        named = dict.fromkeys(dice.sample(IDS, count))
        limit = {
            "limit": dice.randrange(5),
            "when_full": dice.choice(list(WhenFull)),
        }
        request = asking(id, now=now, replace=named)
        verbs: dict[str, Any] = {
            "start": lambda store, request=request, now=now: store.start(
                user_id, request, now=now
            ),
            "renew": lambda store, id=id, hold=hold, now=now: store.renew(
                user_id, id, hold=hold, now=now
            ),
            "stop": lambda store, id=id, hold=hold, now=now: store.stop(
                user_id, id, hold=hold, now=now
            ),
            "end": lambda store, id=id, now=now: store.stop(
                user_id, id, hold=None, now=now
            ),
            "end all": lambda store, id=id, now=now: store.end_all(
                user_id, keep=id, now=now
            ),
            "limit": lambda store, limit=limit, now=now: store.set_limit(
                user_id, **limit, now=now
            ),
            "clear": lambda store, now=now: store.clear_limit(user_id, now=now),
        }
        (verb,) = dice.choices(list(verbs), WEIGHTS)
        calls.made.clear()
        act = verbs[verb]
        result, expected = (
            outcome(partial(act, streams)),
            outcome(partial(act, model)),
        )
        step = f"{number}: {verb} {id}"
        assert result == expected, step
        assert len(calls.made) <= MAX_CALLS, step
        lease = result.lease if isinstance(result, Admission) else result
        if isinstance(lease, Lease):
            holds.setdefault(id, []).append(held(lease))

    stored = streams.read(user_id, now=now)
    assert stored == model.read(user_id, now=now)

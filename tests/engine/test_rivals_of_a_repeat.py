"""A repeat after a lost answer, when another call changed the user in between."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from streams.errors import StoreUnavailable, StreamLimitReached
from streams.rules import Account, Admission, Hold, Lease
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, fill, held, started
from tests.engine.networks import HeldWrite, LostAnswer
from tests.engine.verbs import VERBS, Verb
from tests.model import ModelStore
from tests.outcomes import outcome

pytestmark = pytest.mark.engine


REPEATED: dict[str, Verb] = VERBS | {
    "pause": lambda store, user, holds, now: store.renew(
        user,
        "a",
        hold=holds["a"],
        now=now,
        is_paused=True,
    ),
}
RIVALS: dict[str, Verb] = {
    "start in the same slot": lambda store, user, holds, now: store.start(
        user,
        asking("a", now=now, nonce="rival"),
        now=now,
    ),
    "start in the new slot": lambda store, user, holds, now: store.start(
        user,
        asking("new", now=now, nonce="rival"),
        now=now,
    ),
    "end": lambda store, user, holds, now: store.stop(user, "new", hold=None, now=now),
    "end all": lambda store, user, holds, now: store.end_all(user, keep=None, now=now),
    "resume": lambda store, user, holds, now: store.renew(
        user, "a", hold=holds["a"], now=now
    ),
    "suspend": lambda store, user, holds, now: store.set_limit(
        user, limit=0, end_surplus=True, now=now
    ),
    "forget": lambda store, user, holds, now: store.forget(user, now=now),
}


def in_order(
    streams: StreamStore,
    user_id: str,
    *acts: Callable[[Any], Any],
) -> tuple[list[Any], Any]:
    """Return the answers and the account of acts that run one after the other."""
    model = ModelStore(streams.plans)
    fill(model, user_id, "a", "b")
    answers = [visible(outcome(partial(act, model))) for act in acts]
    return answers, state_of(model, user_id)


def visible(answer: Any) -> Any:
    """Return the part of an outcome that the API shows."""
    if isinstance(answer, Admission):
        lease = replace(answer.lease, prior_expires_at=0)
        return lease, answer.lease.took_over, answer.ended
    match answer:
        case (Account() as before, Account() as after):
            return (
                before.leases.keys(),
                after.leases.keys(),
                after.limit,
            )
        case ("ended", ending, Lease() as successor):
            return "ended", ending, successor.id
    return answer


def state_of(store: Any, user_id: str) -> Any:
    account = store.read(user_id, now=NOW)
    leases = {
        id: replace(lease, prior_expires_at=0) for id, lease in account.leases.items()
    }
    return leases, account.ended, account.limit


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("verb", REPEATED)
def test_one_order_explains_a_repeat_and_the_call_before_it(
    streams: StreamStore,
    user_id: str,
    verb: str,
    rival: str,
) -> None:
    holds = fill(streams, user_id, "a", "b")

    def repeated(store: Any) -> Any:
        return REPEATED[verb](store, user_id, holds, NOW + 10)

    def other(store: Any) -> Any:
        return RIVALS[rival](store, user_id, holds, NOW + 11)

    others: list[Any] = []
    network = LostAnswer(
        lambda: others.append(visible(outcome(partial(other, streams)))),
    )
    try:
        answer = visible(
            outcome(
                partial(
                    repeated,
                    replace(streams, call=network.call),
                )
            )
        )
    except StoreUnavailable:
        answer = "not known"

    state = state_of(streams, user_id)

    if not others:  # the verb needs no write
        assert ([answer], state) == in_order(streams, user_id, repeated)
        return

    (own, rivals), after = in_order(streams, user_id, repeated, other)
    is_first = answer in (own, "not known") and (
        [rivals],
        after,
    ) == (others, state)
    (rivals, own), after = in_order(streams, user_id, other, repeated)
    is_second = answer in (own, "not known") and (
        [rivals],
        after,
    ) == (others, state)

    assert is_first or is_second, (answer, others, state)


def test_a_start_that_was_denied_is_not_admitted_by_a_late_delivery(
    streams: StreamStore, user_id: str
) -> None:
    holds = fill(streams, user_id, "a", "b", "c")
    network = HeldWrite()
    denied = replace(streams, call=network.call)

    with pytest.raises(StreamLimitReached):
        started(denied, user_id, "new", now=NOW + 5)

    streams.stop(user_id, "a", hold=holds["a"], now=NOW + 6)
    network.deliver()
    assert streams.read(user_id, now=NOW + 7).leases.keys() == {
        "b",
        "c",
    }


@pytest.mark.parametrize(
    "later",
    [
        lambda store, user, hold: store.stop(user, "a", hold=hold, now=NOW + 20),
        lambda store, user, hold: store.renew(user, "a", hold=hold, now=NOW + 20),
        lambda store, user, hold: store.forget(user, now=NOW + 20),
    ],
    ids=["stops", "continues", "is erased"],
)
def test_a_start_that_arrives_late_takes_no_slot_from_what_its_player_did_since(
    streams: StreamStore, user_id: str, later: Any
) -> None:
    hold = fill(streams, user_id, "a")["a"]
    network = HeldWrite(is_silent=True)
    zapping = replace(streams, call=network.call)

    with pytest.raises(StoreUnavailable):
        zapping.start(
            user_id,
            asking("a", now=NOW + 10, stream_id="next"),
            now=NOW + 10,
        )

    later(streams, user_id, hold)
    before = streams.read(user_id, now=NOW + 21)
    network.deliver()
    assert streams.read(user_id, now=NOW + 21) == before


def test_a_heartbeat_is_accepted_again_with_the_token_that_revived_the_stream(
    streams: StreamStore, user_id: str
) -> None:
    first = fill(streams, user_id, "a")["a"]
    lost = streams.renew(user_id, "a", hold=first, now=NOW + LEASE_MS // 2)
    revived_at = lost.expires_at + LEASE_MS // 4
    streams.renew(user_id, "a", hold=first, now=revived_at)

    again = streams.renew(user_id, "a", hold=first, now=revived_at + 2000)

    assert again.is_live(revived_at + 2000)
    streams.stop(
        user_id,
        "a",
        hold=held(again),
        now=revived_at + 3000,
    )


def test_a_suspension_ends_a_stream_that_a_late_heartbeat_could_revive(
    streams: StreamStore, user_id: str
) -> None:
    hold: Hold = fill(streams, user_id, "a")["a"]
    expired_at = NOW + LEASE_MS + 10
    streams.set_limit(user_id, limit=0, end_surplus=True, now=expired_at)

    assert not streams.read(user_id, now=expired_at).leases
    refused = outcome(
        lambda: streams.renew(user_id, "a", hold=hold, now=expired_at - 1500)
    )
    assert refused[0] == "ended"

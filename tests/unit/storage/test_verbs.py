"""The verbs: what a repeat reports, and what is written before a refusal."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from streams.errors import (
    StoreUnavailable,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
)
from streams.rules import (
    MAX_SKEW_MS,
    Account,
    Ending,
    Hold,
    Reason,
    last_epoch_of,
)
from streams.storage.lifetime import (
    delete_forgotten_at,
)
from streams.storage.store import StreamStore
from streams.storage.verbs import Renew
from tests.builders import (
    LEASE_MS,
    NOW,
    asking,
    plans_of,
)
from tests.unit.rules.builders import (
    ending,
    holding,
    lease,
)
from tests.unit.storage.builders import (
    DONE,
    Answer,
    ScriptedTable,
    after_a_lost_answer,
    condition_failed,
    stored,
)

FULL = holding(lease("a"), lease("b"), lease("c"))
STOPPED = ending(NOW, epoch=last_epoch_of(NOW))


def store_of(
    *answers: Answer,
) -> tuple[StreamStore, ScriptedTable]:
    call = ScriptedTable(*answers)
    store = StreamStore(
        plans=plans_of(),
        call=call,
        sleep=lambda seconds: None,
    )
    return store, call


def values_of(call: ScriptedTable, number: int = -1) -> Mapping[str, Any]:
    """Return the values of a write."""
    _, arguments = call.calls[number]
    values: Mapping[str, Any] = arguments["ExpressionAttributeValues"]
    return values


def with_write(account: Account, *, of: str = "w1") -> Answer:
    """Return a failed condition on an item that the first send changed."""

    def answer(
        arguments: Mapping[str, Any],
    ) -> Exception:
        write_id = arguments["ExpressionAttributeValues"][":write"]
        return condition_failed(stored(account, **{of: write_id}))

    return answer


# --- starts -------------------------------------------------------------------------


def test_the_first_start_of_a_user_creates_the_item() -> None:
    store, call = store_of(condition_failed(None), DONE)
    admission = store.start("ana", asking("tv"), now=NOW)

    assert admission.lease.id == "tv"
    assert values_of(call)[":version"] == {"N": str(NOW + 1)}
    assert ":seen" not in values_of(call)


def test_a_denial_of_a_call_that_was_answered_writes_nothing() -> None:
    store, call = store_of(condition_failed(stored(FULL)))

    with pytest.raises(StreamLimitReached):
        store.start("ana", asking("tv"), now=NOW)
    assert len(call.calls) == 1


def test_a_denial_after_a_lost_answer_fences_the_first_send() -> None:
    store, call = store_of(after_a_lost_answer(stored(FULL)), DONE)

    with pytest.raises(StreamLimitReached):
        store.start("ana", asking("tv"), now=NOW)
    written = values_of(call)
    assert written[":theoretical_arrival_at"] == {"N": str(NOW)}
    assert written[":seen"] == {"N": "1"}
    assert written[":leases"]["M"].keys() == {
        "a",
        "b",
        "c",
    }


def test_a_denial_needs_no_fence_if_a_later_one_is_stored() -> None:
    fenced = replace(FULL, theoretical_arrival_at=NOW)
    store, call = store_of(after_a_lost_answer(stored(fenced)))

    with pytest.raises(StreamLimitReached):
        store.start("ana", asking("tv"), now=NOW)
    assert len(call.calls) == 1


def test_a_start_without_an_answer_is_not_judged_again_in_a_slot_that_changed() -> None:
    """Its own write may have taken effect before the slot changed hands."""
    request = asking("tv")
    later = holding(lease("tv", epoch=request.epoch + 1))
    store, _ = store_of(after_a_lost_answer(stored(later)))

    with pytest.raises(
        StoreUnavailable,
        match="the outcome is not known",
    ):
        store.start("ana", request, now=NOW)


def test_a_blind_start_that_others_followed_has_no_known_outcome() -> None:
    """DynamoDB's answer would have told whether the start took over a live stream."""
    request = asking("tv")
    store, _ = store_of(with_write(holding(lease("other")), of="w2"))

    with pytest.raises(
        StoreUnavailable,
        match="the outcome is not known",
    ):
        store.start("ana", request, now=NOW)


def test_a_judged_start_that_took_effect_reports_its_admission() -> None:
    ghosts = holding(*(lease(id, expires_at=NOW - 1) for id in "abc"))
    store, call = store_of(
        condition_failed(stored(ghosts)),
        with_write(replace(FULL, version=99)),
    )
    admission = store.start("ana", asking("tv"), now=NOW)

    assert admission.lease.id == "tv"
    assert admission.ended.keys() == {"a"}
    assert len(call.calls) == 2


# --- stops --------------------------------------------------------------------------


def test_a_stop_is_recognised_by_its_ending_after_many_later_writes() -> None:
    after = Account(
        version=9,
        ended={"tv": STOPPED},
        recent_writes=("x", "y", "z"),
    )
    store, call = store_of(condition_failed(stored(after)))

    assert store.stop("ana", "tv", hold=None, now=NOW) is Reason.STOPPED
    assert len(call.calls) == 1


def test_a_stop_is_recognised_by_its_write_after_its_ending_was_dropped() -> None:
    store, _ = store_of(with_write(holding(lease("other")), of="w3"))
    assert store.stop("ana", "tv", hold=None, now=NOW) is Reason.STOPPED


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "answered"])
def test_the_outcome_of_a_stop_of_an_unknown_stream_is_known_if_it_was_answered(
    is_lost: bool,
) -> None:
    item = stored(holding(lease("other")))
    first = after_a_lost_answer(item) if is_lost else condition_failed(item)
    store, _ = store_of(first)

    with pytest.raises(StoreUnavailable if is_lost else StreamNotFound):
        store.stop("ana", "tv", hold=None, now=NOW)


# --- operators ----------------------------------------------------------------------


def test_end_all_reports_what_the_first_send_ended() -> None:
    store, call = store_of(
        {
            "ConsumedCapacity": {},
            "Item": stored(FULL),
        },
        with_write(Account(version=2)),
    )

    assert store.end_all("ana", keep=None, now=NOW) == [
        "a",
        "b",
        "c",
    ]
    assert [operation for operation, _ in call.calls] == [
        "GetItem",
        "UpdateItem",
    ]


def test_an_erased_user_leaves_an_empty_item_for_a_quarter_of_an_hour() -> None:
    account = replace(
        FULL,
        limit=2,
        ended={"x": Ending(reason=Reason.STOPPED, at=1)},
    )
    store, call = store_of(
        {
            "ConsumedCapacity": {},
            "Item": stored(account),
        },
        DONE,
    )
    store.forget("ana", now=NOW)

    written = values_of(call)
    empty: dict[str, Any] = {"M": {}}

    assert [written[f":{name}"] for name in ("leases", "priors", "ended")] == [
        empty
    ] * 3
    assert written[":theoretical_arrival_at"] == {"N": str(NOW + MAX_SKEW_MS)}
    assert written[":ttl"] == {"N": str(delete_forgotten_at(NOW))}
    assert ":limit" not in written


# --- heartbeats that were overtaken -------------------------------------------------


@pytest.mark.parametrize(
    ("ended_at", "reason", "is_unknown"),
    [
        (NOW + 2001, Reason.REPLACED, True),
        (NOW + 2000, Reason.REPLACED, False),
        (NOW + 2001, Reason.EXPIRED, False),
    ],
    ids=["later", "within the skew of clocks", "expired"],
)
def test_a_heartbeat_that_may_have_been_delivered_twice_is_not_told_an_ending(
    ended_at: int, reason: Reason, is_unknown: bool
) -> None:
    """Only a heartbeat with this token explains that the stream lived so long."""
    ended = ending(ended_at, reason=reason, epoch=7)
    met = condition_failed(stored(holding(ended={"a": ended})))
    store, _ = store_of(met)
    hold = Hold(epoch=7, expires_at=NOW + 1)

    error = StoreUnavailable if is_unknown else StreamEnded
    with pytest.raises(error):
        store.renew("ana", "a", hold=hold, now=NOW)


def test_an_ending_within_the_lease_of_a_token_is_told() -> None:
    ended = ending(NOW + 3000, reason=Reason.REPLACED, epoch=7)
    met = condition_failed(stored(holding(ended={"a": ended})))
    store, _ = store_of(met)
    hold = Hold(epoch=7, expires_at=NOW + 3001)

    with pytest.raises(StreamEnded):
        store.renew("ana", "a", hold=hold, now=NOW)


# --- tokens -------------------------------------------------------------------------


def renewal(hold: Hold, **plan: Any) -> Renew:
    store, _ = store_of()
    plans = plans_of(named={"other": plans_of(**plan)})
    return Renew(
        table=store.table,
        plans=plans,
        user_id="ana",
        now=NOW,
        id="tv",
        hold=hold,
        is_paused=False,
    )


def test_a_token_is_valid_for_the_longest_playing_lease_of_any_plan() -> None:
    hold = Hold(epoch=1, expires_at=NOW)
    relaxed = renewal(hold, relaxed_lease_ms=5 * LEASE_MS)

    assert relaxed.latest_expiry(hold) == NOW + 5 * LEASE_MS


def test_a_long_pause_in_another_plan_keeps_no_old_token_valid() -> None:
    hold = Hold(epoch=1, expires_at=NOW)
    pausing = renewal(hold, paused_ms=86_400_000)

    assert pausing.latest_expiry(hold) == NOW + LEASE_MS


def test_a_hold_without_an_expiry_is_valid_for_any_lease() -> None:
    hold = Hold(epoch=1)

    assert renewal(hold).latest_expiry(hold) > NOW * 1000
    assert renewal(hold).latest_expiry(None) > NOW * 1000

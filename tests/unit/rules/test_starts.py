"""Starts: whether a stream is admitted, and which streams end for it."""

from dataclasses import replace

import pytest

from streams import rules
from streams.errors import StreamEnded
from streams.rules import Reason
from tests.builders import LEASE_MS, NOW, asking, changed
from tests.unit.rules.builders import (
    EVICT,
    EXPIRED_AT,
    PLANS,
    account,
    ending,
    holding,
    lease,
    live_ids,
    refusal_of,
    renewed,
    started,
    stopped,
)

ONE = changed(PLANS, limit=1)
LATER = NOW + 9


# --- the limit ----------------------------------------------------------------------


def test_a_start_under_the_limit_is_admitted() -> None:
    before = account("a", "b")
    after, admission = rules.start(before, asking("c"), now=NOW, plans=PLANS)

    assert live_ids(after) == ["a", "c", "b"]
    assert not admission.lease.took_over
    assert admission.before is before
    assert after.version == before.version + 1


def test_a_start_at_the_limit_is_refused_with_the_holders_and_the_first_expiry() -> (
    None
):
    before = account("a", "b", "c")
    denial = refusal_of(before, asking("d"), now=LATER, plans=PLANS)

    assert [holder.id for holder in denial.holders] == [
        "a",
        "b",
        "c",
    ]
    assert (denial.limit, denial.plan, denial.rule) == (
        3,
        "default",
        None,
    )
    assert denial.retry_at == NOW + LEASE_MS
    assert denial.before is before


def test_a_limit_of_zero_admits_no_stream_and_names_no_retry() -> None:
    denial = refusal_of(
        account(),
        asking("a"),
        plans=changed(EVICT, limit=0),
    )
    assert denial.retry_at is None


def test_a_denial_names_the_time_when_enough_leases_have_expired() -> None:
    before = account("a", "b", "c")
    denial = refusal_of(before, asking("d"), plans=changed(PLANS, limit=2))

    assert denial.retry_at == NOW + 1 + LEASE_MS, "two of three must expire"


def test_a_denial_does_not_list_ghosts() -> None:
    before = renewed(account("a", "b"), "b", now=LATER)
    denial = refusal_of(before, asking("d"), now=EXPIRED_AT, plans=ONE)

    assert [holder.id for holder in denial.holders] == ["b"]


# --- expired streams ----------------------------------------------------------------


def test_an_expired_stream_frees_its_slot() -> None:
    after = started(
        account("a", "b", "c"),
        asking("d"),
        now=EXPIRED_AT,
    )

    assert live_ids(after, EXPIRED_AT) == ["b", "c", "d"]
    assert after.ended["a"].reason is Reason.EXPIRED
    assert after.ended["a"].by is None


def test_a_start_removes_only_the_ghosts_whose_slots_it_needs() -> None:
    later = NOW + 2 * LEASE_MS
    after = started(account("a", "b", "c"), asking("d"), now=later)

    assert after.leases.keys() == {"b", "c", "d"}


def test_a_start_with_room_leaves_ghosts_where_they_are() -> None:
    after = started(account("a"), asking("d"), now=EXPIRED_AT)
    assert after.leases.keys() == {"a", "d"}


def test_the_ghost_that_expired_first_gives_up_its_slot() -> None:
    before = holding(
        lease("a", expires_at=NOW + 2),
        lease("b", expires_at=NOW + 1, started_at=NOW + 5),
        lease("c", expires_at=NOW + 3),
    )
    after = started(before, asking("d"), now=NOW + 9)

    assert after.ended.keys() == {"b"}


# --- the same id --------------------------------------------------------------------


def test_the_same_id_takes_over_its_own_slot_with_a_higher_epoch() -> None:
    full = account("a", "b", "c")
    request = asking("b", now=NOW + 5)
    after, admission = rules.start(full, request, now=NOW + 5, plans=PLANS)

    assert live_ids(after, NOW + 5) == ["a", "c", "b"]
    assert admission.lease.took_over
    assert admission.lease.epoch > full.leases["b"].epoch
    assert admission.lease.prior_expires_at == full.leases["b"].expires_at


def test_a_start_with_an_old_epoch_gets_the_next_one() -> None:
    before = holding(lease("a", epoch=700))
    _, admission = rules.start(before, asking("a", epoch=3), now=NOW, plans=PLANS)

    assert admission.lease.epoch == 701


def test_a_live_stream_takes_over_its_own_slot_above_a_lowered_limit() -> None:
    before = account("a", "b", "c")
    _, admission = rules.start(before, asking("b"), now=NOW + 5, plans=ONE)

    assert admission.lease.took_over


def test_an_expired_stream_does_not_start_again_above_a_lowered_limit() -> None:
    before = renewed(account("a", "b", "c"), "b", now=LATER)
    refusal_of(before, asking("a"), now=EXPIRED_AT + 2, plans=ONE)


def test_a_stream_that_ended_can_start_and_stop_again() -> None:
    before = stopped(account("a"), "a")
    again, admission = rules.start(before, asking("a"), now=NOW, plans=PLANS)

    assert rules.read(again, "a", now=NOW) == admission.lease
    after = stopped(again, "a", now=NOW + 5)
    assert (after.leases, after.ended["a"].at) == (
        {},
        NOW + 5,
    )


# --- eviction -----------------------------------------------------------------------


def test_eviction_ends_the_oldest_stream_and_names_the_new_one() -> None:
    after = started(
        account("a", "b", "c"),
        asking("d"),
        now=LATER,
        plans=EVICT,
    )

    assert live_ids(after) == ["b", "c", "d"]
    ended = after.ended["a"]
    assert (ended.reason, ended.at, ended.by) == (
        Reason.EVICTED,
        LATER,
        "d",
    )


def test_eviction_makes_room_under_a_lowered_limit() -> None:
    lowered = changed(EVICT, limit=2)
    after = started(
        account("a", "b", "c"),
        asking("d"),
        now=LATER,
        plans=lowered,
    )

    assert live_ids(after) == ["c", "d"]


def test_eviction_ends_ghosts_before_live_streams() -> None:
    before = renewed(account("a", "b", "c"), "a", now=LATER)
    after = started(
        before,
        asking("d"),
        now=EXPIRED_AT + 1,
        plans=EVICT,
    )

    assert after.leases.keys() == {"a", "c", "d"}
    assert after.ended["b"].reason is Reason.EXPIRED


# --- replace ------------------------------------------------------------------------


def test_replace_ends_the_named_streams_and_starts_the_new_one() -> None:
    request = asking("d", replace=("b",))
    after = started(account("a", "b", "c"), request, now=LATER)

    assert live_ids(after) == ["a", "c", "d"]
    assert (
        after.ended["b"].reason,
        after.ended["b"].by,
    ) == (
        Reason.REPLACED,
        "d",
    )


def test_replace_ends_the_named_streams_even_when_there_is_room() -> None:
    after = started(
        account("a"),
        asking("d", replace=("a",)),
        now=LATER,
    )
    assert live_ids(after, LATER) == ["d"]


def test_replace_of_unknown_ended_or_own_ids_does_no_harm() -> None:
    before = account("a", "b", "c")
    first = started(before, asking("d", replace=("b",)), now=LATER)
    again = started(
        first,
        asking("d", replace=("b", "d", "zzz")),
        now=NOW + 10,
    )

    assert live_ids(again, NOW + 10) == ["a", "c", "d"]
    assert again.ended == first.ended


def test_a_refused_replace_ends_no_stream() -> None:
    before = account("a", "b", "c")
    denial = refusal_of(
        before,
        asking("d", replace=("a",)),
        now=LATER,
        plans=ONE,
    )

    assert [holder.id for holder in denial.holders] == [
        "a",
        "b",
        "c",
    ]
    assert live_ids(before) == ["a", "b", "c"]


def test_replace_with_an_epoch_ends_only_that_playback() -> None:
    full = account("a", "b", "c")
    epoch = full.leases["b"].epoch
    seen = asking("d", replace={"b": epoch})

    assert live_ids(started(full, seen, now=LATER)) == [
        "a",
        "c",
        "d",
    ]

    again = started(full, asking("b", now=NOW + 5), now=NOW + 5)
    refusal_of(again, seen, now=LATER, plans=PLANS)
    after = started(again, asking("d", replace=("b",)), now=LATER)
    assert live_ids(after, LATER) == ["a", "c", "d"]


# --- grace leases -------------------------------------------------------------------


def test_a_grace_start_is_admitted_like_any_other() -> None:
    request = replace(asking("c"), is_grace=True)
    assert "c" in started(account("a", "b"), request).leases


@pytest.mark.parametrize("difference", [0, 1])
def test_a_grace_start_is_refused_if_its_slot_changed_hands_since(
    difference: int,
) -> None:
    before = stopped(account("a"), "a")
    epoch = before.ended["a"].epoch - difference
    request = replace(asking("a", epoch=epoch), is_grace=True)

    with pytest.raises(StreamEnded):
        rules.start(before, request, now=LATER, plans=PLANS)


def test_a_grace_start_is_admitted_if_the_slot_had_an_earlier_epoch_only() -> None:
    before = holding(ended={"a": ending(epoch=7)})
    request = replace(asking("a", epoch=8), is_grace=True)
    _, admission = rules.start(before, request, now=LATER, plans=PLANS)

    assert admission.lease.epoch == 8


# --- a server whose clock was wrong -------------------------------------------------


def test_a_server_that_is_ten_minutes_ahead_does_not_lock_the_user_out() -> None:
    ahead = NOW + 600_000
    before = account("a", "b", "c", now=ahead)

    for id in "def":
        before = started(before, asking(id), now=NOW)
    assert before.leases.keys() == {"d", "e", "f"}
    refusal_of(before, asking("g"), now=NOW, plans=PLANS)


# --- an admission -------------------------------------------------------------------


def test_an_admission_has_the_stored_plan_and_the_streams_that_ended() -> None:
    before = replace(account("a", "b", "c"), plan="gone")
    request = asking("d", replace=("b",))
    _, admission = rules.start(before, request, now=LATER, plans=PLANS)

    assert admission.plan == "gone"
    assert admission.ended.keys() == {"b"}


def test_two_admissions_are_equal_if_their_leases_and_endings_are() -> None:
    before = account("a")
    request = asking("b")
    after, admission = rules.start(before, request, now=NOW, plans=PLANS)
    repeated = rules.find_admission(after, request, now=NOW, plans=PLANS)

    assert repeated == admission
    assert repeated is not None
    assert repeated.before is None


# --- paused grace leases ------------------------------------------------------------


@pytest.mark.parametrize(
    ("paused_ms", "lasts_ms"),
    [(None, LEASE_MS), (LEASE_MS - 1, LEASE_MS), (LEASE_MS + 1, LEASE_MS + 1)],
    ids=["no pause", "shorter than a lease", "longer than a lease"],
)
def test_a_paused_grace_lease_lasts_as_long_as_a_pause_and_at_least_a_lease(
    paused_ms: int | None, lasts_ms: int
) -> None:
    plans = changed(PLANS, paused_ms=paused_ms)
    after, admission = rules.start(
        rules.empty_account(NOW),
        asking("a", is_grace=True),
        now=NOW,
        plans=plans,
        is_paused=True,
    )

    assert after.leases["a"].paused_at == NOW
    assert admission.lease.expires_at == NOW + lasts_ms

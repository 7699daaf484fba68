"""Renewals: heartbeats in time and late, pauses, and relaxed leases."""

from dataclasses import replace

import pytest

from streams import rules
from streams.errors import StreamEnded
from streams.rules import UNLIMITED, Account, Hold, Pace, Reason
from tests.builders import LEASE_MS, NOW, asking, changed, held, plans_of
from tests.unit.rules.builders import (
    EXPIRED_AT,
    FAMILY,
    PLANS,
    account,
    holding,
    lease,
    live_ids,
    playing,
    renewed,
    started,
    stopped,
    stream,
)

ONE = changed(PLANS, limit=1)
PAUSING = changed(FAMILY, paused_ms=10 * LEASE_MS)
RELAXED = plans_of(limit=4, relaxed_lease_ms=5 * LEASE_MS)

# --- heartbeats ---------------------------------------------------------------------


def test_a_live_stream_renews_above_a_lowered_limit() -> None:
    after = renewed(
        account("a", "b", "c"),
        "b",
        now=NOW + 1000,
        plans=ONE,
    )
    assert after.leases["b"].expires_at == NOW + 1000 + LEASE_MS


def test_a_heartbeat_changes_no_other_stream() -> None:
    before = account("a", "b")
    after = renewed(before, "a", now=NOW + 1000)

    assert after.leases["b"] == before.leases["b"]
    assert after.version == before.version + 1
    assert after.leases["a"].revived_to == 0


def test_a_heartbeat_by_a_slow_clock_does_not_move_the_expiry_back() -> None:
    before = account("a")
    hold = held(before.leases["a"])
    ahead = rules.renew(
        before,
        "a",
        hold=hold,
        now=NOW + 2000,
        plans=PLANS,
    )
    behind = rules.renew(ahead, "a", hold=hold, now=NOW + 5, plans=PLANS)

    assert behind is ahead


def test_a_heartbeat_of_the_same_instant_needs_no_write() -> None:
    before = account("a")
    assert renewed(before, "a", now=NOW) is before


# --- late heartbeats ----------------------------------------------------------------


def test_a_late_heartbeat_revives_a_stream_whose_slot_is_free() -> None:
    later = EXPIRED_AT + 5000
    after = renewed(account("a"), "a", now=later)

    assert live_ids(after, later) == ["a"]


def test_a_revival_remembers_the_token_and_the_new_expiry() -> None:
    before = account("a")
    hold = Hold(
        epoch=before.leases["a"].epoch,
        expires_at=EXPIRED_AT - 7,
    )
    after = rules.renew(
        before,
        "a",
        hold=hold,
        now=EXPIRED_AT,
        plans=PLANS,
    )
    revived = after.leases["a"]

    assert revived.revived_from == EXPIRED_AT - 7, "the token's, not the lease's"
    assert revived.revived_to == revived.expires_at == EXPIRED_AT + LEASE_MS


def test_a_revival_without_a_token_remembers_the_expiry_of_the_lease() -> None:
    before = account("a")
    hold = Hold(epoch=before.leases["a"].epoch)
    after = rules.renew(
        before,
        "a",
        hold=hold,
        now=EXPIRED_AT,
        plans=PLANS,
    )

    assert after.leases["a"].revived_from == EXPIRED_AT


def test_a_late_heartbeat_is_refused_if_its_slot_was_taken() -> None:
    before = account("a", "b", "c")
    after = started(before, asking("d"), now=EXPIRED_AT)
    hold = held(before.leases["a"])

    with pytest.raises(StreamEnded) as refusal:
        rules.renew(
            after,
            "a",
            hold=hold,
            now=EXPIRED_AT,
            plans=PLANS,
        )
    assert refusal.value.ending.reason is Reason.EXPIRED
    assert refusal.value.ending.at == EXPIRED_AT


def test_a_late_heartbeat_does_not_revive_above_a_lowered_limit() -> None:
    before = renewed(account("a", "b"), "b", now=NOW + 9)
    with pytest.raises(StreamEnded):
        renewed(before, "a", now=EXPIRED_AT, plans=ONE)


def test_a_late_heartbeat_does_not_revive_where_a_rule_is_full() -> None:
    before = playing(stream("a", film="match"))
    without_rules = changed(FAMILY, rules=())
    before = started(
        before,
        stream("b", film="match"),
        now=EXPIRED_AT,
        plans=without_rules,
    )

    with pytest.raises(StreamEnded):
        renewed(before, "a", now=EXPIRED_AT + 1, plans=FAMILY)


def test_a_late_heartbeat_is_judged_by_the_limit_that_its_start_was_granted() -> None:
    before = started(account(), asking("a", entitlement=1))
    before = started(before, asking("b", entitlement=2))
    before = renewed(before, "b", now=NOW + 9)

    with pytest.raises(StreamEnded):
        renewed(before, "a", now=EXPIRED_AT)


# --- pauses -------------------------------------------------------------------------


def paused(account: Account, now: int, hold: Hold | None = None) -> Account:
    hold = hold or held(account.leases["a"])
    return rules.renew(
        account,
        "a",
        hold=hold,
        now=now,
        plans=PAUSING,
        is_paused=True,
    )


def test_a_pause_keeps_the_slot_for_the_time_of_its_plan() -> None:
    before = paused(playing(stream("a")), NOW + 10)
    stored = before.leases["a"]

    assert stored.paused_at == NOW + 10
    assert stored.expires_at == NOW + 10 + 10 * LEASE_MS


def test_further_heartbeats_of_a_paused_stream_do_not_extend_the_pause() -> None:
    before = paused(playing(stream("a")), NOW + 10)

    assert paused(before, NOW + 5 * LEASE_MS) is before, "no write is needed"
    with pytest.raises(StreamEnded) as refusal:
        paused(before, NOW + 10 + 10 * LEASE_MS)
    assert refusal.value.ending.reason is Reason.EXPIRED


def test_a_stream_that_resumes_keeps_the_later_expiry() -> None:
    before = paused(playing(stream("a")), NOW + 10)
    resumed = renewed(before, "a", now=NOW + 20, plans=PAUSING).leases["a"]

    assert (resumed.paused_at, resumed.expires_at) == (
        0,
        NOW + 10 + 10 * LEASE_MS,
    )


def test_a_stream_that_pauses_again_gets_a_new_pause() -> None:
    before = paused(playing(stream("a")), NOW + 10)
    before = renewed(before, "a", now=NOW + 20, plans=PAUSING)
    again = paused(before, NOW + 30).leases["a"]

    assert (again.paused_at, again.expires_at) == (
        NOW + 30,
        NOW + 30 + 10 * LEASE_MS,
    )


def test_a_plan_without_a_pause_renews_a_paused_stream_like_any_other() -> None:
    before = playing(stream("a"))
    after = renewed(
        before,
        "a",
        now=NOW + 10,
        plans=FAMILY,
        is_paused=True,
    )
    stored = after.leases["a"]

    assert (stored.paused_at, stored.expires_at) == (
        NOW + 10,
        NOW + 10 + LEASE_MS,
    )


# --- the pace of heartbeats -----------------------------------------------------------


def test_leases_are_relaxed_from_the_first_heartbeat() -> None:
    before, first = rules.start(account(), asking("a"), now=NOW, plans=RELAXED)

    assert first.lease.expires_at == NOW + LEASE_MS, "a failed start expires early"
    hold = held(first.lease)
    after = rules.renew(
        before,
        "a",
        hold=hold,
        now=NOW + 10,
        plans=RELAXED,
    )
    assert after.leases["a"].expires_at == NOW + 10 + 5 * LEASE_MS


def test_leases_are_relaxed_while_two_slots_are_free() -> None:
    before = started(account(), asking("a"), plans=RELAXED)
    lengths = {}
    for id in "bcd":
        before, admission = rules.start(
            before,
            asking(id, now=NOW + 20),
            now=NOW + 20,
            plans=RELAXED,
        )
        hold = held(admission.lease)
        after = rules.renew(
            before,
            id,
            hold=hold,
            now=NOW + 30,
            plans=RELAXED,
        )
        lengths[id] = after.leases[id].expires_at - NOW - 30

    assert lengths == {
        "b": 5 * LEASE_MS,
        "c": LEASE_MS,
        "d": LEASE_MS,
    }


def test_a_relaxed_token_grants_a_short_lease_once_other_streams_have_started() -> None:
    before, first = rules.start(account(), asking("a"), now=NOW, plans=RELAXED)
    for id in "bcd":
        before = started(
            before,
            asking(id, now=NOW + 1),
            now=NOW + 1,
            plans=RELAXED,
        )

    hold = held(first.lease)
    after = rules.renew(
        before,
        "a",
        hold=hold,
        now=NOW + 10,
        plans=RELAXED,
    )

    assert after.leases["a"].expires_at == NOW + 10 + LEASE_MS


def test_a_relaxed_pace_applies_to_as_many_leases_as_are_stored() -> None:
    before = account("a", "b")
    with_pace = rules.with_pace(before, before.leases["a"], now=NOW, plans=RELAXED)

    assert with_pace.pace == Pace(5 * LEASE_MS, max_stored_leases=2)


def test_a_ghost_counts_as_a_stream_for_relaxed_leases() -> None:
    """A late heartbeat could revive it."""
    live = lease("a", expires_at=NOW + 9)
    ghosts = [lease(id, expires_at=NOW) for id in "bcd"]
    before = holding(live, *ghosts)

    with_pace = rules.with_pace(before, live, now=NOW, plans=RELAXED)
    assert with_pace.pace is None


@pytest.mark.parametrize(
    ("set_at", "length"),
    [(NOW - 1, 5 * LEASE_MS), (NOW, LEASE_MS), (NOW + 5, LEASE_MS)],
    ids=["before the token", "at the same time", "after the token"],
)
def test_a_relaxed_token_applies_until_an_operator_changes_the_limit(
    set_at: int, length: int
) -> None:
    stored = lease("a", expires_at=NOW + 5 * LEASE_MS)
    before = holding(stored, limit=2, limit_set_at=set_at)
    hold = Hold(
        epoch=stored.epoch,
        expires_at=stored.expires_at,
        pace=Pace(5 * LEASE_MS, max_stored_leases=1),
    )

    now = NOW + 5 * LEASE_MS - 1
    after = rules.renew(before, "a", hold=hold, now=now, plans=RELAXED)
    assert after.leases["a"].expires_at == now + length


def test_a_plan_with_another_lease_than_the_default_sets_the_pace() -> None:
    long = plans_of(name="long", lease_ms=2 * LEASE_MS)
    plans = plans_of(named={"long": long})
    before = replace(account("a"), plan="long")
    with_pace = rules.with_pace(before, before.leases["a"], now=NOW, plans=plans)

    assert with_pace.pace == Pace(2 * LEASE_MS, max_stored_leases=UNLIMITED)

    hold = held(with_pace)
    after = rules.renew(before, "a", hold=hold, now=NOW + 10, plans=plans)
    assert after.leases["a"].expires_at == NOW + 10 + 2 * LEASE_MS


def test_a_full_plan_with_relaxed_leases_keeps_the_pace_of_its_lease() -> None:
    plan = plans_of(
        name="long",
        limit=1,
        lease_ms=2 * LEASE_MS,
        relaxed_lease_ms=5 * LEASE_MS,
    )
    plans = plans_of(named={"long": plan})
    before = replace(account("a"), plan="long")
    with_pace = rules.with_pace(before, before.leases["a"], now=NOW, plans=plans)

    assert with_pace.pace == Pace(2 * LEASE_MS, max_stored_leases=UNLIMITED)


def test_a_lease_of_the_default_length_needs_no_pace() -> None:
    before = account("a")
    lease_in_it = before.leases["a"]

    assert rules.with_pace(before, lease_in_it, now=NOW, plans=PLANS).pace is None


def test_a_token_without_a_pace_grants_the_lease_of_the_default_plan() -> None:
    plan = plans_of(name="long", lease_ms=2 * LEASE_MS)
    plans = plans_of(named={"long": plan})
    before = replace(account("a"), plan="long")
    after = renewed(before, "a", now=NOW + 10, plans=plans)

    assert after.leases["a"].expires_at == NOW + 10 + LEASE_MS


def test_a_stopped_stream_does_not_renew() -> None:
    before = account("a")
    after = stopped(before, "a", now=NOW + 5)
    hold = held(before.leases["a"])

    with pytest.raises(StreamEnded) as refusal:
        rules.renew(
            after,
            "a",
            hold=hold,
            now=NOW + 6,
            plans=PLANS,
        )
    assert refusal.value.ending.reason is Reason.STOPPED

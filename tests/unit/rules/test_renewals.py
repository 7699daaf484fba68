"""Renewals: heartbeats in time and late, and pauses."""

import pytest

from streams import rules
from streams.errors import StreamEnded
from streams.rules import Account, Hold, Reason
from tests.builders import LEASE_MS, NOW, asking, changed, held
from tests.unit.rules.builders import (
    EXPIRED_AT,
    FAMILY,
    PLANS,
    account,
    live_ids,
    playing,
    renewed,
    started,
    stream,
)

ONE = changed(PLANS, limit=1)
PAUSING = changed(FAMILY, paused_ms=10 * LEASE_MS)

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

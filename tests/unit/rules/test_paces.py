"""The pace of heartbeats: relaxed leases, and leases of other lengths."""

from dataclasses import replace

import pytest

from streams import rules
from streams.errors import StreamEnded
from streams.rules import UNLIMITED, Hold, Pace, Reason
from tests.builders import LEASE_MS, NOW, asking, changed, held, plans_of
from tests.unit.rules.builders import (
    PLANS,
    account,
    holding,
    lease,
    renewed,
    started,
    stopped,
)

RELAXED = plans_of(limit=4, relaxed_lease_ms=5 * LEASE_MS)


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


def test_a_relaxed_token_of_a_pause_ends_with_a_change_of_the_limit() -> None:
    """A long pause moves the expiry of a token far beyond the time of its issue."""
    pausing = changed(RELAXED, paused_ms=20 * LEASE_MS)
    pause_ends_at = NOW + 20 * LEASE_MS
    stored = lease("a", expires_at=pause_ends_at)
    before = holding(stored, limit=2, limit_set_at=NOW + 1)
    hold = Hold(
        epoch=stored.epoch,
        expires_at=pause_ends_at,
        pace=Pace(5 * LEASE_MS, max_stored_leases=1),
    )

    now = pause_ends_at - 1
    after = rules.renew(before, "a", hold=hold, now=now, plans=pausing)
    assert after.leases["a"].expires_at == now + LEASE_MS


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


def test_a_changed_limit_ends_the_pace_of_tokens_that_a_slow_call_still_issues() -> (
    None
):
    """A call is judged by its own clock, up to 12 seconds before or after another."""
    after = rules.override(
        account("a"),
        limit=2,
        plan=None,
        when_full=None,
        end_surplus=False,
        now=NOW,
        plans=RELAXED,
    )
    assert after.limit_set_at == NOW + 12_000

"""Endings: stops, "end all", limits that end the surplus, and erased users."""

from dataclasses import replace

import pytest

from streams import rules
from streams.errors import StreamEnded, StreamNotFound
from streams.rules import (
    Account,
    Hold,
    Plans,
    Reason,
    WhenFull,
    last_epoch_of,
)
from tests.builders import LEASE_MS, NOW, asking, changed, held
from tests.unit.rules.builders import (
    BIG,
    EXPIRED_AT,
    FAMILY,
    PLANS,
    account,
    ending,
    holding,
    lease,
    live_ids,
    playing,
    renewed,
    started,
    stopped,
    stream,
)


def overridden(
    account: Account,
    *,
    limit: int | None = None,
    plan: str | None = None,
    when_full: WhenFull | None = None,
    end_surplus: bool = False,
    now: int = NOW + 10,
    plans: Plans = FAMILY,
) -> Account:
    return rules.override(
        account,
        limit=limit,
        plan=plan,
        when_full=when_full,
        end_surplus=end_surplus,
        now=now,
        plans=plans,
    )


# --- stops ------------------------------------------------------------------------


def test_a_stop_frees_the_slot_and_a_repeat_changes_nothing() -> None:
    after = stopped(account("a"), "a")

    assert live_ids(after) == []
    assert after.ended["a"].reason is Reason.STOPPED
    assert stopped(after, "a") is after


def test_a_stop_of_an_expired_stream_reports_the_expiry() -> None:
    after = stopped(account("a"), "a", now=NOW + 2 * LEASE_MS)
    ending = after.ended["a"]

    assert (ending.reason, ending.at) == (
        Reason.EXPIRED,
        NOW + LEASE_MS,
    )


def test_a_stop_leaves_the_other_streams() -> None:
    after = stopped(account("a", "b"), "a", now=NOW + 5)

    assert after.leases.keys() == {"b"}
    assert after.version == account("a", "b").version + 1


def test_a_stop_by_its_player_keeps_the_epoch_of_the_playback() -> None:
    before = account("a")
    hold = held(before.leases["a"])
    after = rules.stop(before, "a", hold=hold, now=NOW + 5, plans=PLANS)

    assert (
        after.ended["a"].epoch,
        after.ended["a"].at,
    ) == (
        hold.epoch,
        NOW + 5,
    )


def test_a_stop_by_an_operator_fences_starts_of_the_same_millisecond() -> None:
    after = stopped(account("a"), "a", now=NOW + 5)
    assert after.ended["a"].epoch == last_epoch_of(NOW + 5)


def test_a_fence_never_lowers_the_epoch_of_an_ending() -> None:
    ahead = holding(lease("a", epoch=last_epoch_of(NOW + 2000)))
    assert stopped(ahead, "a", now=NOW).ended["a"].epoch == last_epoch_of(NOW + 2000)


def test_a_start_from_before_a_stop_gets_a_later_epoch() -> None:
    before = stopped(account("a"), "a", now=NOW + 5)
    _, admission = rules.start(
        before,
        asking("a", now=NOW),
        now=NOW + 6,
        plans=PLANS,
    )

    assert admission.lease.epoch > before.ended["a"].epoch


def test_a_stop_that_arrives_after_a_takeover_ends_nothing() -> None:
    before = account("a")
    again = started(before, asking("a", now=NOW + 9), now=NOW + 9)

    assert stopped(again, "a", now=NOW + 5) is again


def test_a_stop_that_arrives_after_an_ending_and_a_start_ends_nothing() -> None:
    before = stopped(account("a"), "a", now=NOW + 3)
    again = started(before, asking("a", now=NOW + 9), now=NOW + 9)

    assert stopped(again, "a", now=NOW + 5) is again
    assert stopped(again, "a", now=NOW + 9) is not again


def test_a_stop_by_a_slow_clock_ends_a_first_playback_that_a_fast_clock_began() -> None:
    ahead = account("a", now=NOW + 2000)
    assert stopped(ahead, "a").leases == {}


def test_a_stop_of_a_grace_lease_that_was_never_stored_keeps_it_from_a_slot() -> None:
    hold = Hold(
        epoch=NOW * 1000,
        expires_at=EXPIRED_AT,
        is_grace=True,
    )
    after = rules.stop(
        account("b"),
        "a",
        hold=hold,
        now=NOW + 5,
        plans=PLANS,
    )
    ending = after.ended["a"]

    assert (ending.reason, ending.at, ending.epoch) == (
        Reason.STOPPED,
        NOW + 5,
        hold.epoch,
    )
    assert after.leases.keys() == {"b"}
    assert after.version > account("b").version


def test_a_stop_of_an_unseen_grace_lease_ends_the_stream_that_it_took_over() -> None:
    before = account("a", "b")
    hold = Hold(epoch=before.leases["a"].epoch + 1, is_grace=True)
    after = rules.stop(before, "a", hold=hold, now=NOW + 5, plans=PLANS)

    assert after.leases.keys() == {"b"}
    assert after.ended["a"].epoch == hold.epoch


def test_a_stop_of_a_stored_grace_lease_is_an_ordinary_stop() -> None:
    before = account("a")
    hold = replace(held(before.leases["a"]), is_grace=True)
    after = rules.stop(before, "a", hold=hold, now=NOW + 5, plans=PLANS)

    assert after.leases == {}
    assert (
        rules.stop(
            after,
            "a",
            hold=hold,
            now=NOW + 6,
            plans=PLANS,
        )
        is after
    )


def test_a_stop_with_an_unknown_epoch_that_is_not_of_a_grace_lease_fails() -> None:
    with pytest.raises(StreamNotFound):
        rules.stop(
            account("a"),
            "a",
            hold=Hold(epoch=NOW * 9000),
            now=NOW,
            plans=PLANS,
        )


@pytest.mark.parametrize(
    ("now", "stored", "arrival"),
    [
        (EXPIRED_AT - 1, 5, 5),
        (EXPIRED_AT, 5, EXPIRED_AT),
        (EXPIRED_AT, EXPIRED_AT + 9, EXPIRED_AT + 9),
    ],
    ids=["live", "expired", "expired, with a later arrival time"],
)
def test_a_stop_of_a_ghost_by_its_token_fences_late_starts(
    now: int, stored: int, arrival: int
) -> None:
    """Its ending has the time of the expiry, which fences nothing."""
    before = replace(account("a"), theoretical_arrival_at=stored)
    hold = held(before.leases["a"])

    after = rules.stop(before, "a", hold=hold, now=now, plans=PLANS)
    assert after.theoretical_arrival_at == arrival


# --- "end all" ----------------------------------------------------------------------


def test_all_streams_except_one_end_together() -> None:
    after, ended = rules.end_all(account("a", "b", "c"), keep="b", now=NOW + 9)

    assert (ended, live_ids(after)) == (["a", "c"], ["b"])
    assert {id: ending.reason for id, ending in after.ended.items()} == {
        "a": Reason.STOPPED,
        "c": Reason.STOPPED,
    }


def test_end_all_returns_the_live_streams_oldest_first() -> None:
    before = holding(
        lease("young", started_at=NOW + 5),
        lease("old"),
        lease("ghost", expires_at=NOW + 1),
    )
    after, ended = rules.end_all(before, keep=None, now=NOW + 9)

    assert ended == ["old", "young"]
    assert after.leases == {}
    assert after.ended["ghost"].reason is Reason.EXPIRED


def test_end_all_fences_late_starts() -> None:
    after, _ = rules.end_all(account("a"), keep=None, now=NOW + 9)
    assert after.ended["a"].epoch == last_epoch_of(NOW + 9)


@pytest.mark.parametrize("keep", ["a", None])
def test_end_all_changes_nothing_if_no_slot_is_taken(
    keep: str | None,
) -> None:
    before = account("a") if keep else account()
    assert rules.end_all(before, keep=keep, now=NOW + 9) == (
        before,
        [],
    )


# --- overrides ----------------------------------------------------------------------


def test_an_override_is_stored_and_a_repeat_changes_only_the_version() -> None:
    before = account("a")
    after = overridden(
        before,
        limit=2,
        plan="family",
        when_full=WhenFull.DENY,
    )

    assert (after.limit, after.plan, after.when_full) == (
        2,
        "family",
        WhenFull.DENY,
    )
    assert (after.leases, after.version) == (
        before.leases,
        before.version + 1,
    )
    again = overridden(
        after,
        limit=2,
        plan="family",
        when_full=WhenFull.DENY,
    )
    assert again == replace(after, version=after.version + 1)


def test_clearing_the_limit_of_an_unknown_user_changes_nothing() -> None:
    unknown = rules.empty_account(NOW)
    cleared = overridden(unknown, limit=None, plan=None, when_full=None)
    assert cleared is unknown


@pytest.mark.parametrize(
    ("when_full", "kept"),
    [
        (WhenFull.DENY, ["a", "b"]),
        (WhenFull.EVICT_OLDEST, ["b", "c"]),
    ],
)
def test_a_surplus_is_what_would_not_play_if_the_limit_had_applied_from_the_start(
    when_full: WhenFull, kept: list[str]
) -> None:
    before = playing(stream("a"), stream("b"), stream("c"))
    after = overridden(
        before,
        limit=2,
        when_full=when_full,
        end_surplus=True,
    )

    assert live_ids(after, NOW + 10) == kept
    (ending,) = after.ended.values()
    assert ending.reason is Reason.STOPPED
    assert ending.epoch == last_epoch_of(NOW + 10)
    assert after.limit == 2


def test_a_lower_limit_alone_ends_no_stream() -> None:
    before = playing(stream("a"), stream("b"), stream("c"))
    assert overridden(before, limit=1).leases == before.leases


def test_a_surplus_is_judged_by_the_rules_of_the_plan_too() -> None:
    before = playing(
        stream("a", "tv"),
        stream("b", "tv"),
        stream("c", "phone"),
    )
    stricter = changed(FAMILY, rules=(replace(BIG, limit=1),))
    after = overridden(before, limit=5, end_surplus=True, plans=stricter)

    assert live_ids(after, NOW + 10) == ["a", "c"]


def test_a_limit_of_zero_that_ends_the_surplus_suspends_the_user() -> None:
    before = playing(stream("a"))
    after = overridden(before, limit=0, end_surplus=True)

    assert after.ended["a"].reason is Reason.SUSPENDED
    hold = held(before.leases["a"])
    with pytest.raises(StreamEnded) as refusal:
        rules.renew(
            after,
            "a",
            hold=hold,
            now=NOW + 11,
            plans=FAMILY,
        )
    assert refusal.value.ending.reason is Reason.SUSPENDED


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_ending_the_surplus_ends_every_ghost(
    limit: int,
) -> None:
    """A heartbeat that is late could revive one."""
    before = renewed(account("ghost", "live"), "live", now=NOW + 100)
    after = overridden(
        before,
        limit=limit,
        end_surplus=True,
        now=EXPIRED_AT,
    )

    assert "ghost" not in after.leases
    assert after.ended["ghost"].epoch == last_epoch_of(EXPIRED_AT)
    assert after.ended["ghost"].reason is Reason.EXPIRED
    assert ("live" in after.leases) is (limit > 0)


def test_an_end_by_a_clock_that_is_behind_ends_a_playback_that_began_before() -> None:
    """A playback on a server that is ahead came before it, so its epoch is later."""
    stored = lease("a", started_at=NOW + 5, epoch=last_epoch_of(NOW + 2000))
    before = holding(stored, ended={"a": ending()})
    after = stopped(before, "a", now=NOW + 5)

    assert after.leases == {}
    assert after.ended["a"].epoch == stored.epoch

"""Accounts: the live streams, the endings, the effective plan, and wrong clocks."""

from dataclasses import replace
from typing import Any

import pytest

from streams.rules import (
    Account,
    Admission,
    Entitlement,
    Reason,
    StartRate,
    WhenFull,
    empty_account,
)
from streams.rules.plans import MAX_LATENESS_MS, MAX_PAUSED_MS
from tests.builders import LEASE_MS, NOW, changed, plans_of
from tests.unit.rules.builders import (
    EXPIRED_AT,
    FAMILY,
    PLANS,
    ending,
    holding,
    lease,
    live_ids,
)

MINUTES_MS = 60_000
KNOWN = plans_of(limit=1, named={"family": FAMILY})
CHARGING = changed(PLANS, start_rate=StartRate(burst=3, interval_ms=1000))


def test_the_live_streams_are_ordered_by_age() -> None:
    account = holding(
        lease("young", started_at=NOW + 5),
        lease("old"),
        lease("ghost", expires_at=NOW),
    )
    assert live_ids(account) == ["old", "young"]


def test_the_endings_include_expired_streams_and_are_ordered_newest_first() -> None:
    account = holding(
        lease("ghost", expires_at=NOW + 2),
        lease("live"),
        ended={
            "b": ending(NOW),
            "a": ending(NOW),
            "new": ending(NOW + 9),
        },
    )
    ended = account.endings(NOW + 10)

    assert [id for id, _ in ended] == [
        "new",
        "ghost",
        "a",
        "b",
    ]
    assert ended[1][1].reason is Reason.EXPIRED


def test_an_expired_lease_is_the_latest_ending_of_its_id() -> None:
    account = holding(lease("a"), ended={"a": ending(NOW - 5)})
    assert account.endings(EXPIRED_AT) == [("a", account.leases["a"].expiry)]


@pytest.mark.parametrize(
    ("lease_epoch", "ending_epoch", "last"),
    [
        (None, None, 0),
        (7, None, 7),
        (None, 8, 8),
        (7, 8, 8),
        (9, 8, 9),
    ],
)
def test_the_last_epoch_of_a_slot_is_that_of_its_lease_or_its_ending(
    lease_epoch: int | None,
    ending_epoch: int | None,
    last: int,
) -> None:
    leases = [lease("a", epoch=lease_epoch)] if lease_epoch else []
    ended = {"a": ending(epoch=ending_epoch)} if ending_epoch else {}

    assert holding(*leases, ended=ended).last_epoch("a") == last


def test_the_leases_except_some_are_the_others() -> None:
    account = holding(lease("a"), lease("b"), lease("c"))
    assert account.leases_except({"a", "zzz"}).keys() == {
        "b",
        "c",
    }


def test_a_change_increments_the_version() -> None:
    after = Account(version=4, limit=2).changed(limit=3)
    assert (after.version, after.limit) == (5, 3)


def test_an_account_without_stored_data_has_the_clock_as_its_version() -> None:
    assert empty_account(NOW) == Account(version=NOW)
    assert empty_account(NOW).theoretical_arrival_at == 0


@pytest.mark.parametrize(
    ("stored", "granted", "plan", "limit"),
    [
        ({}, (None, None), "default", 1),
        ({"plan": "family"}, (None, None), "family", 6),
        (
            {"plan": "family", "limit": 2},
            (None, None),
            "family",
            2,
        ),
        ({"plan": "family"}, (4, None), "family", 4),
        ({"limit": 2}, (4, None), "default", 4),
        ({}, (0, None), "default", 0),
        ({}, (None, "family"), "family", 6),
        ({"limit": 0}, (None, "family"), "family", 0),
        ({"plan": "gone"}, (None, None), "default", 1),
        (
            {"plan": "family"},
            (None, "gone"),
            "default",
            1,
        ),
    ],
)
def test_the_token_takes_precedence_over_the_stored_plan_and_limit(
    stored: dict[str, Any],
    granted: Any,
    plan: str,
    limit: int,
) -> None:
    account = replace(empty_account(NOW), **stored)
    effective = account.effective_plan(KNOWN, Entitlement(*granted))

    assert (effective.name, effective.limit) == (
        plan,
        limit,
    )


def test_an_override_of_the_user_takes_precedence_over_the_default() -> None:
    own = Account(
        version=1,
        limit=1,
        when_full=WhenFull.EVICT_OLDEST,
    )
    expected = plans_of(limit=1, when_full=WhenFull.EVICT_OLDEST).default

    assert own.effective_plan(PLANS) == expected


@pytest.mark.parametrize(
    "override",
    [{"limit": 2}, {"when_full": WhenFull.EVICT_OLDEST}],
    ids=["the limit", "the behaviour when full"],
)
def test_an_override_changes_nothing_else(
    override: dict[str, Any],
) -> None:
    own = Account(version=1, **override)
    assert own.effective_plan(PLANS) == replace(PLANS.default, **override)


# --- a server whose clock was wrong -----------------------------------------------


def test_a_lease_that_no_correct_clock_could_have_granted_counts_as_expired() -> None:
    ahead = NOW + 10 * MINUTES_MS
    account = holding(
        lease(
            "a",
            started_at=ahead,
            expires_at=ahead + LEASE_MS,
        )
    )
    believed = account.without_impossible(NOW, PLANS)

    assert not believed.leases["a"].is_live(NOW)
    assert believed.version == account.version


def test_a_lease_that_a_correct_clock_could_have_granted_is_believed() -> None:
    account = holding(lease("a", expires_at=NOW + LEASE_MS + MAX_LATENESS_MS))
    assert account.without_impossible(NOW, PLANS) is account


def test_a_paused_lease_is_believed_as_long_as_its_plan_allows() -> None:
    pausing = changed(PLANS, paused_ms=10 * LEASE_MS)
    account = holding(lease("a", expires_at=NOW + 10 * LEASE_MS))

    assert account.without_impossible(NOW, pausing) is account


def test_an_arrival_time_beyond_the_burst_counts_as_now() -> None:
    latest = CHARGING.start_rate.latest_arrival(NOW)
    believed = holding(theoretical_arrival_at=latest)

    assert believed.without_impossible(NOW, CHARGING) is believed

    account = holding(lease("a"), theoretical_arrival_at=latest + 1)
    corrected = account.without_impossible(NOW, CHARGING)
    assert corrected.theoretical_arrival_at == NOW
    assert corrected.leases == account.leases


def test_without_a_start_rate_the_arrival_time_is_kept() -> None:
    account = holding(theoretical_arrival_at=NOW + 60 * MINUTES_MS)
    assert account.without_impossible(NOW, PLANS) is account


def test_a_lease_of_a_longer_plan_is_believed_after_the_plan_changed() -> None:
    longer = plans_of(name="longer", lease_ms=9 * LEASE_MS)
    plans = plans_of(named={"longer": longer})
    account = holding(
        lease("a", expires_at=NOW + 9 * LEASE_MS),
    )

    assert account.without_impossible(NOW, plans) is account


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at": NOW + MAX_LATENESS_MS},
        {"paused_at": NOW + MAX_LATENESS_MS},
        {"expires_at": NOW + MAX_PAUSED_MS + MAX_LATENESS_MS},
    ],
    ids=["start", "pause", "expiry"],
)
def test_a_lease_is_believed_until_the_lateness_of_a_call(
    changes: dict[str, int],
) -> None:
    """Also if it is longer than these plans allow: another release has other plans."""
    believed = holding(lease("a", **changes))
    assert believed.without_impossible(NOW, PLANS) is believed

    later = {name: instant + 1 for name, instant in changes.items()}
    corrected = holding(lease("a", **later)).without_impossible(NOW, PLANS)
    assert not corrected.leases["a"].is_live(NOW)


@pytest.mark.parametrize("interval_ms", [0, 3_600_000])
def test_the_debt_of_another_start_rate_is_at_most_the_burst(interval_ms: int) -> None:
    """An hour between starts became a second: viewers wait for no hour."""
    rate = CHARGING.start_rate
    arrival = NOW + 6 * interval_ms
    account = holding(theoretical_arrival_at=arrival)

    believed = account.without_impossible(NOW, CHARGING)

    earliest = rate.earliest_start(believed.theoretical_arrival_at)
    assert earliest - NOW <= rate.burst * rate.interval_ms


def test_accounts_with_different_recent_writes_are_equal() -> None:
    assert Account(version=1, recent_writes=("a",)) == Account(version=1)


def test_admissions_are_equal_under_any_stored_plan() -> None:
    stored = lease("a")
    assert Admission(lease=stored, plan="family") == Admission(lease=stored)

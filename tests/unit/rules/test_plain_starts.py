"""Plain starts, which need no read, and starts that are already admitted."""

from dataclasses import replace
from typing import Any

import pytest

from streams import rules
from streams.rules import Account, Entitlement, Plans, StartRate, StartRequest
from tests.builders import LEASE_MS, NOW, asking, changed, plans_of
from tests.unit.rules.builders import (
    BIG,
    EVICT,
    EXPIRED_AT,
    FAMILY,
    PLANS,
    TITLE,
    account,
    ending,
    holding,
    lease,
    playing,
    started,
    stopped,
    stream,
)

LATER = NOW + 9


def is_plain(
    account: Account,
    request: StartRequest,
    *,
    now: int = LATER,
    plans: Plans = PLANS,
) -> bool:
    return rules.is_plain_start(account, request, now=now, plans=plans)


def later(id: str, **fields: Any) -> StartRequest:
    return asking(id, now=LATER, **fields)


# --- room ---------------------------------------------------------------------------


@pytest.mark.parametrize(("stored", "expected"), [("ab", True), ("abc", False)])
def test_a_start_is_plain_while_fewer_leases_are_stored_than_the_limit(
    stored: str, expected: bool
) -> None:
    assert is_plain(account(*stored), later("d")) is expected


def test_a_ghost_takes_room_from_a_plain_start() -> None:
    before = account("a", "b", "c")
    request = asking("d", now=EXPIRED_AT + 9)

    assert not is_plain(before, request, now=EXPIRED_AT + 9)


def test_the_lowest_limit_of_the_rules_that_count_the_stream_is_the_room() -> None:
    plans = changed(FAMILY, rules=(BIG,))
    before = playing(stream("a"), stream("b"), plans=plans)

    assert not is_plain(before, stream("c", "tv", now=LATER), plans=plans)
    assert is_plain(
        before,
        stream("c", "phone", now=LATER),
        plans=plans,
    )


def test_the_entitlement_sets_the_room() -> None:
    before = account("a", "b", "c")

    assert is_plain(before, later("d", entitlement=4))
    assert not is_plain(account("a"), later("d", entitlement=1))


# --- the same slot ------------------------------------------------------------------


def test_a_takeover_of_a_live_stream_is_plain_at_the_limit() -> None:
    assert is_plain(account("a", "b", "c"), later("b"))


def test_a_start_over_its_own_ghost_at_the_limit_is_not_plain() -> None:
    before = account("a", "b", "c")
    now = EXPIRED_AT + 9

    assert not is_plain(before, asking("a", now=now), now=now)
    assert is_plain(account("a"), asking("a", now=now), now=now)


def test_a_takeover_is_plain_if_it_changes_no_attribute_that_a_rule_examines() -> None:
    plans = changed(FAMILY, limit=2, rules=(BIG, TITLE))
    before = playing(stream("a", "tv"), stream("b", "tv"), plans=plans)

    assert is_plain(before, stream("b", "tv", now=LATER), plans=plans)
    assert is_plain(
        before,
        stream("b", "tv", now=LATER, network="x"),
        plans=plans,
    )
    other_film = stream("b", "tv", now=LATER, film="next")
    assert not is_plain(before, other_film, plans=plans)
    other_type = stream("b", "console", now=LATER)
    assert not is_plain(before, other_type, plans=plans)


# --- other streams ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [(("b",), False), (("zzz",), True), (("a",), True)],
    ids=["another stream", "an unknown stream", "itself"],
)
def test_a_start_that_replaces_a_stored_stream_is_not_plain(
    replaced: tuple[str, ...], expected: bool
) -> None:
    assert (
        is_plain(
            account("a", "b"),
            later("a", replace=replaced),
        )
        is expected
    )


# --- late starts and repeats --------------------------------------------------------


@pytest.mark.parametrize(("difference", "expected"), [(1, True), (0, False)])
@pytest.mark.parametrize("where", ["leases", "ended"])
def test_a_plain_start_has_a_higher_epoch_than_its_slot_ever_had(
    where: str, difference: int, expected: bool
) -> None:
    epoch = 700 - difference
    if where == "leases":
        before = holding(lease("a", epoch=epoch))
    else:
        before = holding(ended={"a": ending(NOW - 1, epoch=epoch)})

    assert is_plain(before, asking("a", epoch=700)) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (LATER - 1, True),
        (LATER, False),
        (LATER + 1, False),
    ],
)
def test_a_start_is_not_plain_if_its_slot_ended_since_it_was_sent(
    at: int, expected: bool
) -> None:
    before = holding(ended={"a": ending(at, epoch=1)})
    assert is_plain(before, later("a")) is expected


@pytest.mark.parametrize(("more_ms", "expected"), [(0, True), (1, False)])
def test_a_takeover_of_a_lease_that_lasts_longer_than_a_new_one_is_not_plain(
    more_ms: int, expected: bool
) -> None:
    """A heartbeat renewed it since the start was sent."""
    stored = lease("a", expires_at=LATER + LEASE_MS + more_ms)
    assert is_plain(holding(stored), later("a")) is expected


def test_a_takeover_of_a_relaxed_lease_is_not_plain() -> None:
    """Its player may have sent heartbeats with shorter leases since."""
    relaxed = changed(PLANS, relaxed_lease_ms=5 * LEASE_MS)
    stored = lease("a", expires_at=NOW + 5 * LEASE_MS)

    assert not is_plain(holding(stored), later("a"), plans=relaxed)


def test_a_takeover_of_a_paused_stream_is_not_plain() -> None:
    """A pause may have begun since, without a later expiry."""
    stored = lease("a", paused_at=NOW)

    assert not is_plain(holding(stored), later("a"))


# --- plans --------------------------------------------------------------------------


def test_a_start_under_an_unknown_plan_is_not_plain() -> None:
    before = replace(account("a"), plan="gone")

    assert not is_plain(before, later("b"))
    assert is_plain(before, later("b", plan="default"))


def test_a_start_under_a_plan_with_another_lease_is_not_plain() -> None:
    named = {
        "long": plans_of(name="long", lease_ms=2 * LEASE_MS),
        "same": plans_of(name="same"),
    }
    plans = plans_of(named=named)
    before = account("a")

    assert not is_plain(
        replace(before, plan="long"),
        later("b"),
        plans=plans,
    )
    assert is_plain(
        replace(before, plan="same"),
        later("b"),
        plans=plans,
    )
    assert is_plain(before, later("b", plan="long"), plans=plans)


def test_a_start_that_replaces_many_streams_covers_the_default_plan_only() -> None:
    plans = plans_of(named={"same": plans_of(name="same")})
    before = replace(account("a"), plan="same")
    many = [f"s{number}" for number in range(61)]

    assert not is_plain(before, later("b", replace=many), plans=plans)
    assert is_plain(before, later("b", replace=many[1:]), plans=plans)


# --- the start rate -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrival", "expected"),
    [(LATER - 1, True), (LATER, False)],
)
def test_a_plain_start_arrives_after_the_starts_before_it_are_paid_for(
    arrival: int, expected: bool
) -> None:
    """Also without a start rate, because a fence sets the arrival time."""
    rate = StartRate(burst=6, interval_ms=1000)
    before = holding(lease("a"), theoretical_arrival_at=arrival)
    for plans in (PLANS, changed(PLANS, start_rate=rate)):
        assert is_plain(before, later("b"), plans=plans) is expected


def test_a_start_after_an_impossible_arrival_time_is_judged() -> None:
    rate = StartRate(burst=6, interval_ms=1000)
    plans = changed(PLANS, start_rate=rate)
    impossible = holding(theoretical_arrival_at=LATER + 600_000)

    assert not is_plain(impossible, later("b"), plans=plans)
    assert "b" in started(impossible, later("b"), now=LATER, plans=plans).leases


# --- a start that was sent twice ----------------------------------------------------


def test_the_admission_of_a_start_is_found_by_its_nonce() -> None:
    request = asking("d", now=LATER)
    full = account("a", "b", "c")
    after, admission = rules.start(full, request, now=LATER, plans=EVICT)

    assert admission.ended.keys() == {"a"}

    found = rules.find_admission(after, request, now=LATER + 5, plans=EVICT)
    assert found == admission
    another = replace(request, nonce="another")
    assert not rules.find_admission(after, another, now=LATER, plans=EVICT)
    elsewhere = replace(request, id="zzz")
    assert not rules.find_admission(after, elsewhere, now=LATER, plans=EVICT)


def test_an_admission_does_not_include_what_the_stream_ended_at_another_time() -> None:
    request = asking("d", now=LATER)
    after = started(account("a"), request, now=LATER)
    others = {
        "x": ending(LATER, by="d"),
        "y": ending(LATER - 1, by="d"),
        "z": ending(LATER, by="other"),
    }
    found = rules.find_admission(
        replace(after, ended=others, plan="gone"),
        request,
        now=LATER,
        plans=PLANS,
    )

    assert found
    assert found.ended.keys() == {"x"}
    assert found.plan == "gone"


def test_an_admission_that_expired_or_stopped_is_not_found() -> None:
    request = asking("d", now=LATER)
    after = started(account("a"), request, now=LATER)
    end = LATER + LEASE_MS

    assert rules.find_admission(after, request, now=end - 1, plans=PLANS)
    assert not rules.find_admission(after, request, now=end, plans=PLANS)
    over = stopped(after, "d", now=LATER + 1)
    assert not rules.find_admission(over, request, now=LATER + 1, plans=PLANS)


def test_an_entitlement_without_a_plan_grants_its_limit_under_the_stored_plan() -> None:
    assert later("a", entitlement=4).entitlement == Entitlement(limit=4)

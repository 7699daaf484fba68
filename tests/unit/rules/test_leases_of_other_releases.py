"""Leases that another release granted under other settings."""

from dataclasses import replace
from typing import Any

import pytest

from streams import rules
from streams.errors import InvalidToken, StreamLimitReached
from streams.rules import Hold, Pace, Plans
from streams.rules.holders import held_lease
from streams.rules.plans import MAX_LATENESS_MS
from tests.builders import LEASE_MS, NOW, asking, changed, held
from tests.unit.rules.builders import PLANS, account, holding, lease

LONGER = changed(PLANS, lease_ms=2 * LEASE_MS)
PAUSING = changed(PLANS, paused_ms=10 * LEASE_MS)
RELAXING = changed(PLANS, relaxed_lease_ms=5 * LEASE_MS)


@pytest.mark.parametrize("verb", [rules.renew, rules.stop])
@pytest.mark.parametrize(
    "plans", [LONGER, PAUSING, RELAXING], ids=["longer", "pausing", "relaxing"]
)
def test_the_token_of_a_lost_answer_is_valid_where_leases_are_shorter(
    plans: Plans, verb: Any
) -> None:
    """The heartbeat reached another release. Its repeat reaches this one."""
    at = NOW + LEASE_MS // 3
    first = account("a")
    own = held(first.leases["a"])
    paced = replace(own, pace=Pace(5 * LEASE_MS, 2)) if plans is RELAXING else own
    is_paused = plans is PAUSING
    elsewhere = rules.renew(
        first, "a", hold=paced, now=at, plans=plans, is_paused=is_paused
    )
    expires_at = elsewhere.leases["a"].expires_at

    after = verb(elsewhere, "a", hold=own, now=at + 1000, plans=PLANS)

    assert expires_at > first.leases["a"].expires_at + LEASE_MS
    if verb is rules.renew:
        assert after.leases["a"].expires_at == expires_at


def test_a_token_is_valid_while_a_lease_is_longer_than_these_plans_grant() -> None:
    """Then the lengths of these plans do not tell how old the token is."""
    longest = NOW + LEASE_MS + MAX_LATENESS_MS
    hold = Hold(epoch=7, expires_at=NOW - LEASE_MS)
    for expires_at, is_valid in ((longest + 1, True), (longest, False)):
        before = holding(lease("a", epoch=7, expires_at=expires_at))
        if is_valid:
            assert held_lease(before, "a", hold=hold, now=NOW, plans=PLANS)
            continue
        with pytest.raises(InvalidToken):
            held_lease(before, "a", hold=hold, now=NOW, plans=PLANS)


@pytest.mark.parametrize(
    "plans", [LONGER, PAUSING, RELAXING], ids=["longer", "pausing", "relaxing"]
)
def test_a_stream_with_a_longer_lease_keeps_its_slot(plans: Plans) -> None:
    before = account("a", "b", "c")
    for id in "abc":
        hold = replace(held(before.leases[id]), pace=Pace(plans.longest_lease_ms, 3))
        before = rules.renew(
            before,
            id,
            hold=hold,
            now=NOW + 1000,
            plans=plans,
            is_paused=plans is PAUSING,
        )

    with pytest.raises(StreamLimitReached) as denial:
        rules.start(before, asking("d"), now=NOW + 2000, plans=PLANS)
    assert [holder.id for holder in denial.value.holders] == ["a", "b", "c"]

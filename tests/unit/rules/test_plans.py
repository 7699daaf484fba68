"""Plans: which rule refuses, which streams count against it, and what makes room."""

from dataclasses import replace
from typing import Any

import pytest

from streams import rules
from streams.errors import StreamEnded, StreamLimitReached
from streams.rules import Account, Hold, Plans, Reason, Rule, WhenFull
from tests.builders import changed, plans_of
from tests.conftest import LEASE_MS, NOW, asking, held

BIG = Rule(name="two-big-screens", where={"deviceType": ("tv", "console")}, limit=2)
TITLE = Rule(name="one-per-title", per="streamId", limit=1)
HOMES = Rule(name="two-networks", distinct="network", limit=2)
FAMILY = plans_of(name="family", limit=6, lease_ms=LEASE_MS, rules=(BIG, TITLE, HOMES))
EVICT = changed(FAMILY, when_full=WhenFull.EVICT_OLDEST)


def stream(
    id: str,
    kind: str | None = None,
    *,
    film: str | None = None,
    network: str = "home",
    **more: Any,
) -> Any:
    """A start: every stream its own film, at home, unless it says so."""
    return asking(
        id, stream_id=film or f"film of {id}", device_type=kind, network=network, **more
    )


def playing(*starts: Any, plans: Plans = FAMILY, now: int = NOW) -> Account:
    """An account in which these were started a millisecond apart."""
    account = rules.empty_account(now)
    for at, start in enumerate(starts, start=now):
        account, _ = rules.start(account, start, now=at, plans=plans)
    return account


def refusal(
    account: Account, start: Any, *, plans: Plans = FAMILY, now: int = NOW + 10
) -> StreamLimitReached:
    with pytest.raises(StreamLimitReached) as refused:
        rules.start(account, start, now=now, plans=plans)
    return refused.value


def against(error: StreamLimitReached) -> tuple[str | None, list[str]]:
    return error.rule.name if error.rule else None, [
        holder.id for holder in error.holders
    ]


def test_a_rule_refuses_what_it_counts_and_names_exactly_the_streams_that_count() -> (
    None
):
    account = playing(stream("a", "tv"), stream("b", "phone"), stream("c", "console"))
    assert against(refusal(account, stream("d", "tv"))) == (
        "two-big-screens",
        ["a", "c"],
    )
    assert rules.start(account, stream("d", "phone"), now=NOW + 10, plans=FAMILY)


def test_the_wait_of_a_denial_is_for_the_rule_that_refused() -> None:
    account = playing(stream("phone", "phone"), stream("a", "tv"), stream("b", "tv"))
    assert refusal(account, stream("c", "tv")).retry_at == NOW + 1 + LEASE_MS, (
        "not the phone's, which ends first"
    )


def test_a_stream_without_the_attribute_is_not_counted() -> None:
    account = playing(stream("a", "tv"), stream("b", "tv"))
    assert rules.start(account, stream("c"), now=NOW, plans=FAMILY)


def test_one_value_at_a_time_of_what_a_rule_counts_per() -> None:
    account = playing(stream("a", film="match"), stream("b", film="news"))
    assert against(refusal(account, stream("c", film="match"))) == (
        "one-per-title",
        ["a"],
    )


def test_of_networks_those_of_other_values_are_in_the_way_and_one_more_stream_of_a_known_one_is_not() -> (
    None
):
    account = playing(stream("a"), stream("b"), stream("c", network="work"))
    assert rules.start(account, stream("d", network="work"), now=NOW, plans=FAMILY)
    denial = refusal(account, stream("d", network="hotel"))
    assert against(denial) == ("two-networks", ["a", "b", "c"])
    assert denial.retry_at == NOW + 1 + LEASE_MS, "when the home is empty"


def test_the_limit_itself_has_no_rule() -> None:
    account = playing(*(stream(id) for id in "abcdef"))
    denial = refusal(account, stream("g"))
    assert (denial.rule, denial.plan, denial.limit, len(denial.holders)) == (
        None,
        "family",
        6,
        6,
    )


def test_an_eviction_for_a_rule_ends_the_oldest_that_counts_and_no_older_one_that_does_not() -> (
    None
):
    account = playing(
        stream("old", "phone"), stream("a", "tv"), stream("b", "tv"), plans=EVICT
    )
    after, admission = rules.start(
        account, stream("c", "tv"), now=NOW + 10, plans=EVICT
    )
    assert after.leases.keys() == {"old", "b", "c"}
    assert {id: ending.reason for id, ending in admission.ended.items()} == {
        "a": Reason.EVICTED
    }


def test_an_eviction_for_a_rule_makes_room_under_the_limit_too() -> None:
    policy = changed(EVICT, limit=3)
    account = playing(
        stream("old", "phone"), stream("a", "tv"), stream("b", "tv"), plans=policy
    )
    after, _ = rules.start(account, stream("c", "tv"), now=NOW + 10, plans=policy)
    assert after.leases.keys() == {"old", "b", "c"}, "the phone plays on"


def test_an_eviction_for_networks_ends_all_that_plays_from_the_oldest() -> None:
    account = playing(
        stream("a"), stream("b", network="work"), stream("c"), plans=EVICT
    )
    after, _ = rules.start(
        account, stream("d", network="hotel"), now=NOW + 10, plans=EVICT
    )
    assert after.leases.keys() == {"b", "d"}


def test_replace_makes_room_for_the_rule() -> None:
    account = playing(stream("a", "tv"), stream("b", "tv"))
    after, _ = rules.start(
        account, stream("c", "tv", replace=("a",)), now=NOW + 10, plans=FAMILY
    )
    assert after.leases.keys() == {"b", "c"}
    assert against(
        refusal(account, stream("c", "tv", film="film of b", replace=("a",)))
    ) == ("one-per-title", ["b"])


def test_a_device_that_starts_again_keeps_its_place_even_under_a_lowered_rule() -> None:
    account = playing(stream("a", "tv"), stream("b", "tv"))
    lowered = changed(FAMILY, rules=(replace(BIG, limit=1),))
    after, admission = rules.start(
        account, stream("b", "console", film="next"), now=NOW + 10, plans=lowered
    )
    assert admission.lease.took_over
    assert after.leases.keys() == {"a", "b"}


def test_a_device_that_becomes_what_a_rule_counts_is_judged_like_a_start() -> None:
    account = playing(stream("a", "tv"), stream("b", "tv"), stream("c", "phone"))
    assert against(refusal(account, stream("c", "tv"))) == (
        "two-big-screens",
        ["a", "b"],
    )
    assert against(refusal(account, stream("c", "phone", film="film of a"))) == (
        "one-per-title",
        ["a"],
    )


def test_a_ghost_is_in_nobodys_way_and_goes_where_its_place_is_needed() -> None:
    account = playing(stream("a", "tv"), stream("b", "tv"))
    account, _ = rules.start(
        account, stream("c", "phone"), now=NOW + LEASE_MS, plans=FAMILY
    )
    after, admission = rules.start(
        account, stream("d", "tv"), now=NOW + LEASE_MS + 1, plans=FAMILY
    )
    assert after.leases.keys() == {"b", "c", "d"}
    assert admission.ended["a"].reason is Reason.EXPIRED


def test_a_late_heartbeat_is_not_revived_where_a_rule_has_no_place() -> None:
    account = playing(stream("a", film="match"))
    hold = held(account.leases["a"])
    account, _ = rules.start(
        account,
        stream("b", film="match"),
        now=NOW + LEASE_MS,
        plans=changed(FAMILY, rules=()),
    )
    with pytest.raises(StreamEnded):
        rules.renew(account, "a", hold=hold, now=NOW + LEASE_MS + 1, plans=FAMILY)


@pytest.mark.parametrize(
    ("value", "counts"),
    [(True, True), (1, False), ("true", False), (2, True), (2.0, True)],
)
def test_true_is_no_number_and_no_text(value: Any, counts: bool) -> None:
    policy = changed(
        FAMILY, rules=(Rule(name="kids", where={"metadata.kids": (True, 2)}, limit=0),)
    )
    start = stream("a", metadata={"kids": value})
    if counts:
        assert (
            refusal(rules.empty_account(NOW), start, plans=policy).retry_at is None
        ), "no wait helps"
    else:
        assert rules.start(rules.empty_account(NOW), start, now=NOW, plans=policy)


KNOWN = plans_of(limit=1, lease_ms=LEASE_MS, named={"family": FAMILY})


@pytest.mark.parametrize(
    ("stored", "granted", "plan", "limit"),
    [
        ({}, (None, None), "default", 1),
        ({"plan": "family"}, (None, None), "family", 6),
        ({"plan": "family", "limit": 2}, (None, None), "family", 2),
        ({"plan": "family"}, (4, None), "family", 4),
        ({}, (None, "family"), "family", 6),
        ({"limit": 0}, (None, "family"), "family", 0),
        ({"plan": "gone"}, (None, None), "default", 1),
        ({"plan": "family"}, (None, "gone"), "default", 1),
    ],
)
def test_the_plan_is_the_tokens_else_the_stored_one_and_a_limit_replaces_its_number(
    stored: dict[str, Any], granted: Any, plan: str, limit: int
) -> None:
    account = replace(rules.empty_account(NOW), **stored)
    policy = account.effective_plan(KNOWN, rules.Entitlement(*granted))
    assert (policy.name, policy.limit) == (plan, limit)


@pytest.mark.parametrize(
    ("when_full", "kept"),
    [(WhenFull.DENY, ["a", "b"]), (WhenFull.EVICT_OLDEST, ["b", "c"])],
)
def test_a_surplus_that_ends_is_what_would_not_be_playing_had_it_held_from_the_start(
    when_full: WhenFull, kept: list[str]
) -> None:
    account = playing(stream("a"), stream("b"), stream("c"))
    after = rules.override(
        account,
        limit=2,
        plan=None,
        when_full=when_full,
        end_surplus=True,
        now=NOW + 10,
        plans=FAMILY,
    )
    assert [lease.id for lease in after.live(NOW + 10)] == kept
    assert {ending.reason for ending in after.ended.values()} == {Reason.STOPPED}


def test_a_user_of_no_streams_is_suspended() -> None:
    account = playing(stream("a"))
    after = rules.override(
        account,
        limit=0,
        plan=None,
        when_full=None,
        end_surplus=True,
        now=NOW + 10,
        plans=FAMILY,
    )
    assert after.ended["a"].reason is Reason.SUSPENDED
    with pytest.raises(StreamEnded) as told:
        rules.renew(
            after, "a", hold=held(account.leases["a"]), now=NOW + 11, plans=FAMILY
        )
    assert told.value.ending.reason is Reason.SUSPENDED


PAUSING = changed(FAMILY, paused_ms=10 * LEASE_MS)


def paused(account: Account, now: int, hold: Hold | None = None) -> Account:
    hold = hold or held(account.leases["a"])
    return rules.renew(account, "a", hold=hold, now=now, plans=PAUSING, is_paused=True)


def test_a_pause_keeps_the_slot_until_its_plan_says_however_often_it_is_told_of() -> (
    None
):
    account = paused(playing(stream("a")), NOW + 10)
    assert (account.leases["a"].paused_at, account.leases["a"].expires_at) == (
        NOW + 10,
        NOW + 10 + 10 * LEASE_MS,
    )
    assert paused(account, NOW + 5 * LEASE_MS) is account, "there is nothing to write"
    with pytest.raises(StreamEnded) as over:
        paused(account, NOW + 10 + 10 * LEASE_MS)
    assert over.value.ending.reason is Reason.EXPIRED


def test_a_stream_that_plays_on_moves_no_end_back() -> None:
    account = paused(playing(stream("a")), NOW + 10)
    hold = held(account.leases["a"])
    again = rules.renew(account, "a", hold=hold, now=NOW + 20, plans=PAUSING).leases[
        "a"
    ]
    assert (again.paused_at, again.expires_at) == (0, NOW + 10 + 10 * LEASE_MS)


def test_a_plan_without_an_end_of_pauses_renews_a_paused_stream_like_any() -> None:
    account = playing(stream("a"))
    hold = held(account.leases["a"])
    after = rules.renew(
        account, "a", hold=hold, now=NOW + 10, plans=FAMILY, is_paused=True
    ).leases["a"]
    assert (after.paused_at, after.expires_at) == (NOW + 10, NOW + 10 + LEASE_MS)


RELAXED = plans_of(limit=4, lease_ms=LEASE_MS, relaxed_lease_ms=5 * LEASE_MS)


def test_leases_are_relaxed_from_the_first_heartbeat_while_two_slots_are_free() -> None:
    account, first = rules.start(
        rules.empty_account(NOW), asking("a"), now=NOW, plans=RELAXED
    )
    assert first.lease.expires_at == NOW + LEASE_MS, "a player that fails does so early"
    account = rules.renew(
        account, "a", hold=held(first.lease), now=NOW + 10, plans=RELAXED
    )
    assert account.leases["a"].expires_at == NOW + 10 + 5 * LEASE_MS
    ends = {}
    for id in "bcd":
        account, admission = rules.start(
            account, asking(id, now=NOW + 20), now=NOW + 20, plans=RELAXED
        )
        after = rules.renew(
            account, id, hold=held(admission.lease), now=NOW + 30, plans=RELAXED
        )
        ends[id] = after.leases[id].expires_at - NOW - 30
    assert ends == {"b": 5 * LEASE_MS, "c": LEASE_MS, "d": LEASE_MS}


def test_a_relaxed_token_is_good_for_a_short_lease_once_others_have_come_and_no_end_moves_back() -> (
    None
):
    account, first = rules.start(
        rules.empty_account(NOW), asking("a"), now=NOW, plans=RELAXED
    )
    for id in "bcd":
        account, _ = rules.start(
            account, asking(id, now=NOW + 1), now=NOW + 1, plans=RELAXED
        )
    after = rules.renew(
        account, "a", hold=held(first.lease), now=NOW + 10, plans=RELAXED
    )
    assert after.leases["a"].expires_at == NOW + 10 + LEASE_MS

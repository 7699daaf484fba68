"""Starts under the rules of a plan: which rule refuses, and which streams end."""

from dataclasses import replace

from streams import rules
from streams.rules import Reason, Rule
from tests.builders import LEASE_MS, NOW, asking, changed, plans_of
from tests.unit.rules.builders import (
    BIG,
    EVICTING_FAMILY,
    EXPIRED_AT,
    FAMILY,
    counted,
    playing,
    refusal_of,
    renewed,
    started,
    stream,
)

LATER = NOW + 10


# --- denials ------------------------------------------------------------------------


def test_a_rule_refuses_what_it_counts_and_lists_exactly_the_streams_that_count() -> (
    None
):
    before = playing(
        stream("a", "tv"),
        stream("b", "phone"),
        stream("c", "console"),
    )
    denial = refusal_of(before, stream("d", "tv"))

    assert counted(denial) == (
        "two-big-screens",
        ["a", "c"],
    )
    assert started(
        before,
        stream("d", "phone"),
        now=LATER,
        plans=FAMILY,
    )


def test_a_stream_without_the_attribute_is_not_counted() -> None:
    before = playing(stream("a", "tv"), stream("b", "tv"))
    assert started(before, stream("c"), plans=FAMILY)


def test_a_rule_per_value_allows_one_stream_of_each_value() -> None:
    before = playing(
        stream("a", film="match"),
        stream("b", film="news"),
    )
    denial = refusal_of(before, stream("c", film="match"))

    assert counted(denial) == ("one-per-title", ["a"])


def test_a_distinct_rule_refuses_a_new_value_and_admits_a_known_one() -> None:
    before = playing(
        stream("a"),
        stream("b"),
        stream("c", network="work"),
    )

    assert started(before, stream("d", network="work"), plans=FAMILY)
    denial = refusal_of(before, stream("d", network="hotel"))
    assert counted(denial) == (
        "two-networks",
        ["a", "b", "c"],
    )
    assert denial.retry_at == NOW + 1 + LEASE_MS, "when no stream plays at home"


def test_the_limit_of_the_plan_has_no_rule() -> None:
    before = playing(*(stream(id) for id in "abcdef"))
    denial = refusal_of(before, stream("g"))

    assert (denial.rule, denial.plan, denial.limit) == (
        None,
        "family",
        6,
    )
    assert len(denial.holders) == 6


def test_a_rule_of_zero_names_no_retry() -> None:
    never = Rule(
        name="never",
        where={"deviceType": ("tv",)},
        limit=0,
    )
    denial = refusal_of(
        playing(),
        stream("a", "tv"),
        plans=changed(FAMILY, rules=(never,)),
    )

    assert counted(denial) == ("never", [])
    assert denial.retry_at is None


# --- the time of a retry ------------------------------------------------------------


def test_a_retry_waits_for_the_streams_that_the_rule_counts() -> None:
    before = playing(
        stream("phone", "phone"),
        stream("a", "tv"),
        stream("b", "tv"),
    )
    denial = refusal_of(before, stream("c", "tv"))

    assert denial.retry_at == NOW + 1 + LEASE_MS, "not for the phone"


def test_a_retry_waits_for_the_latest_of_all_rules_that_refuse() -> None:
    title = Rule(name="title", per="streamId", limit=1)
    plans = plans_of(limit=2, rules=(title,))
    film, other = stream("a", film="film"), stream("b")
    before = playing(film, other, plans=plans)
    hold = rules.Hold(epoch=before.leases["a"].epoch)
    before = rules.renew(before, "a", hold=hold, now=NOW + 500, plans=plans)

    denial = refusal_of(
        before,
        stream("c", film="film"),
        now=NOW + 600,
        plans=plans,
    )

    assert counted(denial) == ("title", ["a"])
    assert denial.retry_at == NOW + 500 + LEASE_MS

    hold = rules.Hold(epoch=before.leases["b"].epoch)
    full = changed(plans, limit=1)
    before = rules.renew(before, "b", hold=hold, now=NOW + 700, plans=plans)
    denial = refusal_of(
        before,
        stream("c", film="film"),
        now=NOW + 800,
        plans=full,
    )
    assert denial.retry_at == NOW + 700 + LEASE_MS, "the limit refuses longer"


def test_a_rule_with_a_free_place_does_not_delay_the_retry() -> None:
    before = playing(stream("a", film="film"), stream("b", "tv"))
    hold = rules.Hold(epoch=before.leases["b"].epoch)
    before = rules.renew(
        before,
        "b",
        hold=hold,
        now=NOW + 500,
        plans=FAMILY,
    )
    denial = refusal_of(
        before,
        stream("c", "tv", film="film"),
        now=NOW + 600,
    )

    assert denial.retry_at == NOW + LEASE_MS


def test_no_retry_is_named_if_one_of_the_rules_never_has_room() -> None:
    never = Rule(
        name="never",
        where={"deviceType": ("tv",)},
        limit=0,
    )
    title = Rule(name="title", per="streamId", limit=1)
    plans = plans_of(rules=(title, never))
    before = playing(stream("a", film="film"), plans=plans)
    denial = refusal_of(
        before,
        stream("c", "tv", film="film"),
        plans=plans,
    )

    assert counted(denial) == ("title", ["a"])
    assert denial.retry_at is None


def test_a_rule_that_the_takeover_meets_does_not_delay_the_retry() -> None:
    before = playing(
        stream("a", "tv", film="film"),
        stream("b", film="match"),
    )
    big_is_full = changed(
        FAMILY,
        rules=(
            replace(BIG, limit=1),
            *FAMILY.default.rules,
        ),
    )
    request = stream("a", "tv", film="match")
    denial = refusal_of(before, request, now=NOW + 5, plans=big_is_full)

    assert counted(denial) == ("one-per-title", ["b"])
    assert denial.retry_at == NOW + 1 + LEASE_MS


# --- evictions ----------------------------------------------------------------------


def test_an_eviction_for_a_rule_ends_the_oldest_stream_that_counts() -> None:
    before = playing(
        stream("old", "phone"),
        stream("a", "tv"),
        stream("b", "tv"),
        plans=EVICTING_FAMILY,
    )
    after, admission = rules.start(
        before,
        stream("c", "tv"),
        now=LATER,
        plans=EVICTING_FAMILY,
    )

    assert after.leases.keys() == {"old", "b", "c"}
    assert admission.ended["a"].reason is Reason.EVICTED
    assert admission.ended.keys() == {"a"}


def test_an_eviction_for_a_rule_makes_room_under_the_limit_too() -> None:
    three = changed(EVICTING_FAMILY, limit=3)
    before = playing(
        stream("old", "phone"),
        stream("a", "tv"),
        stream("b", "tv"),
        plans=three,
    )
    after = started(before, stream("c", "tv"), now=LATER, plans=three)

    assert after.leases.keys() == {"old", "b", "c"}, "the phone continues"


def test_an_eviction_for_a_distinct_rule_ends_every_stream_of_the_oldest_value() -> (
    None
):
    before = playing(
        stream("a"),
        stream("b", network="work"),
        stream("c"),
        plans=EVICTING_FAMILY,
    )
    newcomer = stream("d", network="hotel")
    after = started(before, newcomer, now=LATER, plans=EVICTING_FAMILY)

    assert after.leases.keys() == {"b", "d"}


def test_replace_makes_room_for_a_rule() -> None:
    before = playing(stream("a", "tv"), stream("b", "tv"))
    request = stream("c", "tv", replace=("a",))
    after = started(before, request, now=LATER, plans=FAMILY)

    assert after.leases.keys() == {"b", "c"}

    same_film = stream("c", "tv", film="film of b", replace=("a",))
    assert counted(refusal_of(before, same_film)) == (
        "one-per-title",
        ["b"],
    )


# --- takeovers ----------------------------------------------------------------------


def test_a_device_that_starts_again_keeps_its_place_under_a_lowered_rule() -> None:
    before = playing(stream("a", "tv"), stream("b", "tv"))
    lowered = changed(FAMILY, rules=(replace(BIG, limit=1),))
    request = stream("b", "console", film="next")
    after, admission = rules.start(before, request, now=LATER, plans=lowered)

    assert admission.lease.took_over
    assert after.leases.keys() == {"a", "b"}


def test_a_device_that_a_rule_did_not_count_before_is_judged_like_a_new_stream() -> (
    None
):
    before = playing(
        stream("a", "tv"),
        stream("b", "tv"),
        stream("c", "phone"),
    )
    as_tv = refusal_of(before, stream("c", "tv"))

    assert counted(as_tv) == (
        "two-big-screens",
        ["a", "b"],
    )
    same_film = refusal_of(before, stream("c", "phone", film="film of a"))
    assert counted(same_film) == ("one-per-title", ["a"])


def test_a_ghost_is_not_counted_and_gives_up_the_place_that_a_rule_needs() -> None:
    before = playing(stream("a", "tv"), stream("b", "tv"))
    before = started(
        before,
        stream("c", "phone"),
        now=EXPIRED_AT,
        plans=FAMILY,
    )
    after, admission = rules.start(
        before,
        stream("d", "tv"),
        now=EXPIRED_AT + 1,
        plans=FAMILY,
    )

    assert after.leases.keys() == {"b", "c", "d"}
    assert admission.ended["a"].reason is Reason.EXPIRED


def test_a_rule_that_does_not_count_the_stream_does_not_delay_the_retry() -> None:
    plans = changed(FAMILY, limit=9)
    before = playing(
        asking("a", stream_id="film"),
        stream("b", network="home"),
        stream("c", network="work"),
        plans=plans,
    )
    for id in "bc":
        before = renewed(before, id, now=NOW + 500, plans=plans)

    request = asking("d", stream_id="film")
    denial = refusal_of(before, request, plans=plans, now=NOW + 600)
    assert denial.retry_at == NOW + LEASE_MS

"""Plans: which streams a rule counts, and which plan applies."""

from dataclasses import replace
from typing import Any

import pytest

from streams.rules import (
    NOTHING_GRANTED,
    UNLIMITED,
    Entitlement,
    Plan,
    Plans,
    Rule,
    StartRate,
    WhenFull,
)
from streams.rules.plans import (
    ATTRIBUTES,
    MAX_BLIND_COMPARISONS,
    MAX_LATENESS_MS,
    attribute,
)
from tests.builders import LEASE_MS, NOW, plans_of
from tests.unit.rules.builders import BIG, FAMILY, NETWORKS, PLANS, TITLE, lease

KIDS = Rule(
    name="kids",
    where={"metadata.kids": (True, 2)},
    limit=1,
)


def of_type(device_type: str | None, id: str = "a", **fields: Any) -> Any:
    return lease(id, device_type=device_type, **fields)


# --- rules ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device_type", "counts"),
    [
        ("tv", True),
        ("console", True),
        ("phone", False),
        (None, False),
    ],
)
def test_a_rule_counts_the_streams_with_an_allowed_value(
    device_type: str | None, counts: bool
) -> None:
    assert BIG.counts(of_type(device_type)) is counts


def test_a_rule_counts_a_stream_that_matches_every_attribute_of_it() -> None:
    where: dict[str, Any] = {
        "deviceType": ("tv",),
        "metadata.genre": ("drama",),
    }
    rule = Rule(name="both", where=where, limit=1)

    assert rule.counts(of_type("tv", metadata={"genre": "drama"}))
    assert not rule.counts(of_type("tv", metadata={"genre": "news"}))
    assert not rule.counts(of_type("phone", metadata={"genre": "drama"}))
    assert rule.attributes == {
        "deviceType",
        "metadata.genre",
    }


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        (True, True),
        (1, False),
        ("true", False),
        (2, True),
        (2.0, True),
    ],
)
def test_true_is_neither_a_number_nor_a_text(value: Any, counts: bool) -> None:
    assert KIDS.counts(lease(metadata={"kids": value})) is counts


def test_a_rule_without_groups_counts_all_its_streams_together() -> None:
    assert BIG.group(of_type("tv")) is True
    assert BIG.group(of_type("phone")) is None


def test_a_rule_per_value_ignores_streams_without_a_value() -> None:
    rule = Rule(name="per", per="metadata.match", limit=1)

    assert rule.group(lease(metadata={"match": 3})) == (
        False,
        3,
    )
    assert rule.group(lease()) is None
    assert rule.attributes == {"metadata.match"}


def test_a_distinct_rule_examines_its_attribute() -> None:
    assert NETWORKS.attributes == {"network"}
    assert NETWORKS.group(lease(network="home")) == (
        False,
        "home",
    )


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_each_attribute_is_a_field_of_the_lease(
    name: str,
) -> None:
    described = lease(
        stream_id="streamId",
        device_id="deviceId",
        device_type="deviceType",
        network="network",
    )
    assert attribute(described, name) == (False, name)


def test_a_place_is_one_stream() -> None:
    others = [
        of_type("tv", "b"),
        of_type("phone", "c"),
        of_type("tv", "d"),
    ]
    places = BIG.places_taken(of_type("tv"), others)

    assert [[other.id for other in place] for place in places] == [["b"], ["d"]]


def test_a_place_of_a_rule_per_value_has_the_value_of_the_new_stream() -> None:
    others = [
        lease("b", stream_id="match"),
        lease("c", stream_id="news"),
    ]
    places = TITLE.places_taken(lease(stream_id="match"), others)

    assert [[other.id for other in place] for place in places] == [["b"]]


def test_a_place_of_a_distinct_rule_is_every_stream_of_another_value() -> None:
    others = [lease(id, network=id[0]) for id in ("x1", "y1", "x2", "z1")]
    places = NETWORKS.places_taken(lease(network="y"), others)

    assert [[other.id for other in place] for place in places] == [["x1", "x2"], ["z1"]]


@pytest.mark.parametrize(
    ("others", "is_full"),
    [(1, False), (2, True), (3, True)],
)
def test_a_rule_is_full_when_as_many_places_are_taken_as_it_allows(
    others: int, is_full: bool
) -> None:
    leases = [of_type("tv", f"s{number}") for number in range(others)]
    assert BIG.is_full(of_type("tv"), leases) is is_full


# --- a plan ---------------------------------------------------------------------


def test_the_limit_of_a_plan_is_its_last_rule_and_has_no_name() -> None:
    *others, limit = FAMILY.default.limit_and_rules

    assert others == [BIG, TITLE, NETWORKS]
    assert (limit.name, limit.limit) == ("", 6)
    assert limit.counts(lease())


def test_a_limit_of_zero_is_the_only_rule() -> None:
    (limit,) = replace(FAMILY.default, limit=0).limit_and_rules
    assert limit.limit == 0


@pytest.mark.parametrize(
    (
        "lease_ms",
        "relaxed_ms",
        "paused_ms",
        "playing_ms",
        "longest_ms",
    ),
    [
        (60, None, None, 60, 60),
        (60, 300, None, 300, 300),
        (60, None, 600, 60, 600),
        (60, 300, 600, 300, 600),
        (60, 300, 90, 300, 300),
    ],
)
def test_the_longest_lease_of_a_plan_is_relaxed_or_paused(
    lease_ms: int,
    relaxed_ms: int | None,
    paused_ms: int | None,
    playing_ms: int,
    longest_ms: int,
) -> None:
    plan = Plan(
        limit=1,
        lease_ms=lease_ms,
        relaxed_lease_ms=relaxed_ms,
        paused_ms=paused_ms,
    )
    assert (
        plan.longest_playing_ms,
        plan.longest_lease_ms,
    ) == (
        playing_ms,
        longest_ms,
    )


def test_a_plan_denies_and_is_called_default_unless_it_says_otherwise() -> None:
    plan = Plan(limit=1, lease_ms=5)
    assert (plan.when_full, plan.name, plan.rules) == (
        WhenFull.DENY,
        "default",
        (),
    )


def test_a_condition_compares_four_values_and_the_attributes_of_the_rules() -> None:
    assert PLANS.default.comparisons == 4
    assert FAMILY.default.comparisons == 4 + 3


def test_the_rules_that_count_a_stream_include_no_others() -> None:
    phone = of_type("phone", network="home")
    assert FAMILY.default.rules_that_count(phone) == [
        TITLE,
        NETWORKS,
    ]


def test_the_first_full_rule_refuses() -> None:
    plan = replace(
        FAMILY.default,
        rules=(replace(BIG, limit=1), TITLE),
    )
    same_film = [of_type("tv", "b", stream_id="film")]
    refusing = plan.refusing_rule(of_type("tv", stream_id="film"), same_film)

    assert refusing
    assert refusing.name == "two-big-screens"
    assert plan.refusing_rule(of_type("phone", stream_id="film"), same_film) == TITLE
    assert plan.refusing_rule(of_type("phone", stream_id="news"), same_film) is None


# --- the start rate -------------------------------------------------------------


def test_a_start_rate_allows_the_burst_before_the_arrival_time() -> None:
    rate = StartRate(burst=3, interval_ms=100)

    assert rate.earliest_start(1000) == 800
    assert rate.arrival_after_start(1000, now=900) == 1100
    assert rate.arrival_after_start(1000, now=1500) == 1600
    assert rate.latest_arrival(1000) == 1000 + 300 + MAX_LATENESS_MS


def test_a_start_rate_is_off_by_default() -> None:
    assert StartRate() == StartRate(burst=1, interval_ms=0)
    assert Plans(default=PLANS.default).start_rate == StartRate()


# --- the catalogue --------------------------------------------------------------

KNOWN = plans_of(named={"family": FAMILY})


def test_the_catalogue_begins_with_the_default_plan() -> None:
    assert KNOWN.all == (
        KNOWN.default,
        KNOWN.named["family"],
    )


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        (None, "default"),
        ("", "default"),
        ("family", "family"),
        ("gone", "default"),
    ],
)
def test_a_name_that_no_plan_has_selects_the_default_plan(
    name: str | None, plan: str
) -> None:
    assert KNOWN.find(name).name == plan


@pytest.mark.parametrize(
    ("name", "exists"),
    [
        (None, True),
        ("default", True),
        ("family", True),
        ("gone", False),
    ],
)
def test_a_plan_exists_by_its_name(name: str | None, exists: bool) -> None:
    assert KNOWN.has(name) is exists


def test_the_longest_lease_is_that_of_any_plan() -> None:
    plans = plans_of(
        named={
            "relaxed": plans_of(relaxed_lease_ms=3 * LEASE_MS),
            "paused": plans_of(paused_ms=9 * LEASE_MS),
        }
    )

    assert plans.longest_playing_ms == 3 * LEASE_MS
    assert plans.longest_lease_ms == 9 * LEASE_MS


@pytest.mark.parametrize(
    ("changes", "needs_pace"),
    [
        ({}, False),
        ({"relaxed_lease_ms": 5}, True),
        ({"lease_ms": 5}, True),
    ],
    ids=[
        "an equal lease",
        "a relaxed lease",
        "another lease",
    ],
)
def test_heartbeats_need_a_pace_if_the_leases_of_the_plans_differ(
    changes: dict[str, Any], needs_pace: bool
) -> None:
    assert plans_of(named={"family": plans_of(**changes)}).needs_pace is needs_pace


# --- the plans of a blind start -------------------------------------------------


def candidates(
    plans: Plans,
    *,
    replaced: int = 0,
    plan: str | None = None,
) -> list[str]:
    granted = Entitlement(plan=plan)
    return [found.name for found in plans.candidates(granted, replaced=replaced)]


def test_a_blind_start_covers_the_plans_with_the_lease_of_the_default_plan() -> None:
    named = {
        "same": plans_of(name="same"),
        "longer": plans_of(name="longer", lease_ms=2 * LEASE_MS),
        "last": plans_of(name="last"),
    }
    assert candidates(plans_of(named=named)) == [
        "default",
        "same",
        "last",
    ]


def test_a_blind_start_covers_only_the_plan_that_the_token_grants() -> None:
    assert candidates(KNOWN, plan="family") == ["family"]
    assert candidates(KNOWN, plan="gone") == ["default"]
    assert KNOWN.candidates(NOTHING_GRANTED, replaced=0) == list(KNOWN.all)


@pytest.mark.parametrize(
    ("replaced", "covered"),
    [
        (
            MAX_BLIND_COMPARISONS - 4,
            ["default", "a", "b"],
        ),
        (MAX_BLIND_COMPARISONS - 3, ["default", "a"]),
        (MAX_BLIND_COMPARISONS, ["default", "a"]),
        (MAX_BLIND_COMPARISONS + 1, ["default"]),
    ],
)
def test_a_plan_is_covered_while_the_comparisons_before_it_fit(
    replaced: int, covered: list[str]
) -> None:
    """The comparisons of a plan count only for the plans after it."""
    named = {name: plans_of(name=name) for name in "ab"}

    assert named["a"].default.comparisons == 4
    assert candidates(plans_of(named=named), replaced=replaced) == covered


def test_the_constants_keep_a_condition_under_four_kilobytes() -> None:
    assert MAX_BLIND_COMPARISONS == 60
    assert MAX_LATENESS_MS == 12_000
    assert UNLIMITED == 1_000_000
    assert NOW > UNLIMITED

"""Changes out of order while two versions serve the same players."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.releases.order import (
    CANARY,
    Facts,
    commit_of,
    longest_lease,
    out_of_order,
    plans_of,
    published_at,
)
from streams.rules import Plan, Plans, Rule
from tests.servers import PROJECT

OLD, NEW = "the-old-key", "the-new-key"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DEFAULT = Plan(limit=3, lease_ms=60_000)
FAMILY = Plan(name="family", limit=4, lease_ms=60_000, paused_ms=600_000)
HOUSEHOLD = Plan(
    name="household",
    limit=4,
    lease_ms=60_000,
    rules=(Rule(name="one", distinct="network", limit=1),),
)


def version(
    keys: str = OLD, *plans: Plan, age: timedelta = timedelta(days=9), **more: str
) -> Facts:
    """Return a version with these keys and plans, published some time ago."""
    return Facts(
        variables={"LEASE_TOKEN_KEYS": keys, **more},
        plans=Plans(default=DEFAULT, named={plan.name: plan for plan in plans}),
        published_at=NOW - age,
    )


def confirmations(live: Facts, new: Facts, *earlier: Facts) -> list[str]:
    """Return the confirmations that a change needs."""
    changes = out_of_order(live, new, earlier, now=NOW)
    return [change.confirmation for change in changes]


# --- keys ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_seconds", "expected"),
    [(659, ["early-key-removal"]), (660, [])],
    ids=["a second early", "a lease and a canary later"],
)
def test_a_key_is_removed_a_lease_and_a_canary_after_it_signed(
    age_seconds: int, expected: list[str]
) -> None:
    """A lease of a minute, and a canary of ten."""
    live = version(f"{NEW},{OLD}", age=timedelta(seconds=age_seconds))
    before = version(f"{OLD},{NEW}")

    assert confirmations(live, version(NEW), before) == expected


@pytest.mark.parametrize(
    ("age_seconds", "expected"),
    [(1199, ["early-key-removal"]), (1200, [])],
    ids=["a second early", "a pause and a canary later"],
)
def test_the_longest_pause_of_any_plan_counts(
    age_seconds: int, expected: list[str]
) -> None:
    live = version(f"{NEW},{OLD}", FAMILY, age=timedelta(seconds=age_seconds))
    before = version(f"{OLD},{NEW}", FAMILY)

    assert confirmations(live, version(NEW, FAMILY), before) == expected


def test_the_key_signed_until_the_first_version_with_another_one() -> None:
    live = version(f"{NEW},{OLD}", age=timedelta(seconds=1))
    rotated = version(f"{NEW},{OLD}", age=timedelta(hours=1))
    before = version(f"{OLD},{NEW}")

    assert confirmations(live, version(NEW), rotated, before) == []


@pytest.mark.parametrize(
    ("live", "new", "earlier"),
    [
        pytest.param(OLD, f"{OLD},{NEW}", [OLD], id="a key is added"),
        pytest.param(f"{OLD},{NEW}", f"{NEW},{OLD}", [OLD], id="the new key signs"),
        pytest.param(f"{OLD},{NEW}", OLD, [OLD], id="a key that never signed"),
        pytest.param(f"{NEW},{OLD}", NEW, [], id="no version of before is kept"),
        pytest.param(OLD, NEW, [OLD], id="rotation reports the key that signs"),
    ],
)
def test_other_steps_of_a_rotation_need_no_wait(
    live: str, new: str, earlier: list[str]
) -> None:
    versions = [version(keys) for keys in earlier]
    now_live = version(live, age=timedelta(0))

    assert confirmations(now_live, version(new), *versions) == []


def test_a_version_without_a_time_counts_as_published_now() -> None:
    live = Facts(variables={"LEASE_TOKEN_KEYS": f"{NEW},{OLD}"})
    assert confirmations(live, version(NEW), version(OLD)) == ["early-key-removal"]


def test_the_sentence_says_when_the_key_may_go() -> None:
    live = version(f"{NEW},{OLD}", FAMILY, age=timedelta(0))
    new = version(NEW, FAMILY)
    [change] = out_of_order(live, new, [version(OLD)], now=NOW)

    assert "a lease lasts 600 s with pauses" in change.sentence
    assert "after 2026-11-30 12:20:00 UTC" in change.sentence
    assert OLD not in change.sentence


# --- plans, issuers and hashes --------------------------------------------------------


def test_a_plan_is_removed_or_rolled_back_with_a_confirmation() -> None:
    with_family, without = version(OLD, FAMILY), version(OLD)

    assert confirmations(with_family, without) == ["plans"]
    assert confirmations(without, with_family) == []


def test_plans_of_an_unknown_commit_are_not_compared() -> None:
    unknown = Facts(variables={"LEASE_TOKEN_KEYS": OLD})
    assert confirmations(version(OLD, FAMILY), unknown) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a", "a,b", []),
        ("a,b", "b", []),
        ("a", "b", ["auth-issuer"]),
        ("", "b", []),
    ],
    ids=["added", "removed", "replaced", "first"],
)
def test_an_issuer_is_added_before_another_is_removed(
    before: str, after: str, expected: list[str]
) -> None:
    live, new = version(AUTH_ISSUER=before), version(AUTH_ISSUER=after)
    assert confirmations(live, new) == expected


def test_validators_know_an_issuer_of_edge_tokens_before_it_is_used() -> None:
    live, new = version(EDGE_TOKEN_ISSUER="https://a"), version(EDGE_TOKEN_ISSUER="b")

    assert confirmations(live, new) == ["edge-token-issuer"]
    assert confirmations(live, live) == []


NETWORKS: dict[str, Any] = {
    "a rule about networks": ({}, [HOUSEHOLD], True),
    "edge tokens": ({"EDGE_TOKEN_KEYS": "k"}, [], True),
    "edge tokens with plain users": (
        {"EDGE_TOKEN_KEYS": "k", "EDGE_TOKEN_SUBJECT": "plain"},
        [],
        False,
    ),
    "no hashes": ({}, [FAMILY], False),
    "a key of hashes": ({"HASH_KEY": OLD}, [HOUSEHOLD], False),
}


@pytest.mark.parametrize(
    ("variables", "plans", "is_refused"), NETWORKS.values(), ids=NETWORKS
)
def test_the_key_of_hashes_stays_when_another_key_signs(
    variables: dict[str, Any], plans: list[Plan], is_refused: bool
) -> None:
    live = version(f"{OLD},{NEW}", *plans, **variables)
    new = version(f"{NEW},{OLD}", *plans, **variables)

    assert confirmations(live, new) == (["hash-key"] if is_refused else [])


def test_a_key_of_hashes_that_equals_the_first_key_changes_nothing() -> None:
    live = version(f"{OLD},{NEW}", HOUSEHOLD)
    new = version(f"{NEW},{OLD}", HOUSEHOLD, HASH_KEY=OLD)

    assert confirmations(live, new) == []


# --- the facts ------------------------------------------------------------------------


def test_the_longest_lease_is_that_of_any_version() -> None:
    versions = [version(OLD), version(OLD, FAMILY), Facts(variables={})]
    assert longest_lease(versions) == timedelta(minutes=10)
    assert timedelta(minutes=10) == CANARY


def test_plans_are_read_from_the_files_or_from_a_commit() -> None:
    family = {"PLANS": "docs/plans/family.toml", "LEASE_SECONDS": "30"}
    here, there = plans_of(family), plans_of(family, "HEAD")

    assert here is not None
    assert "family" in here.named
    assert here == there
    assert (PROJECT / family["PLANS"]).is_file()


def test_plans_that_cannot_be_read_are_unknown() -> None:
    assert plans_of({"PLANS": "docs/plans/family.toml"}, "0000000") is None
    assert plans_of({"PLANS": "docs/plans/none.toml"}) is None


def test_without_a_file_the_default_plan_has_the_lease_of_the_setting() -> None:
    plans = plans_of({"LEASE_SECONDS": "30"})
    assert plans is not None
    assert plans.longest_lease_ms == 30_000


@pytest.mark.parametrize(
    ("description", "commit"),
    [("2.0.0 4147a54 2026-11-30T12:00:00Z", "4147a54"), ("", None), ("2.0.0", None)],
)
def test_the_description_of_a_version_names_its_commit(
    description: str, commit: str | None
) -> None:
    assert commit_of(description) == commit


def test_the_time_of_a_version_is_that_of_aws() -> None:
    configuration = {"LastModified": "2026-11-30T12:00:00.000+0000"}
    assert published_at(configuration) == NOW
    assert published_at({}) is None

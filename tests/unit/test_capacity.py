"""The planner: rates, units, quotas and money, against sums that are done another way."""

import dataclasses
import json
import random
import tomllib
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capacity import costs
from capacity.costs import Choice
from capacity.demand import Demand, ItemSizes
from capacity.estimate import CapacityEstimate
from capacity.items import typical_item_sizes
from capacity.players import FREE_SLOTS_TO_RELAX, Players
from capacity.prices import FILE, prices_of
from capacity.quotas import quotas
from capacity.sizing import capacity_for
from docs import scaling
from streams.rules.plans import FREE_TO_RELAX

ITEMS = ItemSizes(bytes_of=lambda streams: 300 + 200 * streams, forgetting_share=0.25)
IRELAND = prices_of("eu-west-1")


def demand(**people: Any) -> Demand:
    return Demand(
        Players(concurrent=people.pop("concurrent", 1_000_000), **people), ITEMS
    )


def rates(of: Demand) -> dict[str, float]:
    return {verb.name: verb.per_second for verb in of.request_kinds}


def planned(*words: str) -> Any:
    out = StringIO()
    call_command("plan_capacity", *words, stdout=out)
    return out.getvalue()


def test_what_is_provisioned_is_what_the_stage_file_would_set() -> None:
    assert demand(concurrent=20_000).to_provision == capacity_for(20_000)
    assert demand(concurrent=20_000, lease_seconds=120).to_provision == capacity_for(
        20_000, lease_seconds=120
    )
    relaxed = demand(concurrent=20_000, relaxed_seconds=300).to_provision
    assert relaxed.rate < capacity_for(20_000).rate


def test_heartbeats_are_those_that_a_clock_set_back_by_each_start_would_send() -> None:
    """By brute force: one player's clock, over many hours."""
    people = Players(concurrent=1, starts_per_hour=30, zap_per_hour=60)
    drawn, now, beats, hours = random.Random(1), 0.0, 0, 3_000
    reset = drawn.expovariate(90 / 3600)
    while now < hours * 3600:
        due = now + 20 * drawn.uniform(0.9, 1)
        if reset < due:
            now, reset = reset, reset + drawn.expovariate(90 / 3600)
        else:
            now, beats = due, beats + 1
    assert people.heartbeats() * hours * 3600 == pytest.approx(beats, rel=0.01)


@pytest.mark.parametrize("streams_per_user", [1, 1.3, 2, 2.9, 3])
def test_streams_are_shared_out_so_that_the_average_is_the_one_that_is_named(
    streams_per_user: float,
) -> None:
    shares = Players(concurrent=1, streams_per_user=streams_per_user).by_held
    assert sum(shares.values()) == pytest.approx(1)
    users = sum(share / held for held, share in shares.items())
    assert 1 / users == pytest.approx(streams_per_user, abs=1e-3)


def test_relaxed_leases_are_for_streams_whose_user_has_two_slots_free() -> None:
    people = Players(
        concurrent=1000,
        limit=4,
        streams_per_user=2,
        relaxed_seconds=300,
        paused_share=0.1,
    )
    people = dataclasses.replace(people, paused_seconds=600)
    assert [people.lease_of(held) for held in range(1, 5)] == [300, 300, 60, 60]
    assert FREE_SLOTS_TO_RELAX == FREE_TO_RELAX
    assert sum(people.playing_by_lease.values()) == pytest.approx(900)
    assert people.paused_heartbeats() == pytest.approx(100 / (600 / 3 * 0.95))


def test_calls_of_each_verb_are_the_designs() -> None:
    calls = {verb.name: verb.calls for verb in demand().request_kinds}
    assert calls == {
        "start": 1,
        "first start of a user": 2,
        "start over ghosts": 2,
        "start in its own slot": 1,
        "denial": 1,
        "heartbeat": 1,
        "heartbeat while paused": 2,
        "stop": 1,
        "stop that drops old endings": 2,
        "list": 1,
    }


def test_denials_are_the_share_of_the_new_streams_that_are_asked_for() -> None:
    found = rates(demand(denial_share=0.2))
    admitted = (
        found["start"] + found["first start of a user"] + found["start over ghosts"]
    )
    assert found["denial"] / (found["denial"] + admitted) == pytest.approx(0.2)


def test_a_larger_item_takes_more_units() -> None:
    large = Demand(
        Players(concurrent=1000),
        ItemSizes(bytes_of=lambda streams: 1025, forgetting_share=0.25),
    )
    small = Demand(
        Players(concurrent=1000),
        ItemSizes(bytes_of=lambda streams: 1024, forgetting_share=0.25),
    )
    firsts = rates(small)[
        "first start of a user"
    ]  # their refused write finds no item, and takes one unit
    assert large.write_units - firsts == pytest.approx(2 * (small.write_units - firsts))


def test_an_item_of_ordinary_text_is_written_with_one_unit_however_many_streams() -> (
    None
):
    assert [
        typical_item_sizes().bytes_of(streams) <= 1024 for streams in (1, 2, 3)
    ] == [True] * 3
    assert 0.2 < typical_item_sizes().forgetting_share < 0.5


def test_a_tier_is_paid_only_for_what_is_in_it() -> None:
    assert IRELAND.tiered("http", 100e6) == pytest.approx(111)
    assert IRELAND.tiered("http", 400e6) == pytest.approx(300 * 1.11 + 100 * 1.00)
    assert IRELAND.tiered("rest", 21e9) == pytest.approx(
        333 * 3.5 + 667 * 3.19 + 19_000 * 2.71 + 1000 * 1.72
    )


def test_a_months_writes_are_the_average_of_its_seconds() -> None:
    asked = demand(average=0.5)
    writes = costs.month(asked, IRELAND, Choice())["DynamoDB: writes"]
    assert writes == pytest.approx(asked.write_units * 0.5 * 730 * 3600 * 0.705e-6)


def test_the_heartbeat_dominates_and_relaxed_leases_save_most_of_what_they_thin_out() -> (
    None
):
    asked = demand(concurrent=10_000_000)
    assert rates(asked)["heartbeat"] / asked.requests > 0.95
    found = costs.sensitivity(asked, IRELAND, Choice())
    assert next(iter(found)) == "lease_seconds"
    assert found["lease_seconds"] < -5
    before = sum(costs.month(asked, IRELAND, Choice()).values())
    saved = {
        lever.what: 1 - lever.cost / before
        for lever in costs.levers(asked, IRELAND, Choice())
    }
    assert saved["relaxed leases of 300 s"] > 0.3
    assert saved["all that keep Lambda"] > saved["function URL"] > saved["HTTP API"] > 0
    assert len(saved) == 11


def test_the_log_is_of_every_decision_and_of_one_heartbeat_in_so_many() -> None:
    asked = demand(concurrent=1000, average=1)
    beats = rates(asked)["heartbeat"]
    lines = asked.requests - beats + beats / 50
    choice = Choice(renewals_a_line=50, logs_platform=False)
    assert costs.log_gb(asked, choice) == pytest.approx(lines * 476 * 730 * 3600 / 1e9)
    assert costs.log_gb(asked, Choice()) > 10 * costs.log_gb(asked, choice), (
        "Lambda's own lines are most of it"
    )


def test_a_quota_names_what_is_needed_and_when_to_ask() -> None:
    small, large = (
        quotas(demand(concurrent=number), IRELAND.quotas)
        for number in (1_000, 10_000_000)
    )
    assert all(quota.is_enough for quota in small)
    missing = {quota.what: quota for quota in large if not quota.is_enough}
    assert (
        missing["API Gateway: requests a second"].needed
        == capacity_for(10_000_000).rate
    )
    assert "weeks before" in missing["API Gateway: requests a second"].until
    assert "WarmThroughput" in missing["DynamoDB: warm write units a second"].until


def test_every_region_has_the_same_prices_and_every_quota_and_price_a_source() -> None:
    said = tomllib.loads(FILE.read_text())
    regions = [
        said[name] for name in said if name not in ("checked", "sources", "quotas")
    ]
    assert len(regions) >= 2
    assert {frozenset(region) for region in regions} == {frozenset(regions[0])}
    for region in regions:
        for price in region.values():
            tiers = (
                price["tiers"] if isinstance(price, dict) else [[float("inf"), price]]
            )
            assert tiers == sorted(tiers)
            assert tiers[-1][0] == float("inf")
            assert [cost for _, cost in tiers] == sorted(
                (cost for _, cost in tiers), reverse=True
            )
    assert {
        "dynamodb",
        "api_gateway",
        "lambda",
        "load_balancer",
        "logs",
        "fargate",
        "traces",
    } <= set(said["sources"])
    assert all("https://" in source for source in said["sources"].values())


def test_a_person_a_program_and_a_page_are_told_the_same() -> None:
    words = ("--concurrent", "10000000")
    body = json.loads(planned(*words, "--json"))
    assert body["toProvision"]["rate"] == 833_334
    assert body["monthTogether"] == pytest.approx(sum(body["month"].values()))
    assert sum(verb["per_second"] for verb in body["verbs"]) == pytest.approx(
        body["requests"]
    )
    together = f"{body['monthTogether']:,.0f}"
    text, page = planned(*words), planned(*words, "--html")
    assert "10,000,000 streams at once at the peak" in text
    assert together in text
    assert together in page
    assert "http" not in page.replace("HTTP", ""), "no other host"
    HTMLParser().feed(page)


def test_what_is_built_otherwise_costs_otherwise() -> None:
    words = ("--concurrent", "100000", "--json")
    rest, http, fargate = (
        json.loads(planned(*words, *more))
        for more in (
            (),
            ("--front", "http", "--provisioned", "--no-traces"),
            ("--front", "alb", "--compute", "fargate"),
        )
    )
    assert "X-Ray: traces" in rest["month"]
    assert "X-Ray: traces" not in http["month"]
    assert http["monthTogether"] < rest["monthTogether"]
    assert "Lambda: duration" not in fargate["month"]
    assert (
        json.loads(planned(*words, "--region", "us-east-1"))["monthTogether"]
        < rest["monthTogether"]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--concurrent", "0"), "concurrent is 0: name 1 to 1,000,000,000"),
        (
            ("--concurrent", "1", "--denial-share", "2"),
            "denial_share is 2.0: it is a share",
        ),
        (
            ("--concurrent", "1", "--streams-per-user", "4"),
            "streams_per_user is 4.0: it is from 1 to the limit, 3",
        ),
        (
            ("--concurrent", "1", "--lease-seconds", "4"),
            "lease_seconds is 4: it is from 5 to 3600",
        ),
        (
            ("--concurrent", "1", "--region", "mars-1"),
            "no prices of mars-1, but of eu-west-1, us-east-1",
        ),
        (
            ("--concurrent", "1", "--compute", "fargate"),
            "behind a load balancer: --front alb",
        ),
        (
            ("--concurrent", "1", "--zap-per-hour", "-1"),
            "zap_per_hour is -1.0: it cannot be less than 0",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        planned(*words)


def test_the_plan_of_nobody_in_particular_is_whole_at_every_size() -> None:
    for power in range(1, 8):
        plan = CapacityEstimate(demand(concurrent=10**power), IRELAND)
        assert plan.cost > 0
        assert plan.as_text().count("\n") > 40


def test_the_page_about_scaling_has_the_planners_figures() -> None:
    assert scaling.PAGE.read_text() == scaling.page(typical_item_sizes()), (
        "Write them anew: make scaling"
    )

"""An estimate for a terminal, a program and a browser."""

import json
import sys
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capacity import estimate_formats
from capacity.estimate import CapacityEstimate
from capacity.items import typical_item_sizes
from docs import scaling
from tests.unit.capacity.builders import IRELAND, demand

LARGE = ("--concurrent", "10000000")
ONE = ("--concurrent", "1")


def output(*arguments: str) -> str:
    out = StringIO()
    call_command("plan_capacity", *arguments, stdout=out)

    return out.getvalue()


def as_json(*arguments: str) -> Any:
    return json.loads(output(*arguments, "--json"))


def test_every_form_shows_the_same_cost() -> None:
    estimate = as_json(*LARGE)

    assert estimate["toProvision"]["rate"] == 833_334
    assert estimate["cost"] == pytest.approx(sum(estimate["costByPart"].values()))
    assert sum(kind["perSecond"] for kind in estimate["requestKinds"]) == pytest.approx(
        estimate["requests"]
    )

    total = f"{estimate['cost']:,.0f}"
    text = output(*LARGE)
    page = output(*LARGE, "--html")

    assert "10,000,000 streams at once at the peak" in text
    assert total in text
    assert total in page


def test_a_page_names_no_other_host_and_has_a_chart_of_costs_and_of_levers() -> None:
    page = output(*LARGE, "--html")

    assert "http" not in page.replace("HTTP", "")
    assert 'aria-label="Dollars a month by part"' in page
    assert 'aria-label="Dollars a month with each lever"' in page
    assert page.count("<svg") == 2
    HTMLParser().feed(page)


def test_a_page_without_matplotlib_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CommandError, match=r"pip install -r requirements-dev\.txt"):
        output(*LARGE, "--html")

    assert output(*LARGE)


def test_json_has_the_documented_shape() -> None:
    estimate = as_json(*ONE)

    assert list(estimate) == [
        "population",
        "hosting",
        "region",
        "pricesChecked",
        "sources",
        "requestKinds",
        "requests",
        "calls",
        "writeUnits",
        "readUnits",
        "itemBytes",
        "storedGb",
        "partitions",
        "instances",
        "toProvision",
        "logGb",
        "quotas",
        "costByPart",
        "cost",
        "levers",
        "sensitivity",
    ]
    documentation = (scaling.PAGE).read_text()

    assert all(f"`{name}`" in documentation for name in estimate)
    assert estimate["population"]["leaseSeconds"] == 60
    assert estimate["quotas"][0].keys() == {
        "name",
        "allowed",
        "needed",
        "until",
        "isEnough",
    }
    assert estimate["levers"][0].keys() == {"name", "cost", "disadvantage"}


def test_another_hosting_has_another_cost() -> None:
    size = ("--concurrent", "100000")
    rest = as_json(*size, "--traces")
    http = as_json(*size, "--front", "http", "--provisioned")
    fargate = as_json(*size, "--front", "alb", "--compute", "fargate")
    virginia = as_json(*size, "--region", "us-east-1")

    assert "X-Ray: traces" in rest["costByPart"]
    assert "X-Ray: traces" not in http["costByPart"]
    assert http["cost"] < rest["cost"]
    assert "Lambda: duration" not in fargate["costByPart"]
    assert virginia["cost"] < rest["cost"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--concurrent", "0"), "concurrent is 0: name 1 to 1,000,000,000"),
        ((*ONE, "--denial-share", "2"), "denial_share is 2.0: it is a share"),
        ((*ONE, "--denial-share", "1"), "denial_share is 1: every start"),
        (
            (*ONE, "--streams-per-user", "4"),
            "streams_per_user is 4.0: it is from 1 to the limit, 3",
        ),
        ((*ONE, "--lease-seconds", "4"), "lease_seconds is 4: it is from 5 to 3600"),
        ((*ONE, "--limit", "101"), "limit is 101: a user may have 1 to 100"),
        ((*ONE, "--memory-mb", "1"), "memory_mb is 1: Lambda has 128 to 10,240"),
        (
            (*ONE, "--region", "mars-1"),
            "no prices of mars-1, only of eu-west-1, us-east-1",
        ),
        ((*ONE, "--compute", "fargate"), "needs a load balancer: --front alb"),
        ((*ONE, "--zap-per-hour", "-1"), "zap_per_hour is -1.0: it is at least 0"),
        ((*ONE, "--zap-per-hour", "nan"), "zap_per_hour is nan: it is at least 0"),
        ((*ONE, "--average", "nan"), "average is nan: it is a share"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_an_invalid_argument_is_refused_with_the_valid_range(
    arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        output(*arguments)


@pytest.mark.parametrize("size", scaling.SIZES)
def test_an_estimate_is_complete_at_every_size(size: int) -> None:
    estimate = CapacityEstimate(demand(concurrent=size), IRELAND)

    assert estimate.cost > 0
    assert estimate_formats.as_text(estimate).count("\n") > 40


def test_the_page_about_scaling_has_the_figures_of_the_planner() -> None:
    assert scaling.PAGE.read_text() == scaling.page(typical_item_sizes()), (
        "Write them again: make scaling"
    )

"""What the service costs does not grow unnoticed: counts of calls and modules, the same on every machine, not times."""

import os
from collections import Counter

import pytest
from django.conf import settings

from bench import budget
from bench.scene import VERBS

BUDGET = budget.read()
pytestmark = pytest.mark.skipif(
    BUDGET["python"] != budget.PYTHON,
    reason=f"the budget is of Python {BUDGET['python']}, whose own functions it counts",
)


@pytest.fixture(scope="module")
def calls() -> dict[str, Counter[str]]:
    return budget.calls(os.environ["DYNAMODB_ENDPOINT"], settings.DYNAMODB_TABLE)


@pytest.fixture(scope="module")
def modules() -> list[str]:
    return budget.modules(os.environ["DYNAMODB_ENDPOINT"], settings.DYNAMODB_TABLE)


@pytest.mark.parametrize("verb", VERBS)
def test_a_warm_request_stays_within_its_budget_of_calls(calls: dict[str, Counter[str]], verb: str) -> None:
    made, at_most = calls[verb].total(), BUDGET["calls"][verb]
    assert made <= at_most, (
        f"A {verb} makes {made} function calls; its budget is {at_most}. `make budget OF={verb}` lists them, before "
        "and after a change. When they are worth it, `make budget` makes them the budget."
    )


def test_a_cold_start_stays_within_its_budget_of_modules(modules: list[str]) -> None:
    assert len(modules) <= BUDGET["modules"], (
        f"A cold start imports {len(modules)} modules; its budget is {BUDGET['modules']}. `make budget OF=modules` "
        "lists them, before and after a change. When they are worth it, `make budget` makes them the budget."
    )


@pytest.mark.parametrize("name", BUDGET["never"])
def test_a_cold_start_does_without(modules: list[str], name: str) -> None:
    assert not budget.is_loaded(name, modules), (
        f"A cold start imports {name}. `python -X importtime` says through what."
    )

"""The statements: conditional writes that are prepared once."""

import re
from typing import Any

import pytest

from streams.storage import statements
from streams.storage.statements import (
    PlanClause,
    Statement,
)

PATHS = (("y",), ("x", "genre"))
CLAUSES = (
    PlanClause(
        index=0,
        name="default",
        limit=3,
        lowest_rule_limit=2,
        paths=PATHS,
    ),
    PlanClause(
        index=1,
        name="family",
        limit=5,
        lowest_rule_limit=10**6,
        paths=(),
    ),
)
STATEMENTS: dict[str, Statement] = {
    "start": statements.start(
        replaced=2,
        is_entitled=False,
        is_charged=True,
        plans=CLAUSES,
    ),
    "start of an entitled user": statements.start(
        replaced=0,
        is_entitled=True,
        is_charged=False,
        plans=CLAUSES[:1],
    ),
    "first write": statements.replace(is_new=True, override=()),
    "write of a whole account": statements.replace(is_new=False, override=("limit",)),
    "renew": statements.renew(is_paced=True),
    "stop": statements.stop(is_held=True),
    "stop that drops endings": statements.stop(is_held=False, dropped=2),
}


def text_of(statement: Statement) -> str:
    return " ".join(statement.expressions.values())


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_name_is_a_placeholder_and_is_used(
    name: str,
) -> None:
    statement = STATEMENTS[name]
    used = set(re.findall(r"#\w+", text_of(statement)))

    assert used == set(statement.names)


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_has_a_condition(
    name: str,
) -> None:
    assert "ConditionExpression" in STATEMENTS[name].expressions


def test_an_id_and_a_value_never_become_part_of_the_text() -> None:
    statement = STATEMENTS["stop"]
    arguments = statement.arguments(
        "ana",
        ids={"id": "size(#0)"},
        values={"now": {"N": "5"}},
        returning="ALL_OLD",
    )

    assert arguments["UpdateExpression"] == statement.expressions["UpdateExpression"]
    assert "size(#0)" in arguments["ExpressionAttributeNames"].values()
    assert arguments["ExpressionAttributeValues"][":now"] == {"N": "5"}
    assert arguments["Key"] == {"user_id": {"S": "ana"}}
    assert arguments["ReturnValues"] == "ALL_OLD"


def test_a_failed_condition_returns_the_item() -> None:
    arguments: dict[str, Any] = STATEMENTS["renew"].arguments("ana", ids={}, values={})
    assert arguments["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_a_condition_of_many_plans_stays_under_four_kilobytes() -> None:
    clauses = tuple(
        PlanClause(
            index=index,
            name="n" * 32,
            limit=3,
            lowest_rule_limit=2,
            paths=PATHS,
        )
        for index in range(13)  # five comparisons each
    )
    statement = statements.start(
        replaced=0,
        is_entitled=False,
        is_charged=True,
        plans=clauses,
    )

    assert len(statement.expressions["ConditionExpression"]) < 4096


def test_the_parameters_of_each_plan_have_their_own_names() -> None:
    assert CLAUSES[0].parameter(1) == "attribute0_1"
    condition = STATEMENTS["start"].expressions["ConditionExpression"]

    assert ":attribute0_0" in condition
    assert ":attribute0_1" in condition


def test_a_write_without_overrides_removes_those_that_are_stored() -> None:
    update = STATEMENTS["first write"].expressions["UpdateExpression"]
    removed = update.partition("REMOVE")[2]
    names = STATEMENTS["first write"].names

    assert {names[name] for name in re.findall(r"#\w+", removed)} >= {
        "limit",
        "plan",
        "when_full",
        "keep_until",
        "leases",
        "epochs",
        "ended",
    }

"""The table: what each failure of a call means."""

from typing import Any

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
)
from pybreaker import CircuitBreakerError

from streams.dynamodb.calls import OutOfTime
from streams.errors import (
    ItemUnreadable,
    RequestTimedOut,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
)
from streams.rules import Account
from streams.storage.table import (
    ConditionFailed,
    Table,
)
from tests.unit.storage.builders import (
    DONE,
    ScriptedTable,
    condition_failed,
    refused,
    stored,
)

WRITE: dict[str, Any] = {"ConditionExpression": "version = :seen"}


def failure_of(answer: Any, arguments: dict[str, Any] = WRITE) -> Exception:
    table = Table(ScriptedTable(answer))

    with pytest.raises(Exception) as failure:  # noqa: PT011
        table.send("UpdateItem", arguments)
    return failure.value


def test_a_failed_condition_hands_over_the_item_that_it_met() -> None:
    account = Account(version=4)
    failure = failure_of(condition_failed(stored(account)))

    assert isinstance(failure, ConditionFailed)
    assert failure.stored.account == account
    assert not failure.stored.is_first_format


def test_a_failed_condition_without_an_item_has_no_account() -> None:
    failure = failure_of(condition_failed(None))

    assert isinstance(failure, ConditionFailed)
    assert failure.stored.account is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (OutOfTime("no time"), RequestTimedOut),
        (
            EndpointConnectionError(endpoint_url="http://x"),
            StoreDown,
        ),
        (CircuitBreakerError("open"), StoreDown),
        (TimeoutError("slow"), StoreDown),
        (
            AttributeError("of botocore's parser"),
            StoreDown,
        ),
        (
            refused("InternalServerError", status=500),
            StoreDown,
        ),
        (
            refused("ThrottlingException"),
            StoreThrottled,
        ),
        (
            refused("AccessDeniedException"),
            StoreUnavailable,
        ),
        (
            refused("ValidationException", message="Incorrect operand type"),
            ItemUnreadable,
        ),
    ],
    ids=repr,
)
def test_each_failure_is_one_error_with_its_cause(
    answer: Exception, error: type[Exception]
) -> None:
    failure = failure_of(answer)

    assert type(failure) is error
    assert failure.__cause__ is answer


def test_an_invalid_call_without_a_condition_is_not_the_fault_of_an_item() -> None:
    failure = failure_of(refused("ValidationException"), {})
    assert type(failure) is StoreUnavailable


@pytest.mark.parametrize(
    ("answer", "returning"),
    [
        ({}, "NONE"),
        ({"ResponseMetadata": {}}, "NONE"),
        ({"ConsumedCapacity": {}}, "ALL_NEW"),
        (
            {
                "ConsumedCapacity": {},
                "Attributes": [],
            },
            "ALL_NEW",
        ),
    ],
)
def test_an_answer_without_the_data_is_a_failure(
    answer: dict[str, Any], returning: str
) -> None:
    failure = failure_of(answer, {"ReturnValues": returning})

    assert type(failure) is StoreUnavailable
    assert "data is missing" in str(failure)


def test_a_complete_answer_is_returned() -> None:
    table = Table(ScriptedTable(DONE))
    assert table.send("UpdateItem", {"ReturnValues": "ALL_NEW"}) == DONE


def test_a_read_is_consistent_and_a_missing_item_has_no_account() -> None:
    call = ScriptedTable({"ConsumedCapacity": {}})

    assert Table(call).read("ana").account is None
    ((operation, arguments),) = call.calls
    assert operation == "GetItem"
    assert arguments["ConsistentRead"] is True
    assert arguments["Key"] == {"user_id": {"S": "ana"}}

"""One deadline for a whole request."""

import threading
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from streams.dynamodb import deadline
from streams.errors import RequestTimedOut, StoreContended, StoreUnavailable
from streams.models import UserStreams
from streams.storage.store import StreamStore
from streams.wsgi import within_deadline
from tests.builders import NOW, asking, plans_of
from tests.wire import Wire, dripping, hanging, refused

type Table = type[UserStreams]


def test_outside_a_request_the_whole_time_is_left(
    settings: Any,
) -> None:
    assert deadline.seconds_left() == 8
    with deadline.of_request(seconds=0.0):
        assert deadline.is_over()

    assert deadline.seconds_left() == 8


def test_a_request_has_eight_seconds_or_half_a_second_less_than_lambda_leaves() -> None:
    left: list[float] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        left.append(deadline.seconds_left())
        return []

    def lambdas(milliseconds: int) -> dict[str, Any]:
        return {
            "lambda.context": SimpleNamespace(
                get_remaining_time_in_millis=lambda: milliseconds
            )
        }

    for environ in ({}, lambdas(9900), lambdas(3000), lambdas(100)):
        within_deadline(application)(environ, lambda *_: None)

    assert left == pytest.approx([8, 8, 2.5, -0.4], abs=0.1)


def test_requests_of_other_threads_have_their_own_deadlines() -> None:
    left: list[float] = []
    with deadline.of_request(seconds=0.0):
        thread = threading.Thread(target=lambda: left.append(deadline.seconds_left()))
        thread.start()
        thread.join()

    assert left == [8]


def test_a_call_without_an_end_is_cut_off() -> None:
    is_over = threading.Event()

    with pytest.raises(TimeoutError, match=r"no answer within 0\.0 s"):
        deadline.run_within(is_over.wait, seconds=0.01)
    is_over.set()


@pytest.mark.parametrize(
    "error",
    [TimeoutError("its own"), ValueError("no"), SystemExit(3)],
    ids=repr,
)
def test_a_call_that_ends_in_time_raises_its_own_error(
    error: BaseException,
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        deadline.run_within(fail, seconds=5)
    assert raised.value is error


@pytest.mark.parametrize("behaviour", [hanging, dripping], ids=["hangs", "drips"])
def test_no_call_waits_longer_than_the_time_that_is_left(
    wire: Wire, model: Table, behaviour: Callable[[Any], None]
) -> None:
    model.call(
        "GetItem", {"TableName": "T", "Key": {"user_id": {"S": "ana"}}}
    )  # the client is made
    wire.always = behaviour
    store = StreamStore(plans=plans_of(limit=3, lease_ms=60_000), call=model.call)
    began = time.monotonic()
    with (
        deadline.of_request(seconds=0.3),
        pytest.raises(RequestTimedOut, match="UpdateItem"),
    ):
        store.start("ana", asking("a"), now=NOW)

    assert time.monotonic() - began < 0.8


def test_a_throttled_call_is_retried_until_the_deadline(
    wire: Wire, model: Table
) -> None:
    wire.always = refused("ProvisionedThroughputExceededException")
    began = time.monotonic()
    with (
        deadline.of_request(seconds=0.5),
        pytest.raises(StoreUnavailable),
    ):
        model_store(model).start("ana", asking("a"), now=NOW)

    assert time.monotonic() - began < 1.2


def model_store(model: Table) -> StreamStore:
    return StreamStore(plans=plans_of(limit=3, lease_ms=60_000), call=model.call)


def test_repeated_failed_conditions_end_at_the_deadline() -> None:
    rivals: list[int] = []

    def rival_first(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        rivals.append(len(rivals) + 1)
        empty: Any = {"M": {}}
        item = {
            "version": {"N": str(rivals[-1])},
            "l": empty,
            "p": empty,
            "d": empty,
            "limit": {"N": "9"},
        }
        response: Any = {
            "Error": {"Code": "ConditionalCheckFailedException"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "Item": item,
        }
        raise ClientError(response, operation)

    store = StreamStore(
        plans=plans_of(limit=3, lease_ms=60_000),
        call=rival_first,
        random=lambda: 1.0,
    )
    began = time.monotonic()
    with (
        deadline.of_request(seconds=0.1),
        pytest.raises(StoreContended),
    ):
        store.start("ana", asking("a"), now=NOW)

    assert time.monotonic() - began < 0.5
    assert len(rivals) < 12


@pytest.mark.parametrize("behaviour", [hanging, dripping], ids=["hangs", "drips"])
def test_an_answer_comes_within_half_a_second_of_the_deadline(
    wire: Wire,
    model: Table,
    api: httpx.Client,
    behaviour: Callable[[Any], None],
    settings: Any,
    user_id: str,
) -> None:
    api.get(f"/users/{user_id}/streams")  # the client is made
    wire.always = behaviour
    settings.DEADLINE_SECONDS = 0.5
    settings.DYNAMODB_CALL_SECONDS = 0.4
    began = time.monotonic()
    response = api.post(f"/users/{user_id}/streams", json={"streamId": "film"})

    assert time.monotonic() - began < 1.0
    assert (response.status_code, response.json()["type"]) == (
        503,
        "store-unavailable",
    )
    assert 1 <= int(response.headers["Retry-After"]) <= 3

"""Calls: retries and the circuit breaker."""

import gc
import os
import threading
import time
import weakref
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from streams.dynamodb import calls, deadline
from tests.concurrency import forked, together
from tests.wire import NOTHING


def refusal(code: str, status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "UpdateItem")


THROTTLED = refusal("ThrottlingException")
FAILED = EndpointConnectionError(endpoint_url="http://dynamodb")


class Sender:
    """A transport with these outcomes in turn; the last one repeats."""

    def __init__(self, *outcomes: Exception | dict[str, Any]) -> None:
        self.outcomes, self.sent = list(outcomes), 0

    def __call__(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.sent += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses instead of waiting."""
    pauses: list[float] = []
    monkeypatch.setattr("streams.dynamodb.calls.time.sleep", pauses.append)
    return pauses


def outcome(send: calls.Send) -> dict[str, Any] | str:
    try:
        return calls.make(send, "UpdateItem", {})
    except Exception as exc:
        return type(exc).__name__


@pytest.mark.parametrize(
    "passing",
    [
        FAILED,
        THROTTLED,
        refusal("InternalServerError", 500),
        AttributeError("of botocore's parser"),
    ],
    ids=repr,
)
def test_temporary_failures_are_retried(passing: Exception) -> None:
    assert outcome(Sender(passing, passing, NOTHING)) == NOTHING


@pytest.mark.parametrize(
    "code",
    [
        "ValidationException",
        "AccessDeniedException",
        "ConditionalCheckFailedException",
    ],
)
def test_permanent_errors_are_not_retried(code: str) -> None:
    send = Sender(refusal(code))

    assert outcome(send) == "ClientError"
    assert send.sent == 1


def test_an_error_response_is_freed_without_the_garbage_collector() -> None:
    def send(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            raise refusal("ConditionalCheckFailedException")
        except ClientError as exc:  # as PynamoDB does
            raise refusal("ConditionalCheckFailedException") from exc

    gc.disable()
    try:
        try:
            calls.make(send, "UpdateItem", {})
        except ClientError as exc:
            freed: list[weakref.ref[BaseException]] = [
                weakref.ref(exc),
                weakref.ref(exc.__cause__ or exc),
            ]
        assert [reference() for reference in freed] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("error", "tries"),
    [(FAILED, 3), (THROTTLED, 6)],
    ids=["failed", "throttled"],
)
def test_attempts_are_bounded(error: Exception, tries: int) -> None:
    send = Sender(error)

    assert outcome(send) == type(error).__name__
    assert send.sent == tries


def test_pauses_grow_and_are_jittered(
    monkeypatch: pytest.MonkeyPatch, no_pauses: list[float]
) -> None:
    monkeypatch.setattr(calls, "_random", lambda: 1.0)
    outcome(Sender(THROTTLED))

    assert no_pauses == [0.05, 0.1, 0.2, 0.4, 0.8]
    monkeypatch.undo()
    assert len({calls._random() for _ in range(10)}) == 10


def test_a_throttled_call_that_the_deadline_cut_short_is_reported_as_throttled() -> (
    None
):
    send = Sender(THROTTLED, FAILED)

    def slow(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if send.sent:
            threading.Event().wait(deadline.seconds_left() + 0.001)
        return send(operation, arguments)

    with deadline.of_request(seconds=0.2):
        assert outcome(slow) == "ClientError"


def test_no_attempt_begins_after_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "_random", lambda: 1.0)
    send = Sender(FAILED)
    with deadline.of_request(seconds=0.0):
        assert outcome(send) == "OutOfTime"

    assert send.sent == 0
    with deadline.of_request(seconds=0.001):
        assert outcome(send) in ("EndpointConnectionError", "OutOfTime")

    assert send.sent <= 1


def fail_in_a_row(count: int) -> None:
    for _ in range(count):
        assert outcome(Sender(FAILED)) == "EndpointConnectionError"


def test_the_circuit_opens_after_five_failures_in_a_row_and_fails_fast() -> None:
    fail_in_a_row(5)
    send = Sender(NOTHING)
    began = time.perf_counter()

    assert [outcome(send) for _ in range(100)] == ["CircuitBreakerError"] * 100
    assert (time.perf_counter() - began) / 100 < 0.005
    assert send.sent == 0


def test_the_next_answer_resets_the_count_of_failures() -> None:
    for _ in range(3):
        fail_in_a_row(4)
        assert outcome(Sender(NOTHING)) == NOTHING


@pytest.mark.parametrize(
    "error",
    [
        THROTTLED,
        *map(
            refusal,
            [
                "ValidationException",
                "AccessDeniedException",
                "ConditionalCheckFailedException",
            ],
        ),
    ],
    ids=repr,
)
def test_an_error_response_does_not_open_the_circuit(
    error: ClientError,
) -> None:
    for _ in range(20):
        assert outcome(Sender(error)) == "ClientError"


@pytest.fixture
def after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the circuit so that the next call probes at once."""
    monkeypatch.setattr(calls, "OPEN_SECONDS", 0.0)
    calls.reset_circuit()
    fail_in_a_row(5)


@pytest.mark.usefixtures("after_a_while")
@pytest.mark.parametrize(
    "found",
    [NOTHING, refusal("ConditionalCheckFailedException"), THROTTLED],
    ids=repr,
)
def test_a_single_call_probes_whether_the_store_answers_again(
    found: Any,
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def slowly(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        answered.wait(10)
        return Sender(found)(operation, arguments)

    probe = threading.Thread(target=outcome, args=(slowly,))
    probe.start()
    asked.wait(10)
    others = Sender(NOTHING)

    assert together(8, lambda number: outcome(others)) == ["CircuitBreakerError"] * 8
    answered.set()
    probe.join()
    assert others.sent == 0
    assert together(8, lambda number: outcome(others)) == [NOTHING] * 8


@pytest.mark.usefixtures("after_a_while")
def test_a_probe_that_fails_opens_the_circuit_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = Sender(FAILED)

    assert outcome(send) == "EndpointConnectionError"
    assert send.sent == 1
    assert calls._circuit._breaker.current_state == "open"


def test_calls_of_many_threads_do_not_wait_for_each_other() -> None:
    gate = threading.Barrier(8)

    def meeting(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        gate.wait(10)
        return NOTHING

    assert together(8, lambda number: outcome(meeting)) == [NOTHING] * 8


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_has_a_closed_circuit_and_its_own_random_numbers() -> None:
    reading, writing = os.pipe()
    fail_in_a_row(5)
    with forked() as is_child:
        if is_child:
            assert outcome(Sender(NOTHING)) == NOTHING
            os.write(writing, repr(calls._random()).encode())

    assert os.read(reading, 100).decode() != repr(calls._random())
    os.close(reading)
    os.close(writing)

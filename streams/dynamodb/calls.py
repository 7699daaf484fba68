"""One call to DynamoDB, over either transport. It answers in time, or fails.

A failure that may be temporary is retried after a pause with full jitter, while
there is time. A circuit breaker stops calls to a store that keeps failing:

    closed ── 5 calls in a row fail ──▶ open ── after 2 s, the next call ──▶ half open
      ▲                                  ▲                                      │
      │                                  └────────── the probe fails ───────────┤
      └─────────────────────────────── the probe is answered ───────────────────┘

An error response is an answer too: a failed condition, an invalid request, a
denied one, a throttled one.

Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
"""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from random import SystemRandom
from threading import Lock
from typing import Any, TypeIs

from botocore.exceptions import ClientError
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError

from streams.conf import settings
from streams.dynamodb import deadline

type Send = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Makes one attempt at a call: an operation and its arguments, to its answer."""

MAX_TRIES = 3
MAX_TRIES_WHILE_THROTTLED = 6
BACKOFF_SECONDS = 0.025
MAX_BACKOFF_SECONDS = 1.0

MIN_CALL_SECONDS = 0.05
"""With less time left, a call was cut by the request's deadline."""

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 2.0
THROTTLING_CODES = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}

sent: ContextVar[int] = ContextVar("sent", default=0)
"""Number of calls sent, retries included, since the request set it to 0."""

unanswered: ContextVar[int] = ContextVar("unanswered", default=0)
"""Number of attempts of this request to which no answer arrived.

Each of them may have taken effect, or may still do so.
"""

_random = SystemRandom().random
"""A seeded generator would repeat itself in every resumed Lambda instance."""


class OutOfTime(Exception):
    """The request left DynamoDB no time for a call. It says nothing about DynamoDB."""


def make(send: Send, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Send a call, retry it where that can help, and return the answer.

    Raises:
        CircuitBreakerError: the circuit is open.
        OutOfTime: the request's time is over, or was too short for an answer.
        Exception: what `send` raised at the last attempt.
    """
    if deadline.is_over():
        raise OutOfTime("the request's time is over")
    if deadline.seconds_left() < settings.DYNAMODB_CALL_SECONDS:
        return _result_of(_send_in_remaining_time(send, operation, arguments))
    return _result_of(_circuit.call(_send_with_retries, send, operation, arguments))


def _result_of(answer: dict[str, Any] | ClientError) -> dict[str, Any]:
    """Return an answer, or raise it if it is an error response."""
    if isinstance(answer, dict):
        return answer
    try:
        raise answer
    finally:
        # The error's traceback refers to this function's variables.
        del answer


def _send_in_remaining_time(
    send: Send, operation: str, arguments: Mapping[str, Any]
) -> dict[str, Any] | ClientError:
    """Send a call with less time than one attempt may take.

    Its failure is not counted: the caller may have used up the time.
    """
    _circuit.raise_if_open()
    try:
        return _send_with_retries(send, operation, arguments, is_probe=False)
    except Exception as exc:
        if not is_answer(exc) and deadline.seconds_left() < MIN_CALL_SECONDS:
            raise OutOfTime(f"the request left {operation} too little time") from exc
        raise


def _send_with_retries(
    send: Send, operation: str, arguments: Mapping[str, Any], is_probe: bool
) -> dict[str, Any] | ClientError:
    """Send a call up to a bounded number of times. A probe is sent once.

    An error response that a retry cannot change is returned, like any answer, and
    without tracebacks. pybreaker's variables refer to it while it handles it, and
    tracebacks refer to these variables. Only the garbage collector would free such
    a cycle, and with it everything that the request's functions refer to.
    """
    retries = _Retries(is_probe=is_probe)
    while True:
        sent.set(sent.get() + 1)
        try:
            return send(operation, dict(arguments))
        except Exception as exc:
            if is_refusal(exc):
                return _without_tracebacks(exc)
            if not is_answer(exc):
                unanswered.set(unanswered.get() + 1)
            pause = retries.pause_after(exc)
            if pause is None:
                raise retries.cause(exc) from exc.__cause__

        time.sleep(pause)


class _Retries:
    """The attempts of one call: whether another is allowed, and after which pause."""

    def __init__(self, *, is_probe: bool) -> None:
        self._is_probe = is_probe
        self._attempts = 0
        self._throttled: Exception | None = None

    def pause_after(self, error: Exception) -> float | None:
        """Return the seconds before the next attempt, or None if there is none."""
        self._attempts += 1
        if not self._may_help(error):
            return None

        longest = min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**self._attempts)
        pause = _random() * longest
        has_time = pause < deadline.seconds_left()
        return pause if has_time else None

    def cause(self, last_error: Exception) -> Exception:
        """Return the error to report.

        Throttling is the cause even if the deadline cut the last attempt.
        """
        if self._throttled and deadline.is_over():
            return self._throttled
        return last_error

    def _may_help(self, error: Exception) -> bool:
        """Return whether another attempt is allowed and can succeed."""
        if is_throttled(error):
            self._throttled = error
            return not self._is_probe and self._attempts < MAX_TRIES_WHILE_THROTTLED
        if self._is_probe:
            return False
        return self._attempts < MAX_TRIES and not is_answer(error)


def _without_tracebacks(error: ClientError) -> ClientError:
    if error.__cause__ is not None:
        error.__cause__.with_traceback(None)
    return error.with_traceback(None)


def bounded(send: Send) -> Send:
    """Return `send` over botocore with a limit on the whole attempt.

    botocore limits the time of the connection and of each read, not their sum.
    """

    def send_in_time(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return deadline.run_within(
            partial(send, operation, arguments),
            seconds=settings.DYNAMODB_CALL_SECONDS,
        )

    return send_in_time


# --- errors ---------------------------------------------------------------------


def error_response(error: BaseException) -> Mapping[str, Any] | None:
    """Return DynamoDB's error response, or None for any other error.

    PynamoDB's error drops the `Item` and the status; its cause has them.
    """
    if not isinstance(error, ClientError):
        return None

    cause = error.__cause__
    original = cause if isinstance(cause, ClientError) else error
    response: Mapping[str, Any] = original.response
    return response


def is_throttled(error: Exception) -> bool:
    """Return whether DynamoDB refused a call because there are too many."""
    response = error_response(error)
    return response is not None and response["Error"]["Code"] in THROTTLING_CODES


def is_refusal(error: Exception) -> TypeIs[ClientError]:
    """Return whether DynamoDB answered, and would answer another attempt equally."""
    return is_answer(error) and not is_throttled(error)


def is_answer(error: BaseException) -> bool:
    """Return whether DynamoDB answered, even if with an error response."""
    response = error_response(error)
    if response is None:
        return False
    return bool(response["ResponseMetadata"]["HTTPStatusCode"] < 500)


# --- circuit breaker ------------------------------------------------------------


class _Circuit:
    """pybreaker's circuit breaker with concurrent calls and a single probe.

    Its `call` holds a lock during each call. Its `calling` admits every call
    while one probes whether the store answers again. So neither is used alone.
    """

    def __init__(self) -> None:
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=OPEN_SECONDS,
            exclude=[is_answer],
            throw_new_error_on_trip=False,
        )
        self._probing = Lock()

    def raise_if_open(self) -> None:
        """Raise `CircuitBreakerError` unless calls are allowed."""
        if self._breaker.current_state != STATE_CLOSED:
            raise CircuitBreakerError("the circuit is open")

    def call[Answer](self, make: Callable[..., Answer], *arguments: Any) -> Answer:
        """Call `make` and count its failure.

        The last argument that `make` receives says whether this call is the probe.

        Raises:
            CircuitBreakerError: the circuit is open, or another call probes it.
        """
        if self._breaker.current_state == STATE_CLOSED:
            return self._breaker.state.call(make, *arguments, False)

        if not self._probing.acquire(blocking=False):
            raise CircuitBreakerError("another call probes whether DynamoDB answers")
        try:
            with self._breaker.calling():
                return make(*arguments, True)
        finally:
            self._probing.release()


_circuit = _Circuit()


def reset_circuit() -> None:
    """Close the circuit. A forked or resumed process knows nothing of the store."""
    global _circuit
    _circuit = _Circuit()

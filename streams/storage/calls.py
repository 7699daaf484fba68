"""One call to DynamoDB, over either transport: it answers within the request's time, or fails.

What may pass is tried again after a pause with full jitter, while there is time. A store that fails call after call is
left alone for a while:

    closed ── 5 calls in a row fail ──▶ open ── after 2 s, the next call ──▶ half open
      ▲                                  ▲                                      │
      │                                  └────────── the one try fails ─────────┤
      └─────────────────────────────── the one try is answered ─────────────────┘

A refusal is an answer: a failed condition, a request that is not valid or not allowed, a throttled one.

Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
"""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from itertools import count
from random import SystemRandom
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError

from streams.storage import deadline

type Send = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Makes one try at a call: an operation and its arguments, to its answer."""

TRIES, TRIES_WHILE_THROTTLED = 3, 6
BACKOFF_SECONDS, BACKOFF_AT_MOST_SECONDS = 0.025, 1.0
FAILURES_IN_A_ROW, OPEN_SECONDS = 5, 2.0
THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}

sent: ContextVar[int] = ContextVar("sent", default=0)
"""How many calls were sent, repeats included, since the request at hand set it to 0."""
_random = (
    SystemRandom().random
)  # a seeded one would be the same in every process that resumes from one snapshot


def make(send: Send, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The answer. Raises what `send` raises for the last try, `CircuitBreakerError` when the store is being left alone,
    and `TimeoutError` when the request's time is over before the first."""
    if deadline.is_over():
        raise TimeoutError("the request's time is over")
    return _circuit.call(_tried, send, operation, arguments)


def _tried(
    send: Send, operation: str, arguments: Mapping[str, Any], is_probe: bool
) -> dict[str, Any]:
    refused: Exception | None = (
        None  # too many calls; a try that the deadline cuts short says no better
    )
    for attempt in count(1):
        sent.set(sent.get() + 1)
        try:
            return send(operation, dict(arguments))
        except Exception as exc:
            tries = (
                1 if is_probe else TRIES_WHILE_THROTTLED if is_throttled(exc) else TRIES
            )
            pause = _random() * min(
                BACKOFF_AT_MOST_SECONDS, BACKOFF_SECONDS * 2**attempt
            )
            may_pass = is_throttled(exc) or not is_answer(exc)
            refused = exc if is_throttled(exc) else refused
            if attempt >= tries or not may_pass or pause >= deadline.seconds_left():
                if refused and deadline.is_over():
                    raise refused  # noqa: B904  # it has a cause of its own
                raise
        time.sleep(pause)
    raise AssertionError("unreachable: a try returns or raises")


def cut(send: Send) -> Send:
    """`send` over botocore, whose time-outs are for the connection and for each piece of the answer, cut off after
    the time that a try may take."""
    return lambda operation, arguments: deadline.cut(
        partial(send, operation, arguments), seconds=settings.DYNAMODB_CALL_SECONDS
    )


def refusal(error: BaseException) -> Mapping[str, Any] | None:
    """What DynamoDB says in a refusal, its `Item` and status included, which PynamoDB's own error drops; None when the
    error is no refusal."""
    if not isinstance(error, ClientError):
        return None
    beneath = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    return beneath.response


def is_throttled(error: Exception) -> bool:
    """Whether DynamoDB refused because there are too many calls."""
    said = refusal(error)
    return said is not None and said["Error"]["Code"] in THROTTLED


def forget_failures() -> None:
    """Begin with a closed circuit, as a process that was forked or resumed has to: it knows nothing of the store."""
    global _circuit
    _circuit = _Circuit()


def is_answer(error: BaseException) -> bool:
    """Whether the store answered, if with a refusal."""
    said = refusal(error)
    return said is not None and said["ResponseMetadata"]["HTTPStatusCode"] < 500


class _Circuit:
    """pybreaker's circuit breaker. Its own `call` makes one call at a time, whatever the state, and its `calling` lets
    every call through that comes while one finds out whether the store answers again; so neither is used alone."""

    def __init__(self) -> None:
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_IN_A_ROW,
            reset_timeout=OPEN_SECONDS,
            exclude=[is_answer],
            throw_new_error_on_trip=False,
        )
        self._probing = Lock()

    def call[Answer](self, make: Callable[..., Answer], *arguments: Any) -> Answer:
        """What `make` returns or raises, which is counted. Its last argument says whether this call finds out if the
        store answers again. Raises `CircuitBreakerError` while the store is left alone."""
        if self._breaker.current_state == STATE_CLOSED:
            return self._breaker.state.call(make, *arguments, False)
        if not self._probing.acquire(blocking=False):
            raise CircuitBreakerError(
                "another call is finding out whether the store answers again"
            )
        try:
            with self._breaker.calling():
                return make(*arguments, True)
        finally:
            self._probing.release()


_circuit = _Circuit()

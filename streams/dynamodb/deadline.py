"""The deadline of the current request. Code that waits asks it how long it may.

    with deadline.of_request():     # the WSGI application, an operator's command
        ...
        deadline.seconds_left()     # a call, a pause before the next one

Outside a request, `seconds_left` returns the time that a whole request has.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Thread

from streams.conf import settings

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
"""End of the request's time on the monotonic clock, in seconds."""


@contextmanager
def of_request(*, seconds: float | None = None) -> Iterator[None]:
    """Set the deadline of the block to `seconds`, at most `DEADLINE_SECONDS`."""
    longest = float(settings.DEADLINE_SECONDS)
    allowed = longest if seconds is None else min(seconds, longest)

    token = _ends_at.set(time.monotonic() + allowed)
    try:
        yield
    finally:
        _ends_at.reset(token)


def seconds_left() -> float:
    """Return how long the request may still take; 0 or less once it is over."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return float(settings.DEADLINE_SECONDS)
    return ends_at - time.monotonic()


def is_over() -> bool:
    """Return whether the request has used up its time."""
    return seconds_left() <= 0


def run_within[Answer](call: Callable[[], Answer], *, seconds: float) -> Answer:
    """Run `call` in a thread and return its result.

    For code that limits the time of its steps but not of the whole. The thread
    continues after a time-out.

    Raises:
        TimeoutError: `seconds` passed, or the request's time if that ends first.
    """
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as exc:
            answer.set_exception(exc)

    seconds = min(seconds, seconds_left())
    Thread(target=run, daemon=True).start()
    try:
        return answer.result(timeout=max(0, seconds))
    except TimeoutError as exc:
        is_from_call = answer.done()
        if is_from_call:
            raise
        raise TimeoutError(f"no answer within {seconds:.1f} s") from exc

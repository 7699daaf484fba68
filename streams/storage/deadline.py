"""The time that the request at hand has left. Whatever waits asks here first.

    with deadline.of_request():     # the WSGI application, an operator's command
        ...
        deadline.seconds_left()     # a call, a pause before the next one

Outside a request, `seconds_left` is always the whole time that a request has.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Thread

from django.conf import settings

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
"""By the monotonic clock."""


@contextmanager
def of_request(*, seconds: float | None = None) -> Iterator[None]:
    """The deadline of what happens within: `DEADLINE_SECONDS` from now, or `seconds` where those are fewer."""
    given = (
        settings.DEADLINE_SECONDS
        if seconds is None
        else min(seconds, settings.DEADLINE_SECONDS)
    )
    before = _ends_at.set(time.monotonic() + given)
    try:
        yield
    finally:
        _ends_at.reset(before)


def seconds_left() -> float:
    """How long the request may still take; zero or less when its time is over."""
    ends_at = _ends_at.get()
    return (
        float(settings.DEADLINE_SECONDS)
        if ends_at is None
        else ends_at - time.monotonic()
    )


def is_over() -> bool:
    """Whether the request's time is over."""
    return seconds_left() <= 0


def cut[Answer](call: Callable[[], Answer], *, seconds: float) -> Answer:
    """What `call` returns or raises, or `TimeoutError` once so many seconds, or those that are left, have passed.

    For code that has time-outs for its steps and none for the whole. It runs in a thread of its own, which goes on to
    its own end when nobody waits for it any more."""
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
        if answer.done():  # its own
            raise
        raise TimeoutError(f"no answer within {seconds:.1f} s") from exc

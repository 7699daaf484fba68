"""Every error of ours: a refusal or failure carries facts, never sentences. `problems.py` turns each into HTTP.

Standard library only, since the pure rule raises some of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.rules.accounts import Ending, Lease


class StreamsError(Exception):
    """What this service refuses, or fails at, knowingly."""


class InvalidRequest(StreamsError):
    """Something in the request is malformed. `errors` says what, by field (`userId`, `id`, a header, a body field)."""

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = {field: [message] for field, message in errors.items()}


class StreamLimitReached(StreamsError):
    """Refused: every slot is held by another live stream. `holders` says which; `retry_at` (ms) is when one may
    free, None when no wait helps."""

    def __init__(self, *, limit: int, holders: list[Lease], retry_at: int | None) -> None:
        super().__init__(limit, holders, retry_at)
        self.limit, self.holders, self.retry_at = limit, holders, retry_at


class StreamEnded(StreamsError):
    """Refused: the stream is over. `ending` says why, when and through whom; `by` is the live stream that took its
    place, where there is one."""

    def __init__(self, ending: Ending, *, by: Lease | None = None) -> None:
        super().__init__(ending)
        self.ending, self.by = ending, by


class StreamNotFound(StreamsError):
    """Refused: the user has no such stream, or it is forgotten."""


class InvalidToken(StreamsError):
    """Refused: not a token of this stream. It is not ours, was altered, is another user's or stream's, or was replaced
    by newer ones a lease ago."""


class IssuerUnavailable(StreamsError):
    """The identity provider's keys cannot be read, so nothing is known of a bearer token. Nobody is let in."""


class StoreUnavailable(StreamsError):
    """DynamoDB could not be reached, throttled us, refused the call, or answered what is no answer of its. Nothing is
    known of a write. The message says what failed."""


class StoreDown(StoreUnavailable):
    """No answer of DynamoDB's came at all, and none came before in this request."""


class StoreThrottled(StoreUnavailable):
    """DynamoDB refused: more calls than the table takes at this moment. It works, and needs a longer pause."""


class StoreContended(StreamsError):
    """Every attempt lost its race against other writers of the same user. Nothing was written."""

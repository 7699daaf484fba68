"""The errors of this service. Each carries data; `problems` maps it to HTTP.

This module imports no other module of the service, because the rule raises some
of these errors. Leases, endings, rules and accounts are those of `streams.rules`.
"""

from typing import Any


class StreamsError(Exception):
    """An error that this service raises deliberately."""


class InvalidRequest(StreamsError):
    """A malformed request.

    `errors` maps each field (`userId`, `id`, a header, a body field) to its
    messages.
    """

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = {field: [message] for field, message in errors.items()}


class RequestIncomplete(StreamsError):
    """The request did not arrive within the time that the server waits for one."""


class LengthRequired(StreamsError):
    """The server cannot read a body of unknown length."""


class HeadersTooLarge(StreamsError):
    """The headers are larger than the server accepts."""


class StreamLimitReached(StreamsError):
    """A start was denied: other live streams hold every slot or place.

    `rule` is the rule of the plan that refused, or None for the plan's limit.
    `holders` are the leases that count.
    `retry_at` (ms) is when enough of them can have expired, or None if waiting
    cannot help.
    `before` is the account that the start found.
    """

    def __init__(
        self,
        *,
        limit: int,
        plan: str,
        rule: Any,
        holders: list[Any],
        retry_at: int | None,
        before: Any,
    ) -> None:
        super().__init__(limit, holders, retry_at)
        self.limit = limit
        self.plan = plan
        self.rule = rule
        self.rule_name: str | None = rule.name if rule else None
        self.holders = holders
        self.retry_at = retry_at
        self.before = before


class TooManyStarts(StreamsError):
    """A start was refused because the user starts streams too quickly.

    `retry_at` (ms) is when the next start is allowed.
    """

    def __init__(self, *, retry_at: int) -> None:
        super().__init__(retry_at)
        self.retry_at = retry_at


class TooManyHeartbeats(StreamsError):
    """A heartbeat was refused because the playback sends them too quickly.

    The stream is not affected. `retry_at` (ms) is when the next one is allowed.
    """

    def __init__(self, *, retry_at: int) -> None:
        super().__init__(retry_at)
        self.retry_at = retry_at


class StreamEnded(StreamsError):
    """The stream is over.

    `ending` says why, when and by which stream. `by` is the live lease of that
    stream, or None.
    """

    def __init__(self, ending: Any, *, by: Any = None) -> None:
        super().__init__(ending)
        self.ending = ending
        self.by = by


class StreamNotFound(StreamsError):
    """The stream does not exist or is no longer recorded."""


class InvalidToken(StreamsError):
    """The token is not valid for this stream.

    It was not issued by this service, was altered, belongs to another user or
    stream, or was replaced by newer tokens more than one lease ago.
    """


class IssuerUnavailable(StreamsError):
    """The identity provider's keys cannot be read. Fails closed."""


class RequestTimedOut(StreamsError):
    """The request used up its time before DynamoDB had the time for a call.

    It says nothing about DynamoDB, so it neither opens the circuit nor grants a
    grace lease.
    """


class ItemUnreadable(StreamsError):
    """The stored item of this user is not one that this service writes.

    An operator must look at it: retries cannot help.
    """


class StoreUnavailable(StreamsError):
    """DynamoDB answered with an error, or with an answer that is not usable.

    A write may or may not have taken effect. The message says what failed.
    """


class StoreDown(StoreUnavailable):
    """DynamoDB did not answer, and had not answered before in this request.

    `was_sent` is false if the call was not sent, because the circuit is open. A call
    that was sent may take effect.
    """

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class StoreThrottled(StoreUnavailable):
    """DynamoDB throttled the call. It works, and needs a longer pause."""


class StoreContended(StreamsError):
    """Every attempt met a concurrent change of the same user. No write was made."""

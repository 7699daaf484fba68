"""Every error of ours: a refusal or failure carries facts, never sentences. `problems.py` turns each into HTTP.

Standard library only, since the pure rule raises some of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.rules.accounts import Account, Ending, Lease
    from streams.rules.plans import Rule


class StreamsError(Exception):
    """What this service refuses, or fails at, knowingly."""


class InvalidRequest(StreamsError):
    """Something in the request is malformed. `errors` says what, by field (`userId`, `id`, a header, a body field)."""

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = {field: [message] for field, message in errors.items()}


class StreamLimitReached(StreamsError):
    """Refused: other live streams hold every slot, or every place under a `rule` of the plan. `holders` says which of
    them count; `retry_at` (ms) is when one may free, None when no wait helps; `before` is the account as it was."""

    def __init__(
        self,
        *,
        limit: int,
        plan: str,
        rule: Rule | None,
        holders: list[Lease],
        retry_at: int | None,
        before: Account,
    ) -> None:
        super().__init__(limit, holders, retry_at)
        self.limit, self.plan, self.rule, self.rule_name = (
            limit,
            plan,
            rule,
            rule.name if rule else None,
        )
        self.holders, self.retry_at, self.before = holders, retry_at, before


class TooManyStarts(StreamsError):
    """Refused: the user's streams start faster than the policy allows. `retry_at` (ms) is when the next may."""

    def __init__(self, *, retry_at: int) -> None:
        super().__init__(retry_at)
        self.retry_at = retry_at


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

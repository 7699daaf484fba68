"""Outcomes of calls, in a form that can be compared."""

from collections.abc import Callable
from typing import Any

from streams.errors import (
    InvalidToken,
    StreamEnded,
    StreamLimitReached,
    StreamNotFound,
    TooManyStarts,
)


def outcome(verb: Callable[[], Any]) -> Any:
    """Return the value of a call, or its refusal with the data."""
    try:
        return verb()
    except StreamLimitReached as refusal:
        return (
            "denied",
            refusal.limit,
            refusal.plan,
            refusal.rule,
            refusal.holders,
            refusal.retry_at,
        )
    except StreamEnded as refusal:
        return "ended", refusal.ending, refusal.by
    except TooManyStarts as refusal:
        return "too many", refusal.retry_at
    except StreamNotFound:
        return "not found"
    except InvalidToken:
        return "old token"

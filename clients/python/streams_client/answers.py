"""Reads answers: a stream, a final refusal, or a reason to try again."""

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
MAX_BACKOFF_DOUBLINGS = 10
MAX_WAIT_SECONDS = 3600.0
RETRIED_STATUSES = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call.

    `is_stream` means success. `is_refusal` means that a repeat would get the same
    answer. With neither, the call can be repeated after `wait_seconds`.
    """

    status: int
    body: dict[str, Any]
    is_stream: bool = False
    is_refusal: bool = False
    wait_seconds: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether the service asks to wait."""
        return self.status == 429

    @property
    def retry_after_seconds(self) -> float | None:
        """The time that `Retry-After` asks to wait, None without the header."""
        return self.wait_seconds or None

    @property
    def is_token_refused(self) -> bool:
        """Whether the service cannot read the token of a heartbeat or accept it."""
        errors = self.body.get("errors")
        return self.status == 400 and isinstance(errors, dict) and "token" in errors

    @property
    def is_denial(self) -> bool:
        """Whether the answer lists the streams that hold the slots."""
        return self.status == 409 and isinstance(self.body.get("streams"), list)


def read(response: httpx.Response) -> Answer:
    """Return the answer that a response contains."""
    status = response.status_code
    content = _json_of(response)
    body = content if isinstance(content, dict) else {}
    is_stream = status in (200, 201) and _is_stream(body)

    # An API refuses with a JSON object or an empty body. An HTML page comes from a
    # portal, a proxy or a CDN, with any status.
    is_of_api = isinstance(content, dict) or not response.content
    is_client_error = 400 <= status < 500 and status not in RETRIED_STATUSES

    if not is_stream and not isinstance(body.get("type"), str):
        detail = body.get("message") or response.reason_phrase
        body = {"type": "network-error", "status": status, "detail": detail}
    return Answer(
        status,
        body,
        is_stream=is_stream,
        is_refusal=is_client_error and is_of_api,
        wait_seconds=wait_seconds(response.headers),
    )


def no_answer(error: Exception) -> Answer:
    """Return the answer that stands for a call that failed."""
    detail = str(error) or type(error).__name__
    return Answer(0, {"type": "network-error", "detail": detail})


def _json_of(response: httpx.Response) -> Any:
    """Return the content of a JSON response, None for any other response."""
    content_type = response.headers.get("Content-Type", "").lower()
    if "json" in content_type:
        with suppress(ValueError):
            return response.json()
    return None


def _is_stream(body: Mapping[str, Any]) -> bool:
    """Return whether a body has the fields that a player needs."""
    heartbeat_seconds = body.get("heartbeatSeconds")
    return (
        isinstance(body.get("id"), str)
        and isinstance(body.get("token"), str)
        and isinstance(heartbeat_seconds, int | float)
        and heartbeat_seconds > 0
    )


def wait_seconds(headers: httpx.Headers) -> float:
    """Return the time that `Retry-After` asks to wait.

    It contains seconds or a date. A date is compared with the answer's own `Date`, so
    that a wrong local clock makes no difference.
    """
    retry_after = headers.get("Retry-After", "").strip()
    if retry_after.isdecimal():
        return min(MAX_WAIT_SECONDS, float(retry_after))

    until = _instant(retry_after)
    if until is None:
        return 0.0
    now = _instant(headers.get("Date", "")) or datetime.now(UTC)
    seconds = (until - now).total_seconds()
    return min(MAX_WAIT_SECONDS, max(0.0, seconds))


def _instant(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return None


def heartbeat_seconds(stream: Mapping[str, Any]) -> float:
    """Return the seconds until a stream's next heartbeat is due."""
    return min(MAX_WAIT_SECONDS, float(stream["heartbeatSeconds"]))


def backoff_seconds(failures: int) -> float:
    """Return a random wait below a bound that doubles with each failure."""
    bound: float = BACKOFF_SECONDS * 2 ** min(failures, MAX_BACKOFF_DOUBLINGS)
    return random.random() * min(MAX_BACKOFF_SECONDS, bound)

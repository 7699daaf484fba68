"""The state of a player: which calls to send, and how answers change it.

No function here sends a call or waits. The clients in `client` do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from .answers import Answer, backoff_seconds, heartbeat_seconds
from .errors import Denied, Refused, Stream

UNCERTAIN_SECONDS = 60.0
"""How long a start that got no answer can still take over the slot.

A gateway keeps a call for up to half of this time. The next heartbeat follows within
the rest.
"""


class Call(NamedTuple):
    """A request: its path below the user's streams, and its body."""

    path: str
    body: Mapping[str, Any]


class Event(NamedTuple):
    """A listener to call, with its arguments."""

    name: str
    arguments: tuple[Any, ...] = ()


class Beat(NamedTuple):
    """The result of a heartbeat.

    `next_seconds` is the time until the next one, or None when the stream is over.
    """

    next_seconds: float | None
    events: list[Event]


@dataclass
class Playback:
    """The stream that a player holds, and its next call."""

    stream: Stream | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    """The start that admitted `stream`."""
    failures: int = 0
    trouble: str | None = None
    """The trouble that the app knows of: "offline", "waiting" or None."""
    is_paused: bool = False
    lost_at: float = -math.inf
    """When a start was given up that may still reach the service."""

    def take_start(
        self, answer: Answer, request: Mapping[str, Any], *, now: float
    ) -> Stream | None:
        """Apply the answer to a start. Return a stream whose slot must be freed."""
        previous = self.stream
        if answer.is_stream:
            self._admit(answer.body, request)
            is_other_slot = previous and previous["id"] != answer.body["id"]
            return previous if is_other_slot else None

        if answer.is_refusal:
            self.stream = None
            return previous
        self.lost_at = now
        return None

    def heartbeat(self, stream: Stream) -> Call:
        """Return the heartbeat of a stream."""
        body = {"token": stream["token"]}
        if self.is_paused:
            body["state"] = "paused"
        return Call(f"/{quote(stream['id'], safe='')}/heartbeat", body)

    def should_start_again(self, answer: Answer, *, now: float) -> bool:
        """Return whether a start follows this answer to a heartbeat.

        An earlier start of this player has probably taken the slot, or another
        release of the service wrote the token.
        """
        is_taken_over = answer.body.get("reason") == "taken-over"
        is_own_start = is_taken_over and now - self.lost_at < UNCERTAIN_SECONDS
        return is_own_start or answer.is_token_refused

    def take_heartbeat(self, answer: Answer, *, before: Stream) -> Beat:
        """Apply the answer to a heartbeat."""
        is_credential_missing = answer.status == 401
        if answer.is_stream:
            had_trouble = self.trouble is not None
            self._admit(answer.body, self.request)
            return self._renewed(answer.body, before=before, had_trouble=had_trouble)

        if answer.is_refusal and not is_credential_missing:
            self.stream = None
            reason = answer.body.get("reason", answer.body["type"])
            return Beat(None, [Event("ended", (reason, answer.body))])

        wait = answer.wait_seconds + backoff_seconds(self.failures)
        self.failures += 1
        return Beat(wait, self._trouble_events(answer, wait=wait))

    def _trouble_events(self, answer: Answer, *, wait: float) -> list[Event]:
        """Return the event of a new kind of trouble."""
        trouble = "waiting" if answer.is_busy else "offline"
        if trouble == self.trouble:
            return []
        self.trouble = trouble
        if answer.is_busy:
            return [Event("waiting", (answer.body, wait))]
        return [Event("offline", (answer.body,))]

    def _renewed(self, stream: Stream, *, before: Stream, had_trouble: bool) -> Beat:
        events = []
        if had_trouble:
            events.append(Event("online"))
        is_grace = bool(stream.get("isGrace"))
        if is_grace != bool(before.get("isGrace")):
            events.append(Event("grace", (is_grace,)))
        return Beat(heartbeat_seconds(stream), events)

    def _admit(self, stream: Stream, request: Mapping[str, Any]) -> None:
        self.stream = stream
        self.failures = 0
        self.trouble = None
        # The replacement is done. A repeat must not end streams that started since.
        self.request = {
            name: value for name, value in request.items() if name != "replace"
        }


def refusal_of(answer: Answer) -> Refused:
    """Return the error for a start that was refused."""
    error = Denied if answer.is_denial else Refused
    return error(answer.body, retry_after_seconds=answer.retry_after_seconds)


def stop_of(stream: Stream) -> Call:
    """Return the stop of a stream."""
    path = f"/{quote(stream['id'], safe='')}/stop"
    return Call(path, {"token": stream["token"]})


def streams_url(url: str, user_id: str | None) -> str:
    """Return the address of the streams of a user, or of the bearer token's user."""
    user = "me" if user_id is None else f"users/{quote(user_id, safe='')}"
    return f"{url.rstrip('/')}/{user}/streams"

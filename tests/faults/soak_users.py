"""The users of a soak, with the tokens that their players hold."""

import os
import threading
import time
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.exchanged import Exchanged
from tests.faults.history import History

LEASE_SECONDS, LIMIT, SKEW_SECONDS = 5, 2, 2.0
LATE_SECONDS = 1.5
"""Time that the network keeps a late request."""
SILENT_SECONDS = 30
"""A player without an answer for this time has crashed."""
REMEMBERED_SECONDS = SILENT_SECONDS + 21
"""Longer than a silent player and a late call, so that each possible end is known."""
REMEMBERED_CALLS = 300
"""Number of calls after which a user forgets those that no longer matter."""
PLANS = Path(__file__).with_name("soak.toml")


def now_ms() -> float:
    return time.time() * 1000


@dataclass(frozen=True)
class Held:
    """The newest token of a playback."""

    epoch: int
    token: str
    answered: float
    """Time (ms) of the answer that contained the token."""


@dataclass
class User:
    """A user, with a player on each device."""

    user_id: str
    held: dict[str, Held] = field(default_factory=dict)
    """By device: the newest token of its playback."""
    asleep: dict[str, float] = field(default_factory=dict)
    """By device: the time (ms) until which it makes no call."""

    def __post_init__(self) -> None:
        default = {"default": {"limit": LIMIT}}
        # A busy machine needs a higher limit.
        slowest_seconds = float(os.environ.get("SLOWEST_SECONDS") or 8.5)

        self.recording = threading.Lock()
        self.history = History(
            plans=default | tomllib.loads(PLANS.read_text()),
            lease_ms=LEASE_SECONDS * 1000,
            skew_ms=int(SKEW_SECONDS * 1000) + 100,
            late_ms=int(LATE_SECONDS * 1000) + 9000,
            slowest_ms=slowest_seconds * 1000,
        )

    def sleeps(self, id: str) -> bool:
        return now_ms() < self.asleep.get(id, 0)

    def holds(self, id: str) -> Held | None:
        """Return the token of a device, or None while it sleeps or after a crash."""
        held = self.held.get(id)
        if held is None or self.sleeps(id):
            return None

        silent_since = now_ms() - 1000 * SILENT_SECONDS
        return None if held.answered < silent_since else held

    def record_call(self, call: Exchanged) -> None:
        """Add a call to the history before it is sent."""
        with self.recording:
            call.called = now_ms()
            self.history.operations.append(call)

    def record_answer(
        self, call: Exchanged, status: int, answer: dict[str, Any]
    ) -> None:
        """Record the answer, and update the tokens that the player holds."""
        call.answered = now_ms()
        call.status = status
        if "expiresAt" in answer:
            call.expires_at = _ms(answer["expiresAt"])
            call.paused_at = _ms(answer["pausedAt"])

        self._update_token(call, answer)
        if status == 409:
            call.limit = answer["limit"]
            call.plan = answer["plan"]
            rule = answer.get("rule", {})
            call.rule = rule.get("name", "")

        if "streams" in answer:
            streams = answer["streams"]
            call.names = tuple(stream["id"] for stream in streams)
        call.reason = answer.get("reason", "")
        call.by = answer.get("endedBy")

    def forget(self) -> None:
        """Drop the calls of a long history that cannot affect a later call."""
        if len(self.history.operations) > REMEMBERED_CALLS:
            self.history.forget(now_ms() - 1000 * REMEMBERED_SECONDS)

    def _update_token(self, call: Exchanged, answer: dict[str, Any]) -> None:
        held = self.held.get(call.id)
        held_epoch = held.epoch if held else 0
        is_held = call.epoch == held_epoch
        is_over = call.is_done or call.status in (404, 410)

        is_started = call.verb == "start" and call.is_done
        is_renewed = call.verb == "renew" and call.is_done
        if is_started:
            call.epoch = answer["epoch"]

        if is_started or (is_renewed and is_held):
            token = answer["token"]
            self.held[call.id] = Held(call.epoch, token, call.answered)
        elif call.epoch and is_over and is_held:
            del self.held[call.id]


def _ms(instant: str | None) -> int:
    if instant is None:
        return 0
    seconds = datetime.fromisoformat(instant).timestamp()
    return round(seconds * 1000)

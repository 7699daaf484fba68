"""A call of a user and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

type Playback = tuple[str, int]
"""The id and the epoch of a started stream."""

UNKNOWN = (0, 503)
"""Statuses of an unknown outcome: no answer, or 503."""
FOREVER = float("inf")
REPORTED = (
    "epoch",
    "expires_at",
    "paused_at",
    "names",
    "replaces",
    "limit",
    "plan",
    "rule",
    "attributes",
    "reason",
    "by",
)


@dataclass(eq=False)
class Exchanged:
    """A call and its answer.

    Times are ms of the caller's clock, except `expires_at` and `paused_at`, which
    are the server's.

    `epoch` is that of a started stream, or of the token of a renewal or stop.
    `names` are the streams in a denial or a list, or the one that an end keeps.
    `limit` and `plan` are those that an operator set, or that a denial reports;
    `rule` is the rule of a denial. `attributes` are the properties of a started
    stream that rules examine.
    """

    verb: str
    called: float
    id: str = ""
    answered: float = FOREVER
    status: int = 0
    epoch: int = 0
    expires_at: float = 0
    names: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    limit: int | None = None
    plan: str | None = None
    rule: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    evicts: bool = False
    pauses: bool = False
    paused_at: float = 0
    reason: str = ""
    by: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the answer says that the call took effect."""
        return self.status in (200, 201, 204)

    @property
    def may_be_done(self) -> bool:
        return self.is_done or self.status in UNKNOWN

    @property
    def playback(self) -> Playback:
        """The id and the epoch, which identify a playback."""
        return self.id, self.epoch

    def took_effect_before(self, call: "Exchanged") -> bool:
        """Return whether this call took effect before another one was made."""
        return self.is_done and self.answered < call.called

    def __str__(self) -> str:
        times = f"{self.called:.0f} to {self.answered:.0f}"
        reported = {}
        for name in REPORTED:
            if value := getattr(self, name):
                reported[name] = value

        status = self.status or "no answer"
        return f"{times}: {self.verb} {self.id} -> {status} {reported}"


UNSET = Exchanged("limit", -FOREVER, answered=-FOREVER, status=204)
"""The limit of a user before an operator sets one."""


def ends(past: Exchanged, playback: Playback) -> bool:
    """Return whether a call ends this playback if it is live."""
    id, _ = playback
    match past.verb:
        case "start":
            return id in (past.id, *past.replaces)
        case "stop":
            return past.playback == playback
        case "end":
            return past.id == id
        case "end all":
            return id not in past.names
    return False

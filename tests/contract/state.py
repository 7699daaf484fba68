"""One user as the public contract knows them, and the calls about that user.

Playbacks are named by the number of the start that made them. The contract compares
epochs, but the epoch of a start that was answered 503 is unknown until a list shows it.
Instants and lengths are milliseconds; an instant is that of the server that answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.contract.catalogue import Attributes, Catalogue, Plan, with_limit

type Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Granted:
    """A limit and a plan that the viewer's bearer token grants."""

    limit: int | None = None
    plan: str | None = None


NOTHING_GRANTED = Granted()


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the API.

    `token` is the number of the call whose answer contained the token.
    `playback` is the one whose epoch a `DELETE` names.
    `replaces` pairs ids with the playback that the viewer saw, or None for any.
    `epoch` is the one in the answer to a start, once it is known.
    `is_me` means that the path names the viewer of the bearer token.
    """

    number: int
    verb: str
    now: int
    id: str = ""
    attributes: Attributes = ()
    replaces: tuple[tuple[str, int | None], ...] = ()
    granted: Granted = NOTHING_GRANTED
    token: int = 0
    is_paused: bool = False
    playback: int | None = None
    keep: str | None = None
    limit: int | None = None
    plan: str | None = None
    when_full: str | None = None
    ends_surplus: bool = False
    epoch: int | None = None
    is_me: bool = False


@dataclass(frozen=True)
class Answer:
    """An answer: its status and the facts in it that the model predicts."""

    status: int
    facts: Facts = field(default_factory=dict)

    @property
    def is_unknown(self) -> bool:
        """Whether the call may or may not have taken effect."""
        return self.status == 503 and not self.facts.get("isDecided")


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A playback with its lease, live or expired."""

    id: str
    playback: int
    attributes: Attributes
    granted: Granted
    epoch: int | None
    started_at: int
    expires_at: int
    paused_at: int = 0
    revived_by: int = 0
    revived_to: int = 0

    def is_live(self, now: int) -> bool:
        """Return whether the stream holds its slot."""
        return now < self.expires_at

    @property
    def age(self) -> tuple[int, str]:
        """The position among streams, oldest first."""
        return self.started_at, self.id

    def ended(self, reason: str, *, now: int, by: str | None = None) -> "Ending":
        """Return how this stream ends now; an expired one ended at its expiry."""
        if self.is_live(now):
            return Ending(reason, now, by, self.playback, self.epoch)
        return self.expired

    @property
    def expired(self) -> "Ending":
        """The ending of a lease that expired."""
        return Ending("expired", self.expires_at, None, self.playback, self.epoch)


@dataclass(frozen=True)
class Ending:
    """How the last playback of an id ended.

    `fenced_at` is when an operator ended it, or 0: starts from before are late.
    """

    reason: str
    at: int
    by: str | None
    playback: int
    epoch: int | None = None
    fenced_at: int = 0

    @property
    def facts(self) -> Facts:
        """The members of a 410."""
        return {
            "reason": self.reason,
            "endedAt": self.at,
            "endedBy": self.by,
        }


@dataclass(frozen=True)
class Token:
    """A player's token: its playback, and the lease that it was issued for.

    The token of a grace lease has the whole start, which must still be judged.
    """

    playback: int
    expires_at: int
    lease_ms: int
    epoch: int | None = None
    grace_start: Call | None = None


@dataclass(frozen=True)
class Remembered:
    """A lease that a process granted or renewed without the store."""

    playback: int
    started_at: int
    expires_at: int
    paused_at: int


@dataclass(frozen=True, kw_only=True)
class User:
    """Everything that the contract knows of a user.

    `epochs` has the highest known epoch of each slot. `paid_until` is the
    theoretical arrival time of the start rate. `memory` and `memory_paid_until` are
    the process's own while the store does not answer.
    """

    streams: Mapping[str, Stream] = field(default_factory=dict)
    endings: Mapping[str, Ending] = field(default_factory=dict)
    tokens: Mapping[int, Token] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    limit: int | None = None
    plan: str | None = None
    when_full: str | None = None
    paid_until: int = 0
    was_forgotten: bool = False
    memory: Mapping[str, Remembered] = field(default_factory=dict)
    memory_paid_until: int = 0

    @property
    def stored(self) -> Any:
        """The part that the service stores, in a hashable form."""
        return (
            frozenset(self.streams.values()),
            frozenset(self.endings.items()),
            self.override,
            self.paid_until,
        )

    @property
    def key(self) -> Any:
        """A hashable form of everything."""
        tokens = frozenset(self.tokens.items())
        memory = frozenset(self.memory.items()), self.memory_paid_until
        return self.stored, tokens, self.was_forgotten, memory

    @property
    def override(self) -> tuple[int | None, str | None, str | None]:
        """The settings that an operator stored."""
        return self.limit, self.plan, self.when_full

    def live(self, now: int) -> list[Stream]:
        """Return the live streams, oldest first."""
        streams = self.streams.values()
        live = [stream for stream in streams if stream.is_live(now)]
        return sorted(live, key=lambda stream: stream.age)

    def ghosts(self, now: int) -> list[Stream]:
        """Return the streams that have expired."""
        streams = self.streams.values()
        return [stream for stream in streams if not stream.is_live(now)]

    def effective_plan(self, catalogue: Catalogue, granted: Granted) -> Plan:
        """Return the plan of a call: entitlement, else stored, else default."""
        plan = catalogue.find(granted.plan or self.plan)
        limit = self.limit if granted.limit is None else granted.limit
        return with_limit(plan, limit=limit, when_full=self.when_full)

    def changed(self, **changes: Any) -> "User":
        """Return a copy with these changes."""
        return replace(self, **changes)

    def without(self, endings: Mapping[str, Ending], *, now: int) -> "User":
        """Return the user after these streams ended.

        The oldest endings are dropped when there is no room for all. A start from
        before that moment then counts as late.
        """
        kept = dict(self.streams)
        for id in endings:
            kept.pop(id, None)

        recorded = recorded_endings(self.endings, endings)
        dropped = self.endings.keys() - recorded.keys()
        late = [now, *(self.endings[id].at for id in dropped)] if dropped else []
        return self.changed(
            streams=kept,
            endings=recorded,
            paid_until=max([self.paid_until, *late]),
        )

    def with_stream(self, stream: Stream) -> "User":
        """Return the user with this stream in its slot."""
        streams = {**self.streams, stream.id: stream}
        return self.changed(streams=streams)

    def with_token(self, number: int, stream: Stream, *, lease_ms: int) -> "User":
        """Return the user after the answer to this call issued a token."""
        token = Token(stream.playback, stream.expires_at, lease_ms, stream.epoch)
        tokens = {**self.tokens, number: token}
        return self.changed(tokens=tokens)


ENDINGS_BYTES = 320
BYTES_AFTER_DROPPING = 213
BYTES_PER_ENDING = 24


def recorded_endings(
    before: Mapping[str, Ending], added: Mapping[str, Ending]
) -> Mapping[str, Ending]:
    """Return the endings that remain (docs/concepts.md, "Endings")."""
    together = {**before, **added}
    if not added:
        return together

    longest = max(_bytes_of(id, ending) for id, ending in added.items())
    if len(together) <= max(len(before), ENDINGS_BYTES // longest):
        return together

    newest_first = sorted(together, key=lambda id: (-together[id].at, id))
    recorded = dict(added)
    size = sum(_bytes_of(id, ending) for id, ending in added.items())
    for id in newest_first:
        if id in added:
            continue
        size += _bytes_of(id, together[id])
        if size > BYTES_AFTER_DROPPING:
            break
        recorded[id] = together[id]
    return recorded


def _bytes_of(id: str, ending: Ending) -> int:
    return BYTES_PER_ENDING + len(id) + len(ending.by or "")


@dataclass(frozen=True)
class Outcome:
    """An allowed answer and the user after it."""

    status: int
    user: User
    facts: Facts = field(default_factory=dict)


def with_fences(outcomes: list[Outcome], call: Call) -> list[Outcome]:
    """Return the outcomes, each also with a start rate that begins at this moment.

    So a start that is still on its way counts as late. Only a server whose clock is
    behind can notice the difference.
    """
    fenced = [
        Outcome(
            outcome.status, outcome.user.changed(paid_until=call.now), outcome.facts
        )
        for outcome in outcomes
        if outcome.user.paid_until < call.now
    ]
    return outcomes + fenced

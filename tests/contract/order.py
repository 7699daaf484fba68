"""Linearizability of one user: is there one order of the calls that explains it all?

A call takes effect at one moment between its invocation and its answer. A call that
was answered 503 takes effect later, or never: at any moment until it is fenced
(docs/reliability.md, "Late writes").
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tests.contract.catalogue import Catalogue
from tests.contract.model import outcomes
from tests.contract.state import Answer, Call, Outcome, User

CHANGES_ITS_SLOT = ("start", "stop", "end")
JUDGED = ("end all", "set limit", "clear limit", "forget")
"""Calls that are written on condition that the item is the one that was read."""
DEFAULTS = {one.name: one.default for one in fields(Call)}


@dataclass(frozen=True)
class Event:
    """A call with its answer.

    `invoked` and `answered` are positions in the order in which the caller observed
    the invocations and answers. Only a call that was disturbed may be answered 503.
    In an outage the store answered none of its tries.
    """

    call: Call
    answer: Answer
    invoked: int
    answered: int
    is_disturbed: bool = True
    is_outage: bool = False

    def __str__(self) -> str:
        call = self.call
        shown_elsewhere = ("number", "verb")
        arguments = {
            name: value
            for name, value in vars(call).items()
            if value != DEFAULTS.get(name) and name not in shown_elsewhere
        }

        interval = f"[{self.invoked:3}, {self.answered:3}]"
        invocation = f"{call.number}: {call.verb} {arguments}"
        facts = dict(self.answer.facts)
        return f"{interval} {invocation} -> {self.answer.status} {facts}"


IN_OUTAGE = {"start": "start in an outage", "heartbeat": "heartbeat in an outage"}


def _parts(event: Event, catalogue: Catalogue) -> list[Event]:
    """Return a call that was answered without the store in its two parts.

    The process decided the answer. The request to the store may take effect later.
    """
    call = event.call
    if not (catalogue.is_open and event.is_outage and call.verb in IN_OUTAGE):
        return [event]

    facts = dict(event.answer.facts)
    if event.answer.status == 503:
        facts = {"isDecided": True}
    decided = replace(call, verb=IN_OUTAGE[call.verb])
    answer = Answer(event.answer.status, facts)
    late = replace(event, answer=Answer(503))
    return [replace(event, call=decided, answer=answer), late]


def _with_epoch(event: Event) -> Event:
    """Return an event whose call has the epoch that its answer showed."""
    epoch = None
    if event.call.verb == "start" and event.answer.status in (200, 201):
        epoch = event.answer.facts.get("epoch")
    return replace(event, call=replace(event.call, epoch=epoch))


@dataclass
class Search:
    """A search for an order of the events that the model allows."""

    events: Sequence[Event]
    catalogue: Catalogue
    order: list[int] = field(default_factory=list)
    deepest: list[int] = field(default_factory=list)
    failed: set[Any] = field(default_factory=set)
    stuck_at: User = field(default_factory=User)

    def __post_init__(self) -> None:
        known = [_with_epoch(event) for event in self.events]
        parts = [_parts(event, self.catalogue) for event in known]
        self.events = [part for event_parts in parts for part in event_parts]

    def finds_order(self) -> bool:
        """Return whether one order explains every answer."""
        if self._refused():
            return False
        return self._continue(User(), done=0, effects=0)

    def _refused(self) -> list[Event]:
        """Return the calls that were answered 503 although no fault disturbed them."""
        return [
            event
            for event in self.events
            if event.answer.is_unknown and not event.is_disturbed
        ]

    def _continue(self, user: User, *, done: int, effects: int) -> bool:
        """Return whether the remaining events have an order after those in `done`.

        `done` and `effects` are sets of positions, as bits.
        """
        if self._is_complete(done):
            return True
        state = (done, effects, user.key)
        if state in self.failed:
            return False
        is_deeper = len(self.order) > len(self.deepest)
        if is_deeper or not self.deepest:
            self.deepest = list(self.order)
            self.stuck_at = user

        for position in self._next(done, effects):
            for after, has_effect in self._users_after(user, position):
                if self.events[position].answer.is_unknown and not has_effect:
                    continue
                self.order.append(position)
                bit = 1 << position
                if self._continue(
                    after, done=done | bit, effects=effects | bit * has_effect
                ):
                    return True
                self.order.pop()

        self.failed.add(state)
        return False

    def _is_complete(self, done: int) -> bool:
        return all(
            event.answer.is_unknown or done >> position & 1
            for position, event in enumerate(self.events)
        )

    def _next(self, done: int, effects: int) -> Iterator[int]:
        """Yield the positions of the events that may take effect next."""
        waiting = [
            (position, event)
            for position, event in enumerate(self.events)
            if not done >> position & 1
        ]
        first_answer = min(
            event.answered for _, event in waiting if not event.answer.is_unknown
        )
        for position, event in waiting:
            if event.invoked > first_answer:
                continue
            is_late = event.answer.is_unknown
            if is_late and self._is_fenced(event, done, effects):
                continue
            yield position

    def _is_fenced(self, late: Event, done: int, effects: int) -> bool:
        for position, event in enumerate(self.events):
            is_done = bool(done >> position & 1)
            if not is_done or event.invoked <= late.answered:
                continue
            has_effect = bool(effects >> position & 1)
            if is_fence(event, late, has_effect=has_effect):
                return True
        return False

    def _users_after(self, user: User, position: int) -> Iterator[tuple[User, bool]]:
        """Yield each user after an event, and whether the event changed the store."""
        event = self.events[position]
        for outcome in outcomes(user, event.call, self.catalogue):
            if not explains(outcome, event.answer):
                continue
            after = outcome.user
            has_effect = after.stored != user.stored
            if event.answer.is_unknown:
                after = after.changed(tokens=user.tokens)
            elif event.call.verb not in IN_OUTAGE.values():
                after = _learned(after, event)
            yield after, has_effect

    def __str__(self) -> str:
        """Return the history and the first answer that no order explains."""
        lines = [str(event) for event in self.events]
        refused = [event.call.number for event in self._refused()]
        if refused:
            return "\n".join([*lines, f"503 without a fault: {refused}"])

        deepest = [self.events[position] for position in self.deepest]
        numbers = [event.call.number for event in deepest]
        lines.append(f"longest order: {numbers}")
        lines.append(f"user after it: {_told(self.stuck_at)}")

        for position, event in enumerate(self.events):
            call = event.call
            is_known = not call.token or call.token in self.stuck_at.tokens
            if position not in self.deepest and is_known:
                allowed = self._answers_allowed_next(call)
                lines.append(f"allowed for {call.number} {call.verb}: {allowed}")
        return "\n".join(lines)

    def _answers_allowed_next(self, call: Call) -> list[tuple[int, dict[str, Any]]]:
        """Return the answers to a call after the longest order."""
        allowed = outcomes(self.stuck_at, call, self.catalogue)
        return [(outcome.status, dict(outcome.facts)) for outcome in allowed]


def is_fence(event: Event, late: Event, *, has_effect: bool) -> bool:
    """Return whether a later call keeps a late write from taking effect."""
    call, late_call = event.call, late.call
    if event.answer.is_unknown:
        return False
    if late_call.verb in JUDGED or late_call.is_paused:
        return has_effect or call.verb == "set limit"
    if late_call.verb not in CHANGES_ITS_SLOT:
        return False

    if call.verb == "end all":
        return late_call.id in event.answer.facts.get("ended", ())
    if call.verb == "forget":
        return True
    if call.id != late_call.id:
        return False

    if late_call.verb == "start":
        # A further heartbeat of a pause is a read, so it can exclude no write.
        is_renewal = call.verb == "heartbeat" and event.answer.status == 200
        return has_effect and (is_renewal or call.verb in CHANGES_ITS_SLOT)
    return call.verb == "start" and has_effect


def explains(outcome: Outcome, answer: Answer) -> bool:
    """Return whether an outcome is the one that was answered."""
    if answer.is_unknown:
        return not answer.facts.get("isContended")
    if outcome.status != answer.status:
        return False
    return _agree_on_members(outcome.facts, answer.facts)


def _agree_on_members(
    expected: Mapping[str, Any],
    told: Mapping[str, Any],
) -> bool:
    names = expected.keys()
    return all(_agree(expected[name], told.get(name)) for name in names)


def _agree(expected: Any, told: Any) -> bool:
    """Compare a fact. An answer may say more, such as an unknown epoch."""
    if isinstance(expected, dict) and isinstance(told, dict):
        return _agree_on_members(expected, told)
    if isinstance(expected, list) and isinstance(told, list):
        is_same_length = len(expected) == len(told)
        return is_same_length and all(map(_agree, expected, told))
    return bool(expected == told)


def _learned(user: User, event: Event) -> User:
    """Return the user with the epochs that an answer showed."""
    answered = event.answer.facts
    shown = answered.get("streams", [answered])
    for facts in shown:
        if not isinstance(facts, dict):
            continue
        stream = user.streams.get(facts.get("id", ""))
        epoch = facts.get("epoch")
        if stream and stream.epoch is None and epoch is not None:
            user = user.with_stream(replace(stream, epoch=epoch))
    return user


def _told(user: User) -> str:
    streams = {
        id: (one.playback, one.started_at, one.expires_at)
        for id, one in user.streams.items()
    }
    endings = dict(user.endings)
    return f"streams {streams}, endings {endings}, override {user.override}"

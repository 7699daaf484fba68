"""A simulated population that counts what happens to it, second by second.

Its players call the real service over the pure rule. The counts share no code with
the reports that tests compare them with.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from streams import service
from streams.errors import StreamEnded, StreamLimitReached, StreamNotFound
from streams.events import EventFields
from streams.rules import Plan, Plans, Rule, StartRequest, WhenFull
from streams.service import Context
from streams.sinks.lines import event
from tests.model import ModelStore

BEGAN = 1_800_000_000_000
"""2027-01-15 08:00 UTC"""
LEASE_SECONDS = 60
HEARTBEAT_SECONDS = 20
SINCE = 900
UNTIL = 4500
"""The period that is counted, in seconds."""
PEOPLE = 40
DEVICES = {"tv": "tv", "phone": "phone", "tablet": None, "web": "browser"}
SMALL = ("phone", "web")
ONE_SMALL = Rule(
    name="one-small-screen", limit=1, where={"deviceType": ("phone", "browser")}
)
FAMILY = Plan(name="family", limit=3, lease_ms=LEASE_SECONDS * 1000, rules=(ONE_SMALL,))
DEFAULT = Plan(limit=2, lease_ms=LEASE_SECONDS * 1000)
PLANS = Plans(default=DEFAULT, named={"family": FAMILY})

recorded: list[dict[str, Any]] = []
"""The events that the service recorded."""


def record(kind: str, now: int, fields: EventFields) -> None:
    """Record an event: the sink of the simulation."""
    recorded.append(event(kind, now, fields))


def instant(second: int) -> int:
    return BEGAN + second * 1000


@dataclass
class SimulatedPlayback:
    """A playback as its player knows it, in seconds. `token` is its latest."""

    started: int
    token: str
    expires: int
    heartbeat: int
    is_silent: bool = False


@dataclass
class Watcher:
    """A user, who does at most one thing per second."""

    name: str
    plan: Plan
    when_full: WhenFull
    live: dict[str, SimulatedPlayback] = field(default_factory=dict)
    ghosts: dict[str, SimulatedPlayback] = field(default_factory=dict)
    seconds_at_level: Counter[int] = field(default_factory=Counter)

    def context(self, second: int) -> Context:
        return Context(user_id=self.name, now=instant(second))


@dataclass
class Truth:
    """Everything that happened in the counted period."""

    active: set[str] = field(default_factory=set)
    starts: Counter[str] = field(default_factory=Counter)
    by_type: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_plan: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    durations: list[int] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    admitted_at: list[int] = field(default_factory=list)
    denied_at: list[int] = field(default_factory=list)
    live_at: dict[int, int] = field(default_factory=dict)
    """The live streams of all users, by second."""

    def end(self, playback: SimulatedPlayback, second: int, reason: str) -> None:
        if second >= SINCE:
            self.endings[reason] += 1
        if playback.started >= SINCE:
            self.durations.append(second - playback.started)


@dataclass
class Decision:
    """The decision that the rules require for a start."""

    kind: str
    level: int
    rule: str = "(none)"


@dataclass
class World:
    """People whose players start, renew, stop, go silent and come back."""

    people: list[Watcher]
    random: random.Random
    truth: Truth = field(default_factory=Truth)

    def live_through(self, second: int) -> None:
        for person in self.people:
            expired = [
                id for id, playback in person.live.items() if playback.expires <= second
            ]
            for id in expired:
                person.ghosts[id] = person.live.pop(id)
            self.act(person, second)
            if second >= SINCE and person.live:
                person.seconds_at_level[len(person.live)] += 1

        if second >= SINCE:
            live = sum(len(person.live) for person in self.people)
            self.truth.live_at[second] = live

    def act(self, person: Watcher, second: int) -> None:
        due = [
            id
            for id, playback in person.live.items()
            if not playback.is_silent
            and second - playback.heartbeat >= HEARTBEAT_SECONDS
        ]
        late = [
            id
            for id, playback in person.ghosts.items()
            if second - playback.heartbeat > 90
        ]
        chance = self.random.random()
        if due:
            self.renew(person, due[0], second)
        elif chance < 0.012:
            self.start(person, self.pick(DEVICES), second)
        elif chance < 0.016 and person.live:
            self.stop(person, self.pick(person.live), second)
        elif chance < 0.019 and person.live:
            playback = person.live[self.pick(person.live)]
            playback.is_silent = True
        elif chance < 0.022 and late:
            self.revive(person, late[0], second)
        elif chance < 0.0222:
            self.end_all(person, second)

    def pick(self, ids: Iterable[str]) -> str:
        return self.random.choice(list(ids))

    def start(self, person: Watcher, id: str, second: int) -> None:
        others = [other for other in person.live if other != id]
        replaced = others[:1] if self.random.random() < 0.1 else []
        decision = decide(person, id, others, replaced)
        request = StartRequest(
            id=id,
            stream_id="film",
            device_type=DEVICES[id],
            replace=dict.fromkeys(replaced),
        )
        if second >= SINCE:
            self.count_start(person, id, second, decision)

        if decision.kind == "denied":
            with pytest.raises(StreamLimitReached):
                service.start(person.context(second), request)
            return

        issued = service.start(person.context(second), request)
        self.end_others(
            person,
            id,
            second,
            replaced=replaced,
            level=decision.level,
        )
        person.live[id] = SimulatedPlayback(
            second, issued.token, second + LEASE_SECONDS, second
        )

    def count_start(
        self,
        person: Watcher,
        id: str,
        second: int,
        decision: Decision,
    ) -> None:
        kind = decision.kind
        truth = self.truth
        truth.active.add(person.name)
        truth.starts[kind] += 1
        truth.by_type[DEVICES[id] or "(none)", kind] += 1
        truth.by_plan[person.plan.name, kind] += 1
        truth.rules[decision.rule] += kind == "denied"
        truth.levels[decision.level] += kind != "took-over"
        if kind == "denied":
            truth.denied_at.append(second)
        else:
            truth.admitted_at.append(second)

    def end_others(
        self,
        person: Watcher,
        id: str,
        second: int,
        *,
        replaced: list[str],
        level: int,
    ) -> None:
        """End the playbacks that an admitted start ends."""
        reasons = dict.fromkeys(replaced, "replaced")
        is_takeover = id in person.live
        surplus = level - person.plan.limit + 1
        if not is_takeover and surplus > 0:
            ending = (id, *replaced)
            others = [other for other in person.live if other not in ending]
            others.sort(key=lambda other: person.live[other].started)
            reasons |= dict.fromkeys(others[:surplus], "evicted")

        if is_takeover:
            reasons[id] = "taken-over"

        for other, reason in reasons.items():
            playback = person.live.pop(other)
            self.truth.end(playback, second, reason)

        ghost = person.ghosts.pop(id, None)
        if ghost:
            self.truth.end(ghost, ghost.expires, "expired")

    def renew(self, person: Watcher, id: str, second: int) -> None:
        self.extend(person, person.live[id], id, second)

    def revive(self, person: Watcher, id: str, second: int) -> None:
        playback = person.ghosts.pop(id)
        try:
            self.extend(person, playback, id, second)
        except (StreamEnded, StreamNotFound):
            self.truth.end(playback, playback.expires, "expired")
            return
        playback.is_silent = False
        person.live[id] = playback

    def extend(
        self,
        person: Watcher,
        playback: SimulatedPlayback,
        id: str,
        second: int,
    ) -> None:
        issued = service.renew(
            playback.token,
            user_id=person.name,
            id=id,
            now=instant(second),
        )
        playback.token = issued.token
        playback.expires = second + LEASE_SECONDS
        playback.heartbeat = second
        if second >= SINCE:
            self.truth.active.add(person.name)

    def stop(self, person: Watcher, id: str, second: int) -> None:
        playback = person.live.pop(id)
        service.stop(
            playback.token,
            user_id=person.name,
            id=id,
            now=instant(second),
        )
        self.truth.end(playback, second, "stopped")

    def end_all(self, person: Watcher, second: int) -> None:
        service.end_all(person.context(second))
        for playback in person.live.values():
            self.truth.end(playback, second, "stopped")

        for playback in person.ghosts.values():
            self.truth.end(playback, playback.expires, "expired")

        person.live = {}
        person.ghosts = {}

    def finish(self) -> None:
        for person in self.people:
            expired = [
                playback
                for playback in person.live.values()
                if playback.expires <= UNTIL
            ]
            for playback in [*person.ghosts.values(), *expired]:
                if playback.expires < UNTIL:
                    self.truth.end(playback, playback.expires, "expired")
                elif playback.started >= SINCE:
                    self.truth.durations.append(playback.expires - playback.started)


def decide(
    person: Watcher, id: str, others: list[str], replaced: list[str]
) -> Decision:
    """Return the decision that the plan of a person requires."""
    level = len(others) - len(replaced)
    if id in person.live:
        return Decision("took-over", level)

    remaining = [other for other in others if other not in replaced]
    has_small = any(other in SMALL for other in remaining)
    if person.plan is FAMILY and id in SMALL and has_small:
        return Decision("denied", len(others), "one-small-screen")

    if level >= person.plan.limit and person.when_full is WhenFull.DENY:
        return Decision("denied", len(others))

    return Decision("admitted", level)


@contextmanager
def simulated() -> Iterator[World]:
    """Run forty people for an hour and a quarter, and yield the counted truth."""
    patch = pytest.MonkeyPatch()
    patch.setattr(service, "store", ModelStore(PLANS))
    patch.setattr(service.settings, "EVENT_SINKS", [f"{__name__}.record"])  # type: ignore[attr-defined]
    recorded.clear()

    people = [_watcher(number) for number in range(PEOPLE)]
    world = World(people, random.Random(18))
    for person in world.people:
        service.set_limit(
            person.context(0),
            plan="family" if person.plan is FAMILY else None,
            limit=None,
            when_full=person.when_full,
        )

    for second in range(1, UNTIL):
        world.live_through(second)

    world.finish()

    yield world
    patch.undo()


def _watcher(number: int) -> Watcher:
    evicts = number % 10 == 0
    return Watcher(
        name=f"user-{number}",
        plan=FAMILY if number % 2 else DEFAULT,
        when_full=WhenFull.EVICT_OLDEST if evicts else WhenFull.DENY,
    )

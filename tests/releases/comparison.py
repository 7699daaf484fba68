"""The scenes of the contract, with their calls spread over two releases.

Each scene is prepared, one call meets it, and three calls show the state. The answers
must be those of today's release alone, also run by two processes.
"""

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.catalogue import Catalogue
from tests.contract.deeds import DEEDS
from tests.contract.order import Event
from tests.contract.pairs import observe
from tests.contract.scenes import SCENES, catalogue_of
from tests.releases.mixed import MixedWorld, Worker, workers
from tests.releases.next_release import FIELD

EPOCHS_PER_MS = 1000


@dataclass(frozen=True)
class Addition:
    """A difference between releases that a changelog names."""

    name: str
    explains: Callable[[Event, Event], bool]
    """Whether it explains the answer of the mixed run (second) next to that alone."""


@dataclass(frozen=True)
class Play:
    """A scene and the call that meets it. `turns` spreads its calls."""

    scene: str
    deed: str
    turns: int

    def __str__(self) -> str:
        return f"{self.scene}/{self.deed}"

    def run(self, pair: tuple[Worker, Worker]) -> MixedWorld:
        """Play for a new user on two workers."""

        def choose(number: int) -> Worker:
            return pair[self.turns >> number & 1]

        catalogue = catalogue_of(SCENES[self.scene])
        user_id = f"{self.scene} {secrets.token_hex(6)}"
        world = MixedWorld(catalogue, user_id, choose=choose)
        SCENES[self.scene].prepare(world)
        deed = DEEDS[self.deed]
        if deed.is_possible(world):
            world.call(deed.verb, **deed.resolve(world))
            world.now += 1000
            observe(world)
        return world


@dataclass
class Comparison:
    """The number of calls, and the differences by the names of their reasons."""

    calls: int = 0
    additions: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(
        self,
        play: Play,
        alone: MixedWorld,
        mixed: MixedWorld,
        additions: Iterable[Addition],
    ) -> None:
        """Compare a mixed run with that of today's release alone."""
        self.calls += len(mixed.history)
        self._check_fields(play, mixed)
        for expected, actual in zip(alone.history, mixed.history, strict=False):
            if _comparable(expected) == _comparable(actual):
                continue
            names = [
                addition.name
                for addition in additions
                if addition.explains(expected, actual)
            ]
            self.additions.update(names[:1])
            if not names:
                self.differences.append(_report(play, expected, mixed, actual))
            return  # later answers follow from this one

    def _check_fields(self, play: Play, mixed: MixedWorld) -> None:
        """Check that the leases of the next release have kept its field."""
        names = [name for name, *_ in mixed.answers]
        if "next" not in names:
            return
        item = mixed.item() or {"l": {"M": {}}}
        epochs = {
            event.answer.facts["epoch"]
            for event, name in zip(mixed.history, names, strict=True)
            if name == "next" and _is_stored_start(event)
        }
        for id, lease in item["l"]["M"].items():
            is_later = int(lease["M"]["n"]["N"]) in epochs
            if is_later and FIELD not in lease["M"]:
                self.differences.append(f"{play}: the lease {id} lost its field")


def compare(
    folders: Mapping[str, Path],
    additions: Mapping[str, Iterable[Addition]],
    *,
    seed: int,
    share: float,
    until: float = float("inf"),
) -> dict[str, Comparison]:
    """Play every scene on today's release next to each of the other releases.

    Returns the comparison by the name of the other release.
    """
    others = [name for name in folders if name not in ("today", "again")]
    comparisons = {name: Comparison() for name in others}
    with workers(folders) as running:
        for catalogue, scenes in _scenes_by_catalogue():
            for worker in running.values():
                worker.configure(catalogue)
            for play in _plays(scenes, seed=seed, share=share):
                if time.monotonic() > until:
                    break
                alone = play.run((running["again"], running["today"]))
                for name in others:
                    mixed = play.run((running[name], running["today"]))
                    comparisons[name].add(play, alone, mixed, additions[name])
    return comparisons


def _scenes_by_catalogue() -> list[tuple[Catalogue, list[str]]]:
    scenes: dict[str, tuple[Catalogue, list[str]]] = {}
    for name, scene in SCENES.items():
        catalogue = catalogue_of(scene)
        key = f"{catalogue.file} {catalogue.burst} {catalogue.is_open}"
        scenes.setdefault(key, (catalogue, []))[1].append(name)
    return list(scenes.values())


def _plays(scenes: list[str], *, seed: int, share: float) -> list[Play]:
    """Return the plays of these scenes, or a random share of them."""
    dice = random.Random(f"{scenes} {seed}")
    plays = [
        Play(scene, deed, turns=dice.getrandbits(64))
        for scene in scenes
        for deed in DEEDS
    ]
    return [play for play in plays if dice.random() < share]


def _is_stored_start(event: Event) -> bool:
    """Return whether a call stored a lease. A grace lease is stored by a heartbeat."""
    is_admitted = event.call.verb == "start" and event.answer.status in (200, 201)
    return is_admitted and not event.answer.facts["isGrace"]


def _comparable(event: Event) -> Any:
    """Return an answer without what is random: the epoch within its millisecond."""
    return event.answer.status, _without_random(event.answer.facts)


def _without_random(value: Any, name: str = "") -> Any:
    if name == "epoch" and isinstance(value, int):
        return value // EPOCHS_PER_MS
    if name == "userId":
        return None
    if isinstance(value, Mapping):
        return {key: _without_random(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_random(part) for part in value]
    return value


def _report(play: Play, expected: Event, mixed: MixedWorld, actual: Event) -> str:
    number = actual.call.number
    calls = [
        f"  {event.call.verb} {event.call.id} on {answer[0]}: {answer[1]}"
        for event, answer in zip(mixed.history, mixed.answers, strict=True)
        if event.call.number <= number
    ]
    body = mixed.answers[number - 1][2]
    return "\n".join(
        [
            f"{play}: call {number}",
            *calls,
            f"  alone: {expected.answer.status} {dict(expected.answer.facts)}",
            f"  mixed: {actual.answer.status} {dict(actual.answer.facts)}",
            f"  {body:.300}",
        ]
    )

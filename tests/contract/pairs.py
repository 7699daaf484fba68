"""All pairs of calls: the second inside the first, at each of its tries, in each mode.

Is there an order of the two that explains both answers and the state afterwards?
"""

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.contract.deeds import DEEDS, READS, latest_token
from tests.contract.exchange import Credentials
from tests.contract.faults import (
    MODES,
    ON_WRITES,
    QUICK,
    WAIT_MS,
    Meeting,
    other_calls_delay,
)
from tests.contract.order import Search
from tests.contract.scenes import SCENES, catalogue_of
from tests.contract.world import World, served


@dataclass(frozen=True, order=True)
class Pair:
    """Two calls that meet in a scene, and how."""

    scene: str
    first: str
    second: str
    mode: str
    index: int

    def __str__(self) -> str:
        return "/".join(map(str, vars(self).values()))

    @classmethod
    def of(cls, text: str) -> "Pair":
        """Parse the id of a pair."""
        scene, first, second, mode, index = text.split("/")
        return cls(scene, first, second, mode, int(index))


@dataclass
class Stage:
    """A scene that is prepared once and restored for each pair."""

    scene: str
    world: World
    item: dict[str, Any] | None
    memory: Any
    before: dict[str, Any]

    @classmethod
    def of(cls, scene: str, serve: Callable[[World], None]) -> "Stage":
        """Prepare a scene."""
        user_id = f"{scene} {secrets.token_hex(6)}"
        world = World(catalogue_of(SCENES[scene]), user_id)
        serve(world)
        SCENES[scene].prepare(world)
        return cls(scene, world, world.item(), world.remembered(), copies(world))

    def restore(self) -> World:
        """Return the world as it was when it was prepared."""
        vars(self.world).update(self.before)
        self.before = copies(self.world)
        self.world.restore(self.item)
        self.world.remember(self.memory)
        return self.world

    def operations(self, deed: str) -> list[str]:
        """Return the tries that a call makes when it is alone."""
        world = self.restore()
        operations: list[str] = []

        def record(index: int, operation: str, carry_out: Any) -> Any:
            operations.append(operation)
            return carry_out()

        world.call(DEEDS[deed].verb, fault=record, **DEEDS[deed].resolve(world))
        return operations

    def meet(self, pair: Pair) -> Search:
        """Run a pair and return the search for its order."""
        world = self.restore()
        first, second = DEEDS[pair.first], DEEDS[pair.second]
        first_details = first.resolve(world)
        second_details = second.resolve(world)
        second_now = world.now + other_calls_delay(pair.mode)

        def act() -> None:
            world.call(second.verb, **second_details | {"now": second_now})

        meeting = Meeting(pair.mode, pair.index, act)
        world.call(first.verb, fault=meeting, **first_details)
        meeting.finish()

        world.now += WAIT_MS + 1000
        observe(world)
        return Search(world.history, world.catalogue)


def copies(world: World) -> dict[str, Any]:
    """Return what a world holds, so that it can be restored."""
    return {
        name: value.copy() if isinstance(value, list | Credentials) else value
        for name, value in vars(world).items()
    }


def observe(world: World) -> None:
    """Make calls that show the state: the list, the limit, and the last token."""
    world.call("list")
    world.call("get limit")
    token = latest_token(world, "tv")
    if token:
        world.call("heartbeat", id="tv", token=token)


@dataclass
class Figures:
    """The number of pairs per mode, and those that no order explains."""

    pairs: Counter[str] = field(default_factory=Counter)
    unexplained: dict[Pair, str] = field(default_factory=dict)
    max_unexplained: int = 1_000_000

    @property
    def is_over(self) -> bool:
        """Whether enough pairs are unexplained."""
        return len(self.unexplained) >= self.max_unexplained

    def add(self, pair: Pair, search: Search) -> None:
        """Count one pair."""
        self.pairs[pair.mode] += 1
        if not search.finds_order():
            self.unexplained[pair] = str(search)

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        wrong = Counter(pair.mode for pair in self.unexplained)
        lines = ["| mode | pairs | unexplained |", "|---|---|---|"]
        for mode in MODES:
            lines.append(f"| {mode} | {self.pairs[mode]} | {wrong[mode]} |")
        total = len(self.unexplained)
        lines.append(f"| all | {self.pairs.total()} | {total} |")
        return "\n".join(lines)


def pairs_of(stage: Stage, deeds: Collection[str]) -> Iterator[Pair]:
    """Yield every pair of these deeds in a scene."""
    possible = [name for name in deeds if DEEDS[name].is_possible(stage.world)]
    for first in possible:
        if first in READS:
            continue
        for index, mode in _moments(stage, first):
            for second in possible:
                yield Pair(stage.scene, first, second, mode, index)


def _moments(stage: Stage, name: str) -> Iterator[tuple[int, str]]:
    """Yield each call to the engine of a deed, with each mode that applies to it."""
    operations = stage.operations(name)
    for index, operation in enumerate(operations):
        is_read = operation == "GetItem"
        modes = QUICK if is_read else (*QUICK, *ON_WRITES)
        for mode in modes:
            yield index, mode


def run_scene(
    scene: str,
    figures: Figures,
    *,
    share: float = 1,
    modes: Collection[str] = tuple(MODES),
    deeds: Collection[str] = tuple(DEEDS),
    seed: int = 0,
    until: float = float("inf"),
    count: int | None = None,
) -> None:
    """Run the pairs of a scene in these modes, or a random share of them.

    Ends at a time, after `count` pairs, or when the figures have enough failures.
    """
    dice = random.Random(f"{scene} {seed}")
    with served(catalogue_of(SCENES[scene])) as serve:
        stage = Stage.of(scene, serve)
        in_modes = (pair for pair in pairs_of(stage, deeds) if pair.mode in modes)
        pairs = [pair for pair in in_modes if dice.random() < share]
        dice.shuffle(pairs)
        for pair in pairs[:count]:
            if time.monotonic() > until or figures.is_over:
                return
            figures.add(pair, stage.meet(pair))


def run_pair(pair: Pair) -> Search:
    """Run one pair."""
    with served(catalogue_of(SCENES[pair.scene])) as serve:
        return Stage.of(pair.scene, serve).meet(pair)

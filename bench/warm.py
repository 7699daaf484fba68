"""Warm calls: processor and wall microseconds of each verb through the Lambda entry point, API Gateway's event in,
answer out; what is compared takes turns in every round."""

from collections.abc import Callable

from bench.scene import VERBS
from bench.workers import (
    Figures,
    Side,
    Times,
    Worker,
    compared,
    median,
    progress,
    running,
)

SLICE = 5
"""Calls of one side before it is the next one's turn: what else the machine does meanwhile hits them all alike."""

Measured = Callable[[str], Times]
"""A turn: some calls of a verb."""


def measure(sides: dict[str, Side], *, rounds: int, calls: int) -> Figures:
    """The figures of `in_turns` by side."""
    with running(sides) as workers:
        slices = {name: _slice(worker) for name, worker in workers.items()}
        return in_turns("warm", slices, rounds=rounds, turns=calls // SLICE)


def _slice(worker: Worker) -> Measured:
    return lambda verb: worker.measure(verb=verb, number=SLICE)


def in_turns(
    what: str, points: dict[str, Measured], *, rounds: int, turns: int
) -> Figures:
    """`{verb: {point: {"cpu_us", "cpu_us_ratio", "cpu_us_spread", "wall_us", …}}}`, ratios to the first point in the
    same rounds."""
    found: dict[tuple[str, str], Times] = {}
    for round_ in range(rounds + 1):
        progress(f"{what}: round {round_} of {rounds}")
        for verb in VERBS:
            times: dict[str, Times] = {point: [] for point in points}
            for turn in range(turns):
                for point in reversed(points) if turn % 2 else points:
                    times[point] += points[point](verb)
            if round_:  # the first warms up
                for point in points:
                    found.setdefault((verb, point), []).append(median(times[point]))
    first, names = next(iter(points)), ("cpu_us", "wall_us")
    return {
        verb: {
            point: compared(found[verb, point], found[verb, first], names)
            for point in points
        }
        for verb in VERBS
    }

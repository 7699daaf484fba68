"""Measures warm calls: processor and wall microseconds of each verb.

A call goes through the Lambda entry point: API Gateway's event in, answer out. The
compared sides take turns in every round.
"""

from collections.abc import Callable, Iterator, Mapping

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

CALLS_PER_SLICE = 5
"""Calls of one side before the next side's turn.

Short slices spread the machine's other work evenly over the sides.
"""
FIGURES = ("cpu_us", "wall_us")

type Slice = Callable[[str], Times]
"""Measures some calls of a verb."""


def measure(sides: dict[str, Side], *, rounds: int, calls: int) -> Figures:
    """Measure the sides. The result is that of `in_turns`, by side."""
    with running(sides) as workers:
        slices = {name: _slice(worker) for name, worker in workers.items()}
        return in_turns(
            "warm",
            slices,
            rounds=rounds,
            turns=calls // CALLS_PER_SLICE,
        )


def _slice(worker: Worker) -> Slice:
    return lambda verb: worker.measure(verb=verb, number=CALLS_PER_SLICE)


def in_turns(
    title: str,
    points: dict[str, Slice],
    *,
    rounds: int,
    turns: int,
) -> Figures:
    """Measure points that take turns. The ratios are to the first point.

    Returns `{verb: {point: {"cpu_us", "cpu_us_ratio", "cpu_us_spread", …}}}`.
    The first round warms up and is not measured.
    """
    runs: dict[str, dict[str, Times]] = {
        verb: {point: [] for point in points} for verb in VERBS
    }
    for number in range(rounds + 1):
        progress(f"{title}: round {number} of {rounds}")
        for verb in VERBS:
            medians = _round(verb, points, turns=turns)
            if number > 0:
                for point, times in medians.items():
                    runs[verb][point].append(times)

    return {verb: dict(_compared_to_first(runs[verb])) for verb in VERBS}


def _round(
    verb: str, points: dict[str, Slice], *, turns: int
) -> dict[str, tuple[float, float]]:
    """Measure one round and return the median times of each point.

    The order of the points alternates from turn to turn.
    """
    times: dict[str, Times] = {point: [] for point in points}
    for turn in range(turns):
        order = list(points) if turn % 2 == 0 else list(reversed(points))
        for point in order:
            times[point] += points[point](verb)
    return {point: median(measured) for point, measured in times.items()}


def _compared_to_first(runs: Mapping[str, Times]) -> Iterator[tuple[str, Figures]]:
    first = next(iter(runs.values()))
    for point, times in runs.items():
        yield point, compared(times, first, FIGURES)

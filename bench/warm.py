"""Warm calls: processor and wall microseconds of each verb through the Lambda entry point, API Gateway's event in,
answer out; the sides take turns in every round."""

from collections.abc import Mapping

from bench.scene import VERBS
from bench.workers import Figures, Side, Times, compared, median, progress, running

SLICE = 5
"""Calls of one side before it is the next one's turn: what else the machine does meanwhile hits them all alike."""


def measure(sides: Mapping[str, Side], *, rounds: int, calls: int) -> Figures:
    """`{verb: {side: {"cpu_us", "cpu_us_ratio", "cpu_us_spread", "wall_us", …}}}`, ratios to the first side."""
    found: dict[tuple[str, str], Times] = {}
    with running(sides) as workers:
        for round_ in range(rounds + 1):
            progress(f"warm: round {round_} of {rounds}")
            for verb in VERBS:
                times: dict[str, Times] = {side: [] for side in sides}
                for _ in range(calls // SLICE):
                    for side, worker in workers.items():
                        times[side] += worker.measure(verb=verb, number=SLICE)
                if round_:  # the first warms up
                    for side in sides:
                        found.setdefault((verb, side), []).append(median(times[side]))
    base, names = next(iter(sides)), ("cpu_us", "wall_us")
    return {verb: {side: compared(found[verb, side], found[verb, base], names) for side in sides} for verb in VERBS}

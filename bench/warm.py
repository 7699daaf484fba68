"""Warm calls: processor and wall microseconds of each verb through the Lambda entry point, API Gateway's event in,
answer out, for every peer; the peers take turns in every round."""

from bench.scene import VERBS, environment
from bench.workers import Figures, Times, compared, median, progress, running

SLICE = 5
"""Calls of one peer before it is the next one's turn: what else the machine does meanwhile hits them all alike."""


def measure(endpoint: str, peers: list[str], *, rounds: int, calls: int) -> Figures:
    """`{verb: {peer: {"cpu_us", "cpu_us_ratio", "cpu_us_spread", "wall_us", …}}}`, ratios to `bare`."""
    found: dict[tuple[str, str], Times] = {}
    with running({peer: (peer, environment(endpoint)) for peer in peers}) as workers:
        for round_ in range(rounds + 1):
            progress(f"warm: round {round_} of {rounds}")
            for verb in VERBS:
                times: dict[str, Times] = {peer: [] for peer in peers}
                for _ in range(calls // SLICE):
                    for peer, worker in workers.items():
                        times[peer] += worker.measure(verb=verb, number=SLICE)
                if round_:  # the first warms up
                    for peer in peers:
                        found.setdefault((verb, peer), []).append(median(times[peer]))
    names = ("cpu_us", "wall_us")
    return {verb: {peer: compared(found[verb, peer], found[verb, "bare"], names) for peer in peers} for verb in VERBS}

"""What one change saves: the service's warm verbs on two sides that differ in that change only, interleaved in one run.

python -m bench.paired A B   each side is `NAME=VALUE`, which its environment has beside the rest, or the folder of a
                             checkout (`.` is this one) with its own bench/; prints both, with ratios of B to A
python -m bench.paired B     beside this checkout as it is

(`make bench PAIRED="A B"`.) `ENGINE=dynamodb-local` measures on that engine instead of the embedded one."""

import sys
from pathlib import Path

from bench import report, warm
from bench.engines import ENGINE, ENGINES
from bench.scene import connect, create_table, environment
from bench.workers import Side

ROUNDS, CALLS = 40, 20


def side(asked: str, endpoint: str) -> Side:
    """This checkout with a variable more, or another checkout."""
    name, is_a_variable, value = asked.partition("=")
    if is_a_variable:
        return Side("service", environment(endpoint) | {name: value})
    if not (Path(asked) / "bench" / "worker.py").is_file():
        sys.exit(
            f"{asked} is neither NAME=VALUE nor a checkout with a benchmark in it."
        )
    return Side("service", environment(endpoint), Path(asked).resolve())


def main() -> None:
    """Measure and print."""
    first, second = sys.argv[1:] if len(sys.argv) > 2 else (".", *sys.argv[1:])
    with ENGINES[ENGINE]() as endpoint:
        create_table(connect(endpoint))
        sides = {
            f"A: {first}": side(first, endpoint),
            f"B: {second}": side(second, endpoint),
        }
        figures = warm.measure(sides, rounds=ROUNDS, calls=CALLS)
    print(report.warm({"warm": {ENGINE: figures}}))


if __name__ == "__main__":
    main()

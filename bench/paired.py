"""Measures what one change saves.

The service's warm verbs run on two sides, interleaved in one run. The sides differ only
in that change.

python -m bench.paired A B   compares two sides; prints both, with ratios of B to A
python -m bench.paired B     compares this checkout, as it is, with B

A side is `NAME=VALUE`, a variable to add to its environment, or the folder of a
checkout that has its own bench/ (`.` is this checkout).

`make bench PAIRED="A B"` does the same. `ENGINE=dynamodb-local` selects that engine.
"""

import sys
from pathlib import Path

from bench import report, warm
from bench.engines import ENGINE, ENGINES
from bench.scene import connect, create_table, environment
from bench.workers import Side

ROUNDS = 40
CALLS = 20


def side(argument: str, endpoint: str) -> Side:
    """Return this checkout with one more variable, or another checkout."""
    variables = environment(endpoint)
    name, is_variable, value = argument.partition("=")
    if is_variable:
        return Side("service", variables | {name: value})

    checkout = Path(argument)
    if not (checkout / "bench" / "worker.py").is_file():
        sys.exit(
            f"{argument} is not valid. Write NAME=VALUE, or the folder of a checkout "
            "that has bench/worker.py."
        )
    return Side("service", variables, checkout.resolve())


def main(arguments: list[str]) -> None:
    """Measure both sides and print the table."""
    first, second = arguments if len(arguments) > 1 else (".", *arguments)
    with ENGINES[ENGINE]() as endpoint:
        create_table(connect(endpoint))
        sides = {
            f"A: {first}": side(first, endpoint),
            f"B: {second}": side(second, endpoint),
        }
        figures = warm.measure(sides, rounds=ROUNDS, calls=CALLS)
    print(report.warm({"warm": {ENGINE: figures}}))


if __name__ == "__main__":
    main(sys.argv[1:])

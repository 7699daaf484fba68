"""Hold the service to the contract for as long as you want: `make contract SECONDS=…`.

python -m tests.contract.run --seconds 600
python -m tests.contract.run --scene full                          # all its pairs
python -m tests.contract.run --pair "full/start tv/stop tv/held/0" # one, with its history
"""

import argparse
import logging
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import django

from tests.settings import ENGINE_PORT

django.setup()

from streams.storage.store import create_table  # noqa: E402
from streams_project.local_dynamodb import engine  # noqa: E402
from tests.contract.pairs import Figures, Pair, run_pair, run_scene  # noqa: E402
from tests.contract.scenes import SCENES  # noqa: E402


def main() -> int:
    """Run what the arguments ask for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    parser.add_argument("--scene", action="append", choices=list(SCENES))
    parser.add_argument("--pair")
    parser.add_argument("--share", type=float, default=1)
    arguments = parser.parse_args()
    logging.disable()

    if not ENGINE_PORT:
        create_table()
        return run(arguments)
    with TemporaryDirectory() as folder:
        with engine(Path(folder), keep=False, port=ENGINE_PORT):
            create_table()
            return run(arguments)


def run(arguments: argparse.Namespace) -> int:
    """Run pairs and print the figures."""
    if arguments.pair:
        search = run_pair(Pair.of(arguments.pair))
        is_explained = search.finds_order()
        print(search)
        print("explained" if is_explained else "UNEXPLAINED")
        return not is_explained

    figures = Figures()
    began = time.monotonic()
    scenes = arguments.scene or list(SCENES)
    for scene in scenes:
        run_scene(
            scene,
            figures,
            share=arguments.share,
            seed=arguments.seed,
            until=began + arguments.seconds,
        )
    for pair in sorted(figures.unexplained):
        print(pair)
    print(figures.table())
    print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}")
    return bool(figures.unexplained)


if __name__ == "__main__":
    sys.exit(main())

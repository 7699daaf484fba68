"""Hold the service to the contract for as long as you want: `make contract SECONDS=…`.

python -m tests.contract.run --seconds 600
python -m tests.contract.run --pairs --scene full        # all pairs of a scene
python -m tests.contract.run --programs --seconds 600    # sequences only
python -m tests.contract.run --pair "full/start tv/stop tv/held/0"

Half of the time goes to pairs and half to sequences. `--direct` calls the embedded
engine without HTTP. Two processes (`--seed`) use two cores.
"""

import argparse
import logging
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import django

from tests.settings import ENGINE_PORT

django.setup()

from streams.errors import StoreUnavailable  # noqa: E402
from streams.storage.store import create_table  # noqa: E402
from streams_project.local_dynamodb import engine  # noqa: E402
from tests.contract import direct, world  # noqa: E402
from tests.contract.hunt import Hunt  # noqa: E402
from tests.contract.pairs import Figures, Pair, run_pair, run_scene  # noqa: E402
from tests.contract.scenes import SCENES  # noqa: E402

CATALOGUES = ("denying", "evicting")
SHARE_PER_ROUND = 0.005
PROGRAMS_PER_HUNT = 50
START_SECONDS = 60


def main() -> int:
    """Run the checks that the arguments select and return the exit status."""
    arguments = parse_arguments()
    logging.disable()
    with running_engine(is_direct=arguments.direct):
        if arguments.pair:
            return show_pair(Pair.of(arguments.pair))
        return run(arguments)


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    parser.add_argument("--pairs", action="store_true", help="pairs only")
    parser.add_argument("--programs", action="store_true", help="sequences only")
    parser.add_argument("--scene", action="append", choices=list(SCENES))
    parser.add_argument("--pair", help="the id of one pair")
    parser.add_argument("--share", type=float, help="share of the pairs to run once")
    parser.add_argument("--faultless", action="store_true", help="sequences: no faults")
    parser.add_argument("--direct", action="store_true", help="engine without HTTP")
    return parser.parse_args()


@contextmanager
def running_engine(*, is_direct: bool) -> Iterator[None]:
    """Run the embedded engine, unless another one is configured."""
    if is_direct:
        direct.create_table()
        world.engine = direct.carry_out
        yield
    elif ENGINE_PORT is None:
        create_table_when_ready()
        yield
    else:
        with ExitStack() as running:
            folder = Path(running.enter_context(TemporaryDirectory()))
            running.enter_context(engine(folder, keep=False, port=ENGINE_PORT))
            create_table_when_ready()
            yield


def create_table_when_ready() -> None:
    """Create the table. An engine that has just started may be slow to answer."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            create_table()
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
        else:
            return


def show_pair(pair: Pair) -> int:
    """Run one pair and print its history."""
    search = run_pair(pair)
    is_explained = search.finds_order()
    print(search)
    print("explained" if is_explained else "UNEXPLAINED")
    return 0 if is_explained else 1


def run(arguments: argparse.Namespace) -> int:
    """Run pairs and sequences, and print the figures."""
    began = time.monotonic()
    figures = Figures()
    if not arguments.programs:
        share_of_time = 1 if arguments.pairs else 0.5
        run_pairs(arguments, figures, until=began + arguments.seconds * share_of_time)
        for pair in sorted(figures.unexplained):
            print(pair)
        print(figures.table())

    failures = 0
    if not arguments.pairs:
        failures = run_hunts(arguments, until=began + arguments.seconds)
    print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}")
    return 1 if figures.unexplained or failures else 0


def run_pairs(arguments: argparse.Namespace, figures: Figures, *, until: float) -> None:
    """Run rounds of pairs, each with another random share of every scene."""
    scenes = arguments.scene or list(SCENES)
    share = arguments.share or SHARE_PER_ROUND
    turn = 0
    while time.monotonic() < until:
        for scene in random.Random(arguments.seed + turn).sample(scenes, len(scenes)):
            seed = arguments.seed + turn
            run_scene(scene, figures, share=share, seed=seed, until=until)
        if arguments.share:
            return
        turn += 1


def run_hunts(arguments: argparse.Namespace, *, until: float) -> int:
    """Run sequences, and return how many hunts found one that is unexplained."""
    programs = calls = failures = turn = 0
    while time.monotonic() < until:
        hunt = Hunt(
            CATALOGUES[turn % len(CATALOGUES)],
            until=until,
            seed=arguments.seed + turn,
            with_faults=not arguments.faultless,
        )
        hunt.run(max_programs=PROGRAMS_PER_HUNT)
        programs += hunt.programs
        calls += hunt.calls
        if hunt.smallest is not None:
            failures += 1
            print(f"--- seed {hunt.seed}\n{hunt}", flush=True)
        turn += 1
    print(f"sequences: {programs} with {calls} calls, {failures} hunts failed")
    return failures


if __name__ == "__main__":
    sys.exit(main())

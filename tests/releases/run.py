"""Run two releases at once and compare them with one: `make releases`.

    python -m tests.releases.run --share 0.25 --seconds 25 --seed 7

The soak and the client tests run while the scenes are compared.
"""

import argparse
import logging
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django

django.setup()

from tests.contract.run import running_engine  # noqa: E402
from tests.releases.additions import ADDITIONS  # noqa: E402
from tests.releases.checkout import checked_out, previous  # noqa: E402
from tests.releases.comparison import Comparison, compare  # noqa: E402
from tests.releases.players import run_client_tests  # noqa: E402
from tests.servers import PROJECT  # noqa: E402

SOAK_USERS = 60


def main() -> int:
    """Run everything and return the exit status."""
    arguments = parse_arguments()
    logging.disable()
    began = time.monotonic()
    release = previous()
    with (
        running_engine(is_direct=False),
        checked_out(release) as folder,
        ThreadPoolExecutor() as pool,
    ):
        soaking = pool.submit(soak, folder, arguments)
        playing = pool.submit(run_client_tests, [folder, PROJECT])
        folders = {
            "today": PROJECT,
            "again": PROJECT,
            "previous": folder,
            "next": PROJECT,
        }
        comparisons = compare(
            folders, ADDITIONS, seed=arguments.seed, share=arguments.share
        )
        failures = playing.result()
        soak_status = soaking.result()

    print(f"release {release.name} ({release.short_commit}), seed {arguments.seed}")
    for name, comparison in comparisons.items():
        print_comparison(name, comparison)
    print(f"client tests that failed: {len(failures)}", *failures[:2], sep="\n")
    print(f"{time.monotonic() - began:.0f} s")

    has_difference = any(result.differences for result in comparisons.values())
    return 1 if has_difference or failures or soak_status else 0


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1, help="share of the scenes")
    parser.add_argument("--seconds", type=float, default=30, help="of the soak")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    return parser.parse_args()


def soak(folder: Path, arguments: argparse.Namespace) -> int:
    """Let players use a service of each release while the database fails."""
    environment = os.environ | {
        "SECONDS": str(arguments.seconds),
        "USERS": str(SOAK_USERS),
        "SEED": str(arguments.seed % 1000),
        "DEBUG": "1",
    }
    environment.pop("DYNAMODB_ENDPOINT", None)
    command = [sys.executable, "-m", "tests.releases.soak", str(folder)]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


def print_comparison(name: str, comparison: Comparison) -> None:
    """Print the number of calls and the differences."""
    print(
        f"{name}: {comparison.calls} calls, "
        f"{len(comparison.differences)} differences, "
        f"{comparison.additions.total()} named additions {dict(comparison.additions)}"
    )
    for difference in comparison.differences[:3]:
        print(difference)


if __name__ == "__main__":
    sys.exit(main())

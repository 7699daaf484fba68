"""`make replay`: the scaled-down population of `bench.replay` on an engine of its own, beside what the planner says."""

import subprocess
import sys

from bench.engines import ENGINE, ENGINES, PROJECT
from bench.scene import connect, create_table, environment


def main() -> None:
    """Start the engine (`ENGINE=dynamodb-local`: Amazon's own), replay, print."""
    with ENGINES[ENGINE]() as endpoint:
        create_table(connect(endpoint))
        settings = {
            "DJANGO_SETTINGS_MODULE": "streams_project.settings",
            "LOG_LEVEL": "ERROR",
        }
        subprocess.run(
            [sys.executable, "-m", "bench.replay"],
            cwd=PROJECT,
            env=environment(endpoint) | settings,
            check=True,
        )


if __name__ == "__main__":
    main()

"""`make replay`: replays the scaled-down population of `bench.replay` on a new engine.

`ENGINE=dynamodb-local` selects Amazon's engine.
"""

import subprocess
import sys

from bench.engines import ENGINE, ENGINES, PROJECT
from bench.scene import connect, create_table, environment


def main() -> None:
    """Start the engine, replay, and print the comparison with the planner."""
    settings = {
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
        "LOG_LEVEL": "ERROR",
    }
    with ENGINES[ENGINE]() as endpoint:
        create_table(connect(endpoint))
        subprocess.run(
            [sys.executable, "-m", "bench.replay"],
            cwd=PROJECT,
            env=environment(endpoint) | settings,
            check=True,
        )


if __name__ == "__main__":
    main()

"""`python -m deploy.rehearsal`, or `make rehearse`: play all acts, and stop AWS."""

import os
import tempfile
import time
from pathlib import Path

from deploy.rehearsal.acts import ACTS
from deploy.rehearsal.emulator import emulated_aws
from deploy.rehearsal.stage import Rehearsal
from reporting.progress import progress


def main() -> None:
    """Play each act after the one before, on the state that it left."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")
    began = time.monotonic()
    with emulated_aws() as aws, tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(aws, Path(folder))
        with progress("rehearse", total=len(ACTS)) as advance:
            for number, act in enumerate(ACTS):
                title = str(act.__doc__).partition("\n")[0]
                advance(number, title)
                act(rehearsal)
                print("  ", title, flush=True)  # noqa: T201

    seconds = time.monotonic() - began
    print(f"Rehearsed in {seconds:.0f} s.")  # noqa: T201


if __name__ == "__main__":
    main()

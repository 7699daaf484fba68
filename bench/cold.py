"""Cold start: import and first request in a fresh process, from each peer's unzipped package on a read-only folder.

Milliseconds of wall and processor time from the first line of the process's own code to the answer, peak MiB of memory,
and, by `-X importtime`, which top-level packages the imports are spent on."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from bench import packages
from bench.scene import connect, environment, seed, start_of
from bench.worker import MEASURED_FROM_HERE
from bench.workers import Figures, compared, progress

FIGURES = ("wall_ms", "cpu_ms", "memory_mib")
IMPORT = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.M)
STANDARD = "standard library"
REST = "the handler's own module and the request"


def measure(
    endpoint: str, peers: list[str], *, rounds: int, import_rounds: int, with_zappa: bool
) -> tuple[Figures, Figures, dict[str, float]]:
    """`{peer: {"wall_ms", "wall_ms_ratio", "wall_ms_spread", …}}`, the peers taking turns in every round;
    `{peer: {package: ms}}`, what the imports are spent on; `{peer: MiB}`, the zips."""
    client = connect(endpoint)

    def once(peer: str, *options: str) -> Figures:
        user = str(uuid.uuid4())
        seed(client, [user])
        given = environment(endpoint) | {"REQUEST": json.dumps(start_of(user))}
        return run(peer, folders[peer], given, *options)

    found: dict[str, list[list[float]]] = {peer: [] for peer in peers}
    spent: dict[str, list[Counter[str]]] = {peer: [] for peer in peers}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {peer: Path(scratch) / peer for peer in peers}
        sizes = {}
        for peer, folder in folders.items():
            progress(f"packaging {peer}")
            sizes[peer] = packages.package(peer, folder, with_zappa=with_zappa)
        for round_ in range(rounds + 1):
            progress(f"cold: round {round_} of {rounds}")
            for peer in peers:
                figures = once(peer)
                if figures["may_write"]:
                    raise RuntimeError(f"{peer} can write to its own folder, which Lambda's is not")
                if round_:  # the first brings the files into the page cache
                    found[peer].append([figures[name] for name in FIGURES])
        for round_ in range(import_rounds):
            progress(f"cold, by import: round {round_ + 1} of {import_rounds}")
            for peer in peers:
                spent[peer].append(_by_package(once(peer, "-X", "importtime")))
    return (
        {peer: compared(found[peer], found["bare"], FIGURES) for peer in peers},
        {peer: _medians(spent[peer]) for peer in peers},
        sizes,
    )


def run(peer: str, folder: Path, environment: dict[str, str], *options: str) -> Figures:
    """One cold start, with nothing from outside the folder: what `bench.worker` says, and its `log`."""
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['worker', {peer!r}, '--cold']; "
        "import runpy; runpy.run_module('bench.worker', run_name='__main__')"
    )
    done = subprocess.run(
        [*_bound_by_permissions(), sys.executable, "-I", "-S", *options, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{peer} failed cold:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures | {"log": done.stderr}


def _bound_by_permissions() -> list[str]:
    """Root writes where nobody may, unless it gives up the capability to."""
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []


def _by_package(figures: Figures) -> Counter[str]:
    """Milliseconds of each top-level package's own import time, and of all the rest."""
    spent: Counter[str] = Counter()
    for microseconds, module in IMPORT.findall(figures["log"].partition(MEASURED_FROM_HERE)[2]):
        top = module.split(".")[0]
        if top != "bench":
            spent[STANDARD if top in sys.stdlib_module_names else top] += int(microseconds) / 1000
    spent[REST] = figures["wall_ms"] - spent.total()
    return spent


def _medians(runs: list[Counter[str]]) -> dict[str, float]:
    names: dict[str, Any] = {name: None for spent in runs for name in spent}
    medians = {name: statistics.median(spent[name] for spent in runs) for name in names}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))

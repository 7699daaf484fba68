"""Fresh instances of each peer, from its unzipped package on a read-only folder.

Cold: import and first request in a fresh process. Milliseconds of wall and processor time from the first line of the
process's own code to the answer, peak MiB of memory, and, by `-X importtime`, which top-level packages the imports are
spent on.

Resumed: a process imports the handler and sends DynamoDB nothing, which is what a SnapStart snapshot holds; a child
that is forked from it, as an instance that resumes, answers a start and then more of them. Milliseconds of wall and
processor time of the first, and their ratios to the child's own warm ones."""

import json
import os
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.scene import seed, start_of, viewers
from bench.worker import MEASURED_FROM_HERE
from bench.workers import Figures, alone, compared, median, progress

FIGURES = ("wall_ms", "cpu_ms", "memory_mib")
WARM = 20
"""Starts after the first one, each of another user; their median is the warm one."""
IMPORT = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.M)
STANDARD = "standard library"
REST = "the handler's own module and the request"


@dataclass(frozen=True)
class Instances:
    """Those of each peer: `folders` by name, `client` to put users' rows with, and all that they find in their
    environment."""

    folders: Mapping[str, Path]
    client: Any
    environment: dict[str, str]

    def cold(self, *, rounds: int) -> Figures:
        """`{peer: {"wall_ms", "wall_ms_ratio", "wall_ms_spread", …}}`, ratios to `bare`."""
        found: dict[str, list[list[float]]] = {peer: [] for peer in self.folders}
        for peer in self._turns("cold", rounds):
            figures = self._run(peer, "--cold")
            found[peer].append([figures[name] for name in FIGURES])
        return {
            peer: compared(found[peer][1:], found["bare"][1:], FIGURES)
            for peer in found
        }

    def imports(self, *, rounds: int) -> Figures:
        """`{peer: {package: ms}}`."""
        spent: dict[str, list[dict[str, float]]] = {peer: [] for peer in self.folders}
        for peer in self._turns("cold, by import", rounds):
            spent[peer].append(
                _by_package(self._run(peer, "--cold", "-X", "importtime"))
            )
        return {peer: _medians(runs[1:]) for peer, runs in spent.items()}

    def resumed(self, *, rounds: int) -> Figures:
        """`{peer: {"wall_ms", "wall_ms_ratio", "wall_ms_spread", …}}`, ratios to its own warm requests."""
        first: dict[str, list[list[float]]] = {peer: [] for peer in self.folders}
        warm: dict[str, list[list[float]]] = {peer: [] for peer in self.folders}
        for peer in self._turns("resumed", rounds):
            times = self._run(peer, "--resumed", requests=1 + WARM)["times"]
            first[peer].append([microseconds / 1000 for microseconds in times[0]])
            warm[peer].append(
                [microseconds / 1000 for microseconds in median(times[1:])]
            )
        return {
            peer: compared(first[peer][1:], warm[peer][1:], ("cpu_ms", "wall_ms"))
            for peer in first
        }

    def _turns(self, what: str, rounds: int) -> Iterator[str]:
        """The peers, by turns, so many times and once before, which brings the files into the page cache."""
        for round_ in range(rounds + 1):
            progress(f"{what}: round {round_} of {rounds}")
            yield from self.folders

    def _run(self, peer: str, mode: str, *options: str, requests: int = 1) -> Figures:
        """One instance, with nothing from outside its folder: what `bench.worker` says, and its `log`."""
        users = viewers(requests)
        seed(self.client, [*users])
        folder = self.folders[peer]
        done = subprocess.run(
            [*_bound_by_permissions(), *alone(folder, peer, mode, options=options)],
            cwd=folder,
            env=self.environment,
            input=json.dumps(
                [start_of(user, headers) for user, headers in users.items()]
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{peer} failed {mode}:\n{done.stderr}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        if figures["may_write"]:
            raise RuntimeError(
                f"{peer} can write to its own folder, which Lambda's is not"
            )
        return figures | {"log": done.stderr}


def _bound_by_permissions() -> list[str]:
    """Root writes where nobody may, unless it gives up the capability to."""
    return (
        ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
        if os.geteuid() == 0
        else []
    )


def _by_package(figures: Figures) -> dict[str, float]:
    """Milliseconds of each top-level package's own import time, and of all the rest."""
    spent: defaultdict[str, float] = defaultdict(float)
    for microseconds, module in IMPORT.findall(
        figures["log"].partition(MEASURED_FROM_HERE)[2]
    ):
        top = module.split(".")[0]
        if top != "bench":
            spent[STANDARD if top in sys.stdlib_module_names else top] += (
                int(microseconds) / 1000
            )
    spent[REST] = figures["wall_ms"] - sum(spent.values())
    return spent


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    names = {name for spent in runs for name in spent}
    medians = {
        name: statistics.median(spent.get(name, 0) for spent in runs) for name in names
    }
    return dict(sorted(medians.items(), key=lambda item: -item[1]))

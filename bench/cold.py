"""Measures fresh instances of each peer, from its unzipped, read-only package.

Cold: import and first request in a fresh process. The figures are milliseconds of wall
and processor time from the first line of the process's own code to the answer, and peak
memory in MiB. `-X importtime` shows how the import time divides over the packages.

Resumed: a process imports the handler and sends nothing to DynamoDB, which is the state
that a SnapStart snapshot holds. A child process, forked from it as an instance resumes
from a snapshot, answers several starts. The figures are milliseconds of wall and
processor time of the first start, and their ratios to the child's own warm starts.
"""

import json
import os
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.scene import seed, start_of, viewers
from bench.worker import MEASURED_FROM_HERE
from bench.workers import Figures, compared, isolated_command, median, progress

COLD_FIGURES = ("wall_ms", "cpu_ms", "memory_mib")
RESUMED_FIGURES = ("cpu_ms", "wall_ms")
WARM_STARTS = 20
"""Starts after the first, each of another user. Their median is the warm figure."""

IMPORT_LINE = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.M)
STANDARD_LIBRARY = "standard library"
REST = "the handler's own module and the request"


@dataclass(frozen=True)
class Instances:
    """Fresh instances of the peers.

    `folders` maps each peer to its unzipped package. `client` writes the users' items.
    `environment` is the complete environment of an instance. `of_service` takes
    precedence for this service.
    """

    folders: Mapping[str, Path]
    client: Any
    environment: dict[str, str]
    of_service: Mapping[str, str] = field(default_factory=dict)

    def cold(self, *, rounds: int) -> Figures:
        """Measure cold starts. The ratios are to the peer `bare`.

        Returns `{peer: {"wall_ms", "wall_ms_ratio", "wall_ms_spread", …}}`.
        """
        runs: dict[str, list[list[float]]] = {peer: [] for peer in self.folders}
        for peer in self._turns("cold", rounds):
            figures = self._run(peer, "--cold")
            runs[peer].append([figures[name] for name in COLD_FIGURES])

        base = runs["bare"][1:]
        return {
            peer: compared(own[1:], base, COLD_FIGURES) for peer, own in runs.items()
        }

    def imports(self, *, rounds: int) -> Figures:
        """Measure the import time of each package: `{peer: {package: ms}}`."""
        runs: dict[str, list[dict[str, float]]] = {peer: [] for peer in self.folders}
        for peer in self._turns("cold, by import", rounds):
            figures = self._run(peer, "--cold", "-X", "importtime")
            runs[peer].append(_milliseconds_by_package(figures))

        return {peer: _medians(own[1:]) for peer, own in runs.items()}

    def resumed(self, *, rounds: int) -> Figures:
        """Measure first requests after a resume. The ratios are to warm requests.

        Returns `{peer: {"wall_ms", "wall_ms_ratio", "wall_ms_spread", …}}`.
        """
        first_runs: dict[str, list[list[float]]] = {peer: [] for peer in self.folders}
        warm_runs: dict[str, list[list[float]]] = {peer: [] for peer in self.folders}
        for peer in self._turns("resumed", rounds):
            figures = self._run(peer, "--resumed", requests=1 + WARM_STARTS)
            first, *warm = figures["times"]
            first_runs[peer].append(_milliseconds(first))
            warm_runs[peer].append(_milliseconds(median(warm)))

        return {
            peer: compared(
                first_runs[peer][1:],
                warm_runs[peer][1:],
                RESUMED_FIGURES,
            )
            for peer in self.folders
        }

    def _turns(self, title: str, rounds: int) -> Iterator[str]:
        """Yield every peer once per round.

        The first round is extra: it loads the files into the page cache, and the
        figures do not include it.
        """
        for number in range(rounds + 1):
            progress(f"{title}: round {number} of {rounds}")
            yield from self.folders

    def _run(self, peer: str, mode: str, *options: str, requests: int = 1) -> Figures:
        """Run one instance and return the output of `bench.worker` and its `log`."""
        users = viewers(requests)
        seed(self.client, [*users])
        starts = [start_of(user, headers) for user, headers in users.items()]

        folder = self.folders[peer]
        of_peer = dict(self.of_service) if peer == "service" else {}
        command = isolated_command(folder, peer, mode, options=options)
        finished = subprocess.run(
            [*_without_root_privileges(), *command],
            cwd=folder,
            env=self.environment | of_peer,
            input=json.dumps(starts),
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"{peer} failed {mode}:\n{finished.stderr}")

        figures: Figures = json.loads(finished.stdout.splitlines()[-1])
        if figures["may_write"]:
            raise RuntimeError(
                f"{peer} can write to its own folder, which is read-only on Lambda."
            )
        return figures | {"log": finished.stderr}


def _milliseconds(microseconds: Any) -> list[float]:
    return [value / 1000 for value in microseconds]


def _without_root_privileges() -> list[str]:
    """Return a command prefix that makes read-only folders read-only for root too."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def _milliseconds_by_package(figures: Figures) -> dict[str, float]:
    """Return the import time of each top-level package, and of the rest."""
    _, _, log = figures["log"].partition(MEASURED_FROM_HERE)
    spent: defaultdict[str, float] = defaultdict(float)

    for microseconds, module in IMPORT_LINE.findall(log):
        package = module.split(".")[0]
        if package == "bench":
            continue
        if package in sys.stdlib_module_names:
            package = STANDARD_LIBRARY
        spent[package] += int(microseconds) / 1000

    spent[REST] = figures["wall_ms"] - sum(spent.values())
    return spent


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each package over the runs, the largest first."""
    names = {name for spent in runs for name in spent}
    medians = {}
    for name in names:
        values = [spent.get(name, 0) for spent in runs]
        medians[name] = statistics.median(values)

    return dict(sorted(medians.items(), key=lambda item: -item[1]))

"""Starts the measured processes, sends them requests and compares their times."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.engines import PROJECT
from bench.scene import viewers

type Figures = dict[str, Any]
type Times = list[tuple[float, float]]
"""Processor and wall microseconds of each call."""


class Side(NamedTuple):
    """A peer that is measured warm.

    `environment` is its complete environment. `checkout` is the folder that its code
    comes from: a checkout, or with `is_package` an unzipped package.
    """

    peer: str
    environment: dict[str, str]
    checkout: Path = PROJECT
    is_package: bool = False

    @property
    def command(self) -> list[str]:
        """The command that runs `bench.worker` for this side."""
        if self.is_package:
            return isolated_command(self.checkout, self.peer)
        return [sys.executable, "-m", "bench.worker", self.peer]


class Worker:
    """A running `bench.worker`."""

    def __init__(
        self, process: subprocess.Popen[str], *, is_package: bool = False
    ) -> None:
        self._process = process
        self._is_package = is_package

    def measure(self, *, number: int, **options: Any) -> Times:
        """Return the times of a number of calls.

        `options` are those of `bench.scene.staged`, such as `verb`.
        """
        if self._is_package:
            options["viewers"] = viewers(number)
        else:
            options["number"] = number

        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(options), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args!r} could not measure {options}")
        return [(cpu_us, wall_us) for cpu_us, wall_us in json.loads(answer)]


@contextmanager
def running[Name](sides: Mapping[Name, Side]) -> Iterator[dict[Name, Worker]]:
    """Run a worker for each side. At the end their standard input is closed."""
    with ExitStack() as stack:
        workers = {}
        for name, side in sides.items():
            process = subprocess.Popen(
                side.command,
                cwd=side.checkout,
                env=side.environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.enter_context(process)
            workers[name] = Worker(process, is_package=side.is_package)
        yield workers


def isolated_command(
    folder: Path, *arguments: str, options: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs `bench.worker` of an unzipped package.

    It imports modules of the package and of the standard library only.
    """
    program = "; ".join(
        (
            "import runpy, sys",
            f"sys.path.insert(0, {str(folder)!r})",
            f"sys.argv = {['worker', *arguments]!r}",
            "runpy.run_module('bench.worker', run_name='__main__')",
        )
    )
    return [sys.executable, "-I", "-S", *options, "-c", program]


def median(times: Times) -> tuple[float, float]:
    """Return the median processor time and the median wall time."""
    cpu_us, wall_us = zip(*times, strict=True)
    return statistics.median(cpu_us), statistics.median(wall_us)


def compared(
    runs: Sequence[Sequence[float]],
    base_runs: Sequence[Sequence[float]],
    names: Sequence[str],
) -> Figures:
    """Compare the rounds of a peer with those of the base.

    For each name the result has the median over the rounds, and the median (`_ratio`)
    and quartiles (`_spread`) of the rounds' ratios to the base.
    """
    figures: Figures = {}
    for column, name in enumerate(names):
        values = [run[column] for run in runs]
        base_values = [run[column] for run in base_runs]
        ratios = [value / base for value, base in zip(values, base_values, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        figures[name] = statistics.median(values)
        figures[f"{name}_ratio"] = middle
        figures[f"{name}_spread"] = [low, high]
    return figures


def run_module(module: str, *arguments: str, environment: dict[str, str]) -> Any:
    """Run `python -m bench.MODULE` and return the JSON of its last line."""
    finished = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *arguments],
        cwd=PROJECT,
        env=environment | {"DJANGO_SETTINGS_MODULE": "streams_project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"bench.{module} failed:\n{finished.stderr}")
    return json.loads(finished.stdout.splitlines()[-1])


def progress(text: str) -> None:
    """Show on the terminal how far the run is."""
    print(f"  {text}", file=sys.stderr, flush=True)

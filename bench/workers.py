"""The processes that are measured, how they are asked, and how what they answer is compared."""

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

Figures = dict[str, Any]
Times = list[tuple[float, float]]
"""Processor and wall microseconds of each call."""


class Side(NamedTuple):
    """What is measured warm: a peer, all that it finds in its environment, and the checkout that it is of, or its
    unzipped package."""

    peer: str
    environment: dict[str, str]
    checkout: Path = PROJECT
    is_package: bool = False

    @property
    def command(self) -> list[str]:
        """Its `bench.worker`."""
        if self.is_package:
            return alone(self.checkout, self.peer)
        return [sys.executable, "-m", "bench.worker", self.peer]


class Worker:
    """A running `bench.worker`."""

    def __init__(
        self, process: subprocess.Popen[str], *, is_package: bool = False
    ) -> None:
        self._process, self._is_package = process, is_package

    def measure(self, *, number: int, **asked: Any) -> Times:
        """The times of so many calls (`verb`, … as `bench.scene.staged` has them)."""
        asked |= (
            {"viewers": viewers(number)} if self._is_package else {"number": number}
        )
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args!r} could not measure {asked}")
        return [(cpu, wall) for cpu, wall in json.loads(answer)]


@contextmanager
def running[Name](sides: Mapping[Name, Side]) -> Iterator[dict[Name, Worker]]:
    """A worker for each side."""
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
            stack.enter_context(
                process
            )  # waits for it, when its standard input is closed
            workers[name] = Worker(process, is_package=side.is_package)
        yield workers


def alone(folder: Path, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """The command that runs `bench.worker` with nothing from outside an unzipped package."""
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = {['worker', *arguments]!r}; "
        "import runpy; runpy.run_module('bench.worker', run_name='__main__')"
    )
    return [sys.executable, "-I", "-S", *options, "-c", program]


def median(times: Times) -> tuple[float, float]:
    """The median processor and wall time."""
    cpu, wall = zip(*times, strict=True)
    return statistics.median(cpu), statistics.median(wall)


def compared(
    mine: Sequence[Sequence[float]],
    base: Sequence[Sequence[float]],
    names: Sequence[str],
) -> Figures:
    """Each figure's median over the rounds, and the median and quartiles of the rounds' ratios to the base's."""
    figures: Figures = {}
    for column, name in enumerate(names):
        ratios = [
            one[column] / other[column] for one, other in zip(mine, base, strict=True)
        ]
        low, middle, high = statistics.quantiles(ratios, n=4)
        figures[name] = statistics.median(one[column] for one in mine)
        figures[f"{name}_ratio"] = middle
        figures[f"{name}_spread"] = [low, high]
    return figures


def run_module(module: str, *arguments: str, environment: dict[str, str]) -> Any:
    """What `python -m bench.MODULE` prints, which is JSON, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *arguments],
        cwd=PROJECT,
        env=environment | {"DJANGO_SETTINGS_MODULE": "streams_project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"bench.{module} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def progress(text: str) -> None:
    """Say on the terminal where the run is."""
    print(f"  {text}", file=sys.stderr, flush=True)

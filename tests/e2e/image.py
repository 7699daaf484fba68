"""The container's image without a container engine.

`build` writes its files into a folder, and `running` runs its command.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers import PROJECT, WITHIN_SECONDS, free_port

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())

COMMIT = "4f1c2a9b7d3e5f60718293a4b5c6d7e8f9012345"
NOT_HERE = ("pip install", "useradd")
"""Steps of the build that change the machine."""


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of this name."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def command() -> list[str]:
    """Return the command that the image runs."""
    words: list[str] = json.loads(instructions("CMD")[0])
    return [sys.executable, "-m", *words]


def health_check() -> list[str]:
    """Return the command of the image's HEALTHCHECK."""
    words: list[str] = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    return [sys.executable, *words[1:]]


def variables() -> dict[str, str]:
    """Return the variables that the image sets."""
    pairs = [
        pair.split("=", 1) for line in instructions("ENV") for pair in line.split()
    ]
    return dict(pairs)


def build(folder: Path) -> None:
    """Run the steps of the Dockerfile that copy or write files."""
    lines = DOCKERFILE.splitlines()
    for line in lines:
        step, _, arguments = line.partition(" ")
        if step == "COPY":
            _copy(arguments, folder)
        if step == "RUN" and not any(name in line for name in NOT_HERE):
            _run(arguments, folder)


def _copy(arguments: str, folder: Path) -> None:
    *sources, target = arguments.split()
    for source in sources:
        path = PROJECT / source
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / target, ignore=ignored)
        else:
            shutil.copy(path, folder / target)


def _run(arguments: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-c", arguments],
        cwd=folder,
        env={"PATH": path, "COMMIT": COMMIT},
        check=True,
        timeout=WITHIN_SECONDS,
    )


@dataclass
class Container:
    """A running command of the image."""

    url: str
    port: int
    process: subprocess.Popen[bytes]

    def wait_until_ready(self) -> None:
        ends_at = time.monotonic() + WITHIN_SECONDS
        while time.monotonic() < ends_at:
            with suppress(httpx.TransportError):
                answer = httpx.get(f"{self.url}/readyz", timeout=WITHIN_SECONDS)
                assert answer.status_code == 200
                return
            time.sleep(0.1)
        raise AssertionError("it does not answer")


@contextmanager
def running(folder: Path, environment: dict[str, str]) -> Iterator[Container]:
    """Run the image's command on loopback."""
    port = free_port()
    bound = environment | {
        "PORT": str(port),
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port} --log-level warning",
    }
    with subprocess.Popen(
        command(), cwd=folder, env=bound, start_new_session=True
    ) as process:
        try:
            yield Container(f"http://127.0.0.1:{port}", port, process)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(WITHIN_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

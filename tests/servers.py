"""Servers in other processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

PROJECT = Path(__file__).parent.parent
WITHIN_SECONDS = 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def is_open(url: str) -> bool:
    try:
        socket.create_connection(
            ("127.0.0.1", int(url.rpartition(":")[2])), timeout=1
        ).close()
    except OSError:
        return False
    return True


@dataclass
class Server:
    """A running server: its process, its output at start-up, and its addresses."""

    process: subprocess.Popen[str]
    said: str
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return re.search(r"development server at (\S+)/", self.said)[1]  # type: ignore[index]

    @property
    def dynamodb(self) -> str:
        return re.search(r"DynamoDB: (\S+)", self.said)[1]  # type: ignore[index]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=WITHIN_SECONDS)


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[Server]:
    """Run a server until its start-up output is complete; kill it at the end."""
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # As in a terminal: children of a shell in the background ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if "Browse:" in line:
                    break
            # Later output is read and dropped, because a full pipe would stop it.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Server(process, said, environment)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def brief_server() -> Iterator[Server]:
    """Run a server with the shortest leases, five seconds."""
    with running(
        runserver(),
        os.environ | {"LEASE_SECONDS": "5", "PYTHONUNBUFFERED": "1"},
    ) as server:
        yield server


def runserver(port: int = 0) -> list[str]:
    """Return the command that serves, on a free port unless one is given."""
    return [
        sys.executable,
        "manage.py",
        "runserver",
        "--noreload",
        f"127.0.0.1:{port}",
    ]

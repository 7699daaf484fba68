"""Throughput and latency over HTTP: the service behind gunicorn with several workers, players' requests at constant
rates until it falls behind, and beside it what the engine takes by itself over as many connections.

Requests a second, milliseconds, and cores that each part keeps busy meanwhile."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil

from bench.engines import PROJECT
from bench.scene import environment
from bench.workers import Figures, progress, run_module

WORKERS, THREADS = 2, 4
SECONDS = 12
LISTEN_QUEUE = 1024
RATES = (25, 50, 100, 150, 200, 250, 300, 400, 500, 650, 800, 1000, 1500, 2000)
"""Requests a second; the first that is not kept up with is the last that is tried."""
FAILS_AT_MOST = 0.5
KEEPS_UP = 0.95
"""This share of what is offered must be answered before the time is over."""


def measure(endpoint: str) -> Figures:
    """`{"workers", "threads", "ceiling", "steps": [{"offered", "achieved", "failed", "latency_ms", "cores"}, …]}`."""
    progress("load: what the engine takes by itself")
    given = environment(endpoint)
    ceiling = run_module(
        "ceiling", str(WORKERS), str(THREADS), str(SECONDS), environment=given
    )
    steps = []
    with _serving(endpoint) as (url, server):
        parts = {"service": server, "engine": _listening_on(urlsplit(endpoint).port)}
        run_module("players", url, "50", "4", environment=given)  # warms up
        for rate in RATES:
            progress(f"load: {rate} requests a second")
            before = {name: _processor_seconds(part) for name, part in parts.items()}
            step = run_module(
                "players", url, str(rate), str(SECONDS), environment=given
            )
            if step["failed"] > FAILS_AT_MOST * rate * SECONDS:
                raise RuntimeError(
                    f"{step['failed']} of the requests failed at {rate} a second: nothing is measured"
                )
            busy = {
                name: _processor_seconds(part) - before[name]
                for name, part in parts.items()
            }
            busy["load"] = step.pop("busy_seconds")
            step["cores"] = {name: seconds / SECONDS for name, seconds in busy.items()}
            steps.append(step)
            if step["achieved"] < KEEPS_UP * rate:
                break
    return {"workers": WORKERS, "threads": THREADS, "ceiling": ceiling, "steps": steps}


@contextmanager
def _serving(endpoint: str) -> Iterator[tuple[str, psutil.Process]]:
    """The service on a free port of loopback: its URL and its process."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=LISTEN_QUEUE)
    command = [
        "gunicorn",
        "--worker-class",
        "gthread",
        "--workers",
        str(WORKERS),
        "--threads",
        str(THREADS),
    ]
    command += [
        "--keep-alive",
        "60",
    ]  # seconds; at two, its own default, it closes them under waiting players
    command += ["--bind", f"fd://{listener.fileno()}", "--log-level", "error"]
    with (
        listener,
        subprocess.Popen(
            [sys.executable, "-m", *command, "streams_project.wsgi"],
            cwd=PROJECT,
            pass_fds=[listener.fileno()],
            env=environment(endpoint)
            | {
                "ALLOWED_HOSTS": "127.0.0.1",
                "DJANGO_SETTINGS_MODULE": "streams_project.settings",
            }
            | {
                "MINT_INTERVAL_SECONDS": "0"
            },  # these players start one stream right after the other
        ) as process,
    ):
        try:
            yield (
                f"http://127.0.0.1:{listener.getsockname()[1]}",
                psutil.Process(process.pid),
            )
        finally:
            process.terminate()


def _listening_on(port: int | None) -> psutil.Process:
    """The process of the engine: it is only known by its address."""
    found = [
        c.pid
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == port
    ]
    return psutil.Process(found[0])


def _processor_seconds(process: psutil.Process) -> float:
    """Of a process and its children."""
    times = [part.cpu_times() for part in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))

"""Measures throughput and latency over HTTP, and the engine's own ceiling.

The service runs behind gunicorn with several workers. Players send requests at constant
rates until the service falls behind. The ceiling is the engine's rate by itself over as
many connections. The figures are requests per second, milliseconds, and the cores that
each part keeps busy.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil

from bench.engines import PROJECT
from bench.scene import environment
from bench.workers import Figures, progress, run_module

WORKERS = 2
THREADS = 4
SECONDS = 12
WARM_UP = ("50", "4")
"""Requests per second, and seconds."""
LISTEN_QUEUE = 1024
KEEP_ALIVE_SECONDS = 60
"""gunicorn's default of two seconds closes connections under waiting players."""

RATES = (25, 50, 100, 150, 200, 250, 300, 400, 500, 650, 800, 1000, 1500, 2000)
"""Requests per second. The first rate that the service cannot follow is the last."""
MAX_FAILED_SHARE = 0.5
MIN_ANSWERED_SHARE = 0.95
"""Share of the offered requests that must be answered before the time is over."""


def measure(endpoint: str) -> Figures:
    """Measure the ceiling and every rate.

    Returns `{"workers", "threads", "ceiling", "steps"}`. A step is `{"offered",
    "achieved", "failed", "latency_ms", "cores"}`.
    """
    progress("load: the engine by itself")
    variables = environment(endpoint)
    ceiling = run_module(
        "ceiling",
        str(WORKERS),
        str(THREADS),
        str(SECONDS),
        environment=variables,
    )

    steps = []
    with _serving(endpoint) as (url, server):
        engine = _process_listening_on(urlsplit(endpoint).port)
        parts = {"service": server, "engine": engine}
        run_module("players", url, *WARM_UP, environment=variables)

        for rate in RATES:
            step = _step(url, rate, parts, variables)
            steps.append(step)
            if step["achieved"] < MIN_ANSWERED_SHARE * rate:
                break

    return {"workers": WORKERS, "threads": THREADS, "ceiling": ceiling, "steps": steps}


def _step(
    url: str,
    rate: int,
    parts: Mapping[str, psutil.Process],
    variables: dict[str, str],
) -> Figures:
    """Send requests at one rate and return the figures."""
    progress(f"load: {rate} requests per second")
    before = {name: _processor_seconds(part) for name, part in parts.items()}
    step = run_module("players", url, str(rate), str(SECONDS), environment=variables)

    if step["failed"] > MAX_FAILED_SHARE * rate * SECONDS:
        raise RuntimeError(
            f"{step['failed']} requests failed at {rate} per second. "
            "The figures would have no meaning."
        )

    busy_seconds = {
        name: _processor_seconds(part) - before[name] for name, part in parts.items()
    }
    busy_seconds["load"] = step.pop("busy_seconds")
    step["cores"] = {name: busy / SECONDS for name, busy in busy_seconds.items()}
    return step


@contextmanager
def _serving(endpoint: str) -> Iterator[tuple[str, psutil.Process]]:
    """Serve on a free port of loopback. Yield the URL and the process."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=LISTEN_QUEUE)
    variables = environment(endpoint) | {
        "ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
        "MINT_INTERVAL_SECONDS": "0",  # these players start streams back to back
        "HEARTBEAT_BURST": "1000",
    }
    with (
        listener,
        subprocess.Popen(
            _gunicorn_command(listener),
            cwd=PROJECT,
            pass_fds=[listener.fileno()],
            env=variables,
        ) as process,
    ):
        port = listener.getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.terminate()


def _gunicorn_command(listener: socket.socket) -> list[str]:
    options = {
        "--worker-class": "streams_project.gunicorn_worker.WaitressWorker",
        "--workers": str(WORKERS),
        "--threads": str(THREADS),
        "--keep-alive": str(KEEP_ALIVE_SECONDS),
        "--bind": f"fd://{listener.fileno()}",
        "--log-level": "error",
    }
    command = [sys.executable, "-m", "gunicorn"]
    for name, value in options.items():
        command += [name, value]
    return [*command, "streams_project.wsgi"]


def _process_listening_on(port: int | None) -> psutil.Process:
    """Return the engine's process, which is known only by its port."""
    for connection in psutil.net_connections("tcp"):
        is_listening = connection.status == psutil.CONN_LISTEN
        if is_listening and connection.laddr.port == port:
            return psutil.Process(connection.pid)
    raise RuntimeError(f"no process listens on port {port}")


def _processor_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process and its children."""
    total = 0.0
    for part in (process, *process.children(recursive=True)):
        times = part.cpu_times()
        total += times.user + times.system
    return total

"""The configuration of gunicorn in the container.

`WEB_CONCURRENCY` (workers), `PORT` and `GUNICORN_CMD_ARGS` take precedence.
"""

import os
import shutil
import tempfile
from typing import Any

from streams_project.environment import VARIABLES

# gunicorn imports the worker, which needs the settings, before the application.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")

wsgi_app = "streams_project.wsgi"
worker_class = "streams_project.gunicorn_worker.WaitressWorker"

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
"""Two for each virtual processor."""
threads = 8
"""They wait for DynamoDB."""
worker_connections = 900
"""Within the usual limit of 1,024 open files."""
keepalive = 75
"""Longer than a load balancer's 60 s, so that it closes an idle connection first."""
timeout = 30
"""Seconds after which a worker that hangs is replaced."""
graceful_timeout = 25
"""Time for the requests in flight after SIGTERM: 15 s to arrive, 8 s to be answered."""

worker_tmp_dir = "/dev/shm"  # noqa: S108  # in memory: a heartbeat needs no disk
control_socket_disable = True

METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"


def _metrics_folder() -> str | None:
    """Create the folder in which the workers combine their metrics, if necessary.

    prometheus_client looks for its variable when a worker imports it. A new folder
    contains no counts of earlier processes with the same numbers.
    """
    is_used = VARIABLES["METRICS"].read(os.environ) == "prometheus"
    if not is_used or VARIABLES[METRICS_DIR].read(os.environ):
        return None

    folder = tempfile.mkdtemp(prefix="prometheus-", dir=worker_tmp_dir)
    os.environ[METRICS_DIR] = folder
    return folder


_own_folder = _metrics_folder()


def on_exit(server: Any) -> None:
    """Delete the folder."""
    if _own_folder:
        shutil.rmtree(_own_folder, ignore_errors=True)

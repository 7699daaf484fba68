"""HTTP servers of WSGI applications in threads of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from streams_project import http_server
from streams_project.wsgi import application

THREADS = 64
"""Tests that hold calls back hold back as many at once."""


class RunningServer:
    """The server that ships, in a thread."""

    def __init__(self, application: Any, *, threads: int = THREADS) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self.listener.getsockname()[1]
        self._map: dict[int, Any] = {}
        self.server = http_server.create(
            application, self.listener, self._map, threads=threads
        )
        self._is_alive = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self, *, seconds: float = 10) -> None:
        """Stop as gunicorn's worker does after SIGTERM."""
        self._seconds = seconds
        self._is_alive = False
        with suppress(OSError):  # it has stopped
            self.server.pull_trigger()
        self._thread.join()

    def _run(self) -> None:
        while self._is_alive:
            http_server.turn(self._map)
        http_server.finish([self.server], self._map, seconds=self._seconds)


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """Serve a WSGI application on a free port and give its URL."""
    running = RunningServer(application)
    try:
        yield running.url
    finally:
        running.stop(seconds=0)


@contextmanager
def serving_under(prefix: str) -> Iterator[str]:
    """Serve the service under a path (`/test`), as a stage of API Gateway does."""

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
        return application(environ, start_response)

    with serving(mounted) as url:
        yield url + prefix

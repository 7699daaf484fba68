"""The worker of gunicorn that runs `http_server`.

gunicorn starts the workers, replaces one that ends or hangs, and stops them.
"""

import os
from typing import Any, override

from gunicorn.workers.base import Worker

from streams_project import http_server


class WaitressWorker(Worker):
    """A process that reads requests in one thread and answers them in several."""

    @override
    def run(self) -> None:
        """Serve until gunicorn stops this worker or ends itself."""
        map: dict[int, Any] = {}
        servers = [
            http_server.create(
                self.wsgi,
                listener.sock,
                map,
                threads=self.cfg.threads,
                connections=self.cfg.worker_connections,
            )
            for listener in self.sockets
        ]
        for server in servers:
            server.idle_seconds = self.cfg.keepalive

        while self.alive and self.ppid == os.getppid():
            http_server.turn(map)
            self.notify()

        http_server.finish(
            servers,
            map,
            seconds=self.cfg.graceful_timeout,
            after_turn=self.notify,
        )

"""`manage.py runserver`: the service on this machine, with a table and two demo users."""

import errno
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.runserver import Command as RunServer
from django.core.servers.basehttp import WSGIServer

from streams.rules import EPOCHS_PER_MS, Plans, StartRequest
from streams.service import store
from streams.storage.store import StreamStore, create_table

LOOPBACK = ("", "127.0.0.1", "localhost", "[::1]")
OPEN = "Open to everyone on this machine: local development, without authentication."
CLOSED = "Callers must authenticate."

DEMO_LEASE_MS = 3_600_000
"""The demo users have no player that sends heartbeats, so their streams get an hour."""
DEMO_STREAMS = {
    "user1": [("tv", "Living room TV", "The Great Escape")],
    "user2": [
        ("tv", "Living room TV", "News"),
        ("phone", "Ana's phone", "Cartoons"),
        ("web", "Laptop", "Chess live"),
    ],
}


class PatientServer(WSGIServer):
    """Django's server, with room for a burst of connections: its own queue of ten refuses the eleventh."""

    request_queue_size = 1024


class Command(RunServer):
    """Serve locally."""

    server_cls = PatientServer
    addr: str
    port: str
    use_ipv6: bool
    help = "Serves the API on this machine. Starts an embedded DynamoDB when none is configured."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--exit-with-parent",
            action="store_true",
            help="Stop when the process that started this one is gone.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["exit_with_parent"]:
            _exit_with_parent()
        host = options["addrport"].rpartition(":")[0] if options["addrport"] else ""
        if settings.OPEN_ACCESS and host not in LOOPBACK:
            raise CommandError(
                f"Without authentication the service is served on loopback only, not on {host}. Use 127.0.0.1, or set "
                "AUTH_JWT_SECRETS, AUTH_JWKS or API_KEYS."
            )
        if settings.DYNAMODB_ENDPOINT:
            create_table()
            if store.is_empty():
                load_demo_users(store)
        super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        try:
            socket.create_server(
                (self.addr, int(self.port)),
                family=socket.AF_INET6 if self.use_ipv6 else socket.AF_INET,
            ).close()
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:  # Django has words for the others
                return super().run(**options)
            raise CommandError(
                f"Port {self.port} is taken. Choose another: PORT={int(self.port) + 1} make run"
            ) from exc
        return super().run(**options)

    def on_bind(self, server_port: int) -> None:
        super().on_bind(server_port)
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        url = f"http://{host}:{server_port}"
        self.stdout.write(
            f"{OPEN if settings.OPEN_ACCESS else CLOSED}\n"
            f"DynamoDB: {settings.DYNAMODB_ENDPOINT or 'Amazon, ' + settings.AWS_REGION}\n"
            f"Try it (three are admitted, the fourth is a 409):\n"
            "  curl -X POST -H 'Content-Type: application/json' -d '{\"streamId\":\"456\"}' "
            f"{url}/users/123/streams\n"
            f"Or look: {url}/users/user2/streams"
        )


def load_demo_users(store: StreamStore) -> None:
    """`user1` with one live stream, `user2` with three, whatever the policy is."""
    patient = replace(
        store,
        plans=Plans(
            default=replace(store.plans.default, limit=3, lease_ms=DEMO_LEASE_MS)
        ),
    )
    now = time.time_ns() // 1_000_000
    for user_id, streams in DEMO_STREAMS.items():
        for device_type, device_name, title in streams:
            request = StartRequest(
                id=f"demo-{device_type}",
                stream_id=title.lower().replace(" ", "-"),
                device_id=f"demo-{device_type}",
                device_name=device_name,
                device_type=device_type,
                title=title,
                epoch=now * EPOCHS_PER_MS,
                nonce="demo",
            )
            patient.start(user_id, request, now=now)


def _exit_with_parent() -> None:
    """`make` may be killed in a way that reaches it alone; then nobody would be left to stop this process."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()

"""`manage.py runserver`: the service on this machine, with a table and demo users."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from typing import Any, override

from django.conf import settings as django_settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.runserver import Command as RunServer

from streams import service
from streams.conf import settings
from streams.errors import StoreUnavailable
from streams.rules import EPOCHS_PER_MS, Plan, Plans, StartRequest, WhenFull
from streams.storage.store import StreamStore, create_table
from streams.wsgi import Application
from streams_project import http_server
from streams_project.local_dynamodb import is_listening
from streams_project.management.local_command import LocalDynamoDBCommand

access_log = logging.getLogger("django.server")

MAX_PORT = 65_535
THREADS = 16
ENGINE_CHECK_SECONDS = 2
LOOPBACK = ("", "127.0.0.1", "localhost", "[::1]")
OPEN = (
    "Open access: every user of this machine can call the API. "
    "Configure authentication to close it."
)
CLOSED = "Callers must authenticate."

DEMO_LEASE_MS = 3_600_000
"""The demo users have no player that sends heartbeats, so their lease is an hour."""
DEMO_STREAMS = {
    "user1": [("tv", "Living room TV", "The Great Escape")],
    "user2": [
        ("tv", "Living room TV", "News"),
        ("phone", "Ana's phone", "Cartoons"),
        ("web", "Laptop", "Chess live"),
    ],
}


class LoggedAnswer(http_server.Answer):
    """An answer that leaves a line for the developer."""

    @override
    def finish(self) -> None:
        super().finish()
        line = self.request.first_line.decode("latin-1")
        size = self.content_bytes_written
        access_log.info('"%s" %s %d', line, self.status.partition(" ")[0], size)


class LoggedConnection(http_server.Connection):
    """A connection whose answers leave a line."""

    task_class = LoggedAnswer


class LocalServer:
    """The container's server, as Django's command starts one."""

    def __init__(
        self, address: tuple[str, int], handler: type, *, ipv6: bool = False
    ) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self.listener = socket.create_server(address, family=family)
        self.server_port: int = self.listener.getsockname()[1]

    def set_app(self, application: Application) -> None:
        """Set the application to serve."""
        self.application = application

    def serve_forever(self) -> None:
        """Serve until the process ends."""
        map: dict[int, Any] = {}
        server = http_server.create(
            self.application, self.listener, map, threads=THREADS
        )
        server.channel_class = LoggedConnection
        while True:
            http_server.turn(map)


class Command(LocalDynamoDBCommand, RunServer):
    """Serve the API on this machine."""

    is_brief = False
    server_cls = LocalServer  # type: ignore[assignment]  # what Django uses of one
    addr: str
    port: str
    use_ipv6: bool
    help = (
        "Serves the API on this machine, and starts an embedded DynamoDB if no "
        "database is configured."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--exit-with-parent",
            action="store_true",
            help="Stop when the parent process ends.",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if options["exit_with_parent"]:
            _exit_with_parent()

        host = (options["addrport"] or "").rpartition(":")[0]
        is_closed = not settings.OPEN_ACCESS or django_settings.PRIVATE_NETWORK
        if not is_closed and host not in LOOPBACK:
            raise CommandError(
                "Without authentication the service listens on loopback only, not on "
                f"{host}. Use 127.0.0.1, or set AUTH_JWT_SECRETS, AUTH_JWKS or "
                "API_KEYS, or PRIVATE_NETWORK=1."
            )

        if settings.DYNAMODB_ENDPOINT:
            _prepare_table(settings.DYNAMODB_ENDPOINT)
            if not self.has_own_engine:
                _exit_without(settings.DYNAMODB_ENDPOINT)
        super().handle(*args, **options)

    @override
    def run(self, **options: Any) -> None:
        """Refuse a port that is in use or does not exist, then serve."""
        if not int(self.port) <= MAX_PORT:
            raise CommandError(
                f"Port {self.port} does not exist. Choose one up to {MAX_PORT}: "
                "PORT=8000 make run"
            )
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        try:
            socket.create_server((self.addr, int(self.port)), family=family).close()
        except OSError as exc:
            # Django reports the other errors.
            if exc.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {self.port} is in use. "
                    f"Choose another: PORT={int(self.port) + 1} make run"
                ) from exc
        super().run(**options)

    @override
    def on_bind(self, server_port: int) -> None:
        super().on_bind(server_port)
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        url = f"http://{host}:{server_port}"
        endpoint = settings.DYNAMODB_ENDPOINT or f"Amazon, {settings.AWS_REGION}"
        self.stdout.write(
            f"{OPEN if settings.OPEN_ACCESS else CLOSED}\n"
            f"DynamoDB: {endpoint}\n"
            f"Start a stream ({effect_of_limit(settings.PLANS.default)}):\n"
            f"  {example_call(url)}\n"
            f"Browse: {url}/users/user2/streams"
        )


def effect_of_limit(plan: Plan) -> str:
    """Return what happens to the start after the last one that the plan admits."""
    if plan.when_full is WhenFull.EVICT_OLDEST and plan.limit:
        return f"start {plan.limit + 1} ends the oldest stream"
    return f"start {plan.limit + 1} gets 409"


def example_call(url: str) -> str:
    """Return a call of curl with the credentials that the configuration requires."""
    credentials = ""
    if settings.API_KEYS:
        credentials = "-H 'X-API-Key: YOUR-KEY' "
    elif not settings.OPEN_ACCESS:
        credentials = "-H 'Authorization: Bearer YOUR-TOKEN' "
    return (
        f"curl -X POST {credentials}-H 'Content-Type: application/json' "
        f'-d \'{{"streamId":"456"}}\' {url}/users/123/streams'
    )


def _prepare_table(endpoint: str) -> None:
    """Create the table and the demo users, or raise `CommandError`."""
    try:
        create_table()
        if service.store.is_empty():
            load_demo_users(service.store)
    except StoreUnavailable as exc:
        raise CommandError(
            f"DynamoDB does not answer at {endpoint}. Start it, or unset "
            "DYNAMODB_ENDPOINT and AWS_ENDPOINT_URL for the embedded engine."
        ) from exc


def _exit_without(endpoint: str) -> None:
    """Stop this process when the engine that another process runs stops."""

    def watch() -> None:
        while is_listening(endpoint):
            time.sleep(ENGINE_CHECK_SECONDS)
        sys.stderr.write(
            f"The DynamoDB at {endpoint} stopped with the process that started it. "
            "Start this server again.\n"
        )
        sys.stderr.flush()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def load_demo_users(store: StreamStore) -> None:
    """Start one stream of `user1` and three of `user2`, under any plans."""
    default = replace(store.plans.default, limit=3, lease_ms=DEMO_LEASE_MS)
    patient_store = replace(store, plans=Plans(default=default))

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
            patient_store.start(user_id, request, now=now)


def _exit_with_parent() -> None:
    """Stop this process when its parent ends.

    `make` may be killed alone, and would leave this process running.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()

"""A proxy between the service and a real DynamoDB engine that causes faults.

It does to requests what networks and servers do. It reads HTTP as DynamoDB's
clients write it: one signed POST per call, with the operation in a header. It does
not sign requests again, because local engines ignore signatures.
"""

import http.client
import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

type StatusAndBody = tuple[int, bytes]
type Act = Callable[["Exchange"], None]
"""Handles a request in place of the engine."""

DELAY_SECONDS = 0.05
DRIP_SECONDS = 0.04
THROTTLED = "ProvisionedThroughputExceededException"


@dataclass
class Exchange:
    """A request that the proxy received, and the ways to handle it."""

    proxy: "Proxy"
    handler: BaseHTTPRequestHandler
    body: bytes

    @property
    def user_id(self) -> str:
        """The user whose item the request reads or writes."""
        key = json.loads(self.body)["Key"]
        user_id: str = key["user_id"]["S"]
        return user_id

    def execute(self) -> StatusAndBody:
        """Pass the request to the engine and return its answer."""
        headers = dict(self.handler.headers.items())
        return self.proxy.pass_on(headers, self.body)

    def answer(self, status: int, body: bytes) -> None:
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", "application/x-amz-json-1.0")
        self.handler.send_header("Content-Length", str(len(body)))
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def reset(self) -> None:
        """Reset the connection (RST), as a machine does after a power failure."""
        self.handler.close_connection = True
        link = self.handler.connection
        with suppress(OSError):
            link.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )

        self.proxy.drop(link)

    def be_silent(self) -> None:
        """Send no answer, and wait until the client closes the connection."""
        self.handler.close_connection = True
        with suppress(OSError):
            self.handler.connection.recv(1)


def refusal(code: str) -> bytes:
    body = {
        "__type": f"com.amazonaws.dynamodb.v20120810#{code}",
        "message": "a fault of the test",
    }
    return json.dumps(body).encode()


def _reset_before(exchange: Exchange) -> None:
    exchange.reset()


def _reset_after(exchange: Exchange) -> None:
    exchange.execute()
    exchange.reset()


def _lost(exchange: Exchange) -> None:
    exchange.execute()
    exchange.be_silent()


def _late(exchange: Exchange) -> None:
    exchange.proxy.keep(exchange)
    exchange.reset()


def _twice(exchange: Exchange) -> None:
    exchange.execute()
    exchange.answer(*exchange.execute())


def _twice_first_answer(exchange: Exchange) -> None:
    answered = exchange.execute()
    exchange.execute()
    exchange.answer(*answered)


def _delayed(exchange: Exchange) -> None:
    threading.Event().wait(DELAY_SECONDS)
    exchange.answer(*exchange.execute())


def _dripped(exchange: Exchange) -> None:
    _, body = exchange.execute()
    exchange.handler.close_connection = True
    with suppress(OSError):
        exchange.handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        for byte in body:
            exchange.handler.wfile.write(bytes([byte]))
            threading.Event().wait(DRIP_SECONDS)


def _truncated(exchange: Exchange) -> None:
    status, body = exchange.execute()
    with suppress(OSError):
        exchange.handler.send_response(status)
        exchange.handler.send_header("Content-Length", str(len(body)))
        exchange.handler.end_headers()
        half = len(body) // 2
        exchange.handler.wfile.write(body[:half])

    exchange.handler.close_connection = True


def _hung(exchange: Exchange) -> None:
    exchange.be_silent()


def _unknown_item(exchange: Exchange) -> None:
    status, body = exchange.execute()
    exchange.answer(status, UNKNOWN_ITEM if status == 200 else body)


def _answering(status: int, body: bytes, *, is_executed: bool) -> Act:
    def act(exchange: Exchange) -> None:
        if is_executed:
            exchange.execute()
        exchange.answer(status, body)

    return act


UNKNOWN_ITEM = (
    b'{"ConsumedCapacity": {}, "Item": {"l": []}, "Attributes": {"l": 3, "p": null}}'
)
PAGE = b"<html><body>502 Bad Gateway</body></html>"
ACTS: dict[str, Act] = {
    "reset before": _reset_before,
    "reset after": _reset_after,
    "lost answer": _lost,
    "late": _late,
    "very late": _late,
    "twice": _twice,
    "twice, first answer": _twice_first_answer,
    "delayed": _delayed,
    "dripped": _dripped,
    "truncated": _truncated,
    "hung": _hung,
    "500": _answering(500, refusal("InternalServerError"), is_executed=False),
    "500 after": _answering(500, refusal("InternalServerError"), is_executed=True),
    "503": _answering(503, PAGE, is_executed=False),
    "503 after": _answering(503, PAGE, is_executed=True),
    "throttled": _answering(400, refusal(THROTTLED), is_executed=False),
    "refused": _answering(400, refusal("AccessDeniedException"), is_executed=False),
    "null": _answering(200, b"null", is_executed=True),
    "list": _answering(200, b"[]", is_executed=True),
    "{}": _answering(200, b"{}", is_executed=True),
    "HTML": _answering(200, PAGE, is_executed=True),
    "a string": _answering(200, b'"ok"', is_executed=True),
    "unknown item": _unknown_item,
    "400 null": _answering(400, b"null", is_executed=True),
    "null, not executed": _answering(200, b"null", is_executed=False),
    "{}, not executed": _answering(200, b"{}", is_executed=False),
}
"""Faults of the network and the engine.

The proxy keeps `late` and `very late` requests until `Proxy.deliver`.
"""
ELSEWHERE = ("TLS broken", "DNS gone", "connection refused")
"""Faults that prevent a request. The client causes them: see `client.py`."""
FAULTS = (*ACTS, *ELSEWHERE)


@dataclass(frozen=True)
class Fault:
    """A fault and the requests that it hits: one, or with `onwards` all from there.

    The first request of a user has the number 1.
    """

    kind: str
    first: int = 1
    onwards: bool = True

    def hits(self, number: int) -> bool:
        if self.onwards:
            return number >= self.first
        return number == self.first

    def __str__(self) -> str:
        preposition = "from" if self.onwards else "at"
        return f"{self.kind} {preposition} {self.first}"


@dataclass
class Proxy:
    """Passes requests to an engine, with the fault of their user.

    For a user without a fault, `choose` returns the kind of a fault or "".
    """

    engine: str
    choose: Callable[[], str] = lambda: ""
    done: Counter[str] = field(default_factory=Counter)
    """Number of faults that happened, by kind."""
    faults: dict[str, Fault] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    """Number of requests of a user since its fault was set."""
    kept: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        proxy = self
        self._local = threading.local()
        self._lock = threading.Lock()
        self._links: set[socket.socket] = set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                proxy._links.add(self.connection)

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                body = self.rfile.read(size)
                proxy._exchange(Exchange(proxy, self, body))
                with suppress(OSError, ValueError):
                    self.wfile.flush()

            def finish(self) -> None:
                proxy._links.discard(self.connection)
                with suppress(OSError, ValueError):
                    super().finish()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a connection that was reset

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def set(self, user_id: str, fault: Fault | None) -> None:
        """Set or clear the fault of a user, and count its requests from 0."""
        with self._lock:
            self.numbers[user_id] = 0
            self.faults.pop(user_id, None)
            if fault is not None:
                self.faults[user_id] = fault

    def keep(self, exchange: Exchange) -> None:
        with self._lock:
            headers = dict(exchange.handler.headers.items())
            self.kept.append((exchange.user_id, headers, exchange.body))

    def deliver(self, user_id: str | None = None) -> None:
        """Pass on the kept requests of one user or of all, and drop the answers."""
        with self._lock:
            kept = [late for late in self.kept if user_id in (None, late[0])]
            self.kept = [late for late in self.kept if late not in kept]
        for _, headers, body in kept:
            self.pass_on(headers, body)

    def pass_on(self, headers: dict[str, str], body: bytes) -> StatusAndBody:
        for is_last in (False, True):
            connection = getattr(self._local, "connection", None)
            if connection is None:
                at = urlsplit(self.engine)
                connection = self._local.connection = http.client.HTTPConnection(
                    at.hostname or "", at.port, timeout=30
                )
            try:
                connection.request("POST", "/", body, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.connection = None
                if is_last:
                    raise
        raise AssertionError("it returns or raises")

    def drop(self, link: socket.socket) -> None:
        """Close a connection now, even if another object refers to it."""
        self._links.discard(link)
        with suppress(OSError):
            os.close(link.detach())

    def _exchange(self, exchange: Exchange) -> None:
        user_id = exchange.user_id
        with self._lock:
            self.numbers[user_id] += 1
            kind = self._kind_for(user_id)
            act = ACTS.get(kind)
            self.done[kind] += act is not None

        if act is None:
            exchange.answer(*exchange.execute())
        else:
            act(exchange)

    def _kind_for(self, user_id: str) -> str:
        """Return the kind of fault for the current request of a user, or ""."""
        fault = self.faults.get(user_id)
        if fault is None:
            return self.choose()
        return fault.kind if fault.hits(self.numbers[user_id]) else ""


@contextmanager
def proxying(engine: str) -> Iterator[Proxy]:
    """Run a proxy to the engine."""
    proxy = Proxy(engine)
    thread = threading.Thread(
        target=proxy._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield proxy
    finally:
        proxy._server.shutdown()
        for link in list(proxy._links):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        thread.join()
        proxy._server.server_close()

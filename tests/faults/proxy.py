"""A proxy between the service and a real DynamoDB engine, that does to a request what networks and servers do.

It reads HTTP as DynamoDB's clients speak it: one signed POST for each call, the operation in a header. Nothing is
signed anew, since local engines do not look at signatures.
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
"""Status and body."""
type Act = Callable[["Exchange"], None]
"""What is done with a request in place of passing it on."""

DELAY_SECONDS, DRIP_SECONDS = 0.05, 0.04
THROTTLED = "ProvisionedThroughputExceededException"


@dataclass
class Exchange:
    """A request that was received, and what can be done with it."""

    proxy: "Proxy"
    handler: BaseHTTPRequestHandler
    body: bytes

    @property
    def user_id(self) -> str:
        """Whose item it is about."""
        user_id: str = json.loads(self.body)["Key"]["user_id"]["S"]
        return user_id

    def carry_out(self) -> StatusAndBody:
        """Pass it on to the engine."""
        return self.proxy.pass_on(dict(self.handler.headers.items()), self.body)

    def answer(self, status: int, body: bytes) -> None:
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", "application/x-amz-json-1.0")
        self.handler.send_header("Content-Length", str(len(body)))
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def reset(self) -> None:
        """End the connection as a machine does that has lost power: RST, and not FIN."""
        self.handler.close_connection = True
        link = self.handler.connection
        with suppress(OSError):
            link.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.proxy.drop(link)

    def be_silent(self) -> None:
        """Say nothing until the caller hangs up."""
        self.handler.close_connection = True
        with suppress(OSError):
            self.handler.connection.recv(1)


def refusal(code: str) -> bytes:
    return json.dumps(
        {
            "__type": f"com.amazonaws.dynamodb.v20120810#{code}",
            "message": "as it was told",
        }
    ).encode()


def _reset_before(it: Exchange) -> None:
    it.reset()


def _reset_after(it: Exchange) -> None:
    it.carry_out()
    it.reset()


def _lost(it: Exchange) -> None:
    it.carry_out()
    it.be_silent()


def _late(it: Exchange) -> None:
    it.proxy.keep(it)
    it.reset()


def _twice(it: Exchange) -> None:
    it.carry_out()
    it.answer(*it.carry_out())


def _twice_first_answer(it: Exchange) -> None:
    answered = it.carry_out()
    it.carry_out()
    it.answer(*answered)


def _delayed(it: Exchange) -> None:
    threading.Event().wait(DELAY_SECONDS)
    it.answer(*it.carry_out())


def _dripped(it: Exchange) -> None:
    _, body = it.carry_out()
    it.handler.close_connection = True
    with suppress(OSError):
        it.handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        for byte in body:
            it.handler.wfile.write(bytes([byte]))
            threading.Event().wait(DRIP_SECONDS)


def _truncated(it: Exchange) -> None:
    status, body = it.carry_out()
    with suppress(OSError):
        it.handler.send_response(status)
        it.handler.send_header("Content-Length", str(len(body)))
        it.handler.end_headers()
        it.handler.wfile.write(body[: len(body) // 2])
    it.handler.close_connection = True


def _hung(it: Exchange) -> None:
    it.be_silent()


def _no_item_of_ours(it: Exchange) -> None:
    status, body = it.carry_out()
    it.answer(status, NO_ITEM_OF_OURS if status == 200 else body)


def _says(status: int, body: bytes, *, is_carried_out: bool) -> Act:
    def act(it: Exchange) -> None:
        if is_carried_out:
            it.carry_out()
        it.answer(status, body)

    return act


NO_ITEM_OF_OURS = (
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
    "500": _says(500, refusal("InternalServerError"), is_carried_out=False),
    "500 after": _says(500, refusal("InternalServerError"), is_carried_out=True),
    "503": _says(503, PAGE, is_carried_out=False),
    "503 after": _says(503, PAGE, is_carried_out=True),
    "throttled": _says(400, refusal(THROTTLED), is_carried_out=False),
    "refused": _says(400, refusal("AccessDeniedException"), is_carried_out=False),
    "null": _says(200, b"null", is_carried_out=True),
    "list": _says(200, b"[]", is_carried_out=True),
    "{}": _says(200, b"{}", is_carried_out=True),
    "HTML": _says(200, PAGE, is_carried_out=True),
    "a string": _says(200, b'"ok"', is_carried_out=True),
    "no item of ours": _no_item_of_ours,
    "400 null": _says(400, b"null", is_carried_out=True),
    "null, not carried out": _says(200, b"null", is_carried_out=False),
    "{}, not carried out": _says(200, b"{}", is_carried_out=False),
}
"""Faults of the network and the engine, by name. `late` and `very late` are delivered when they are asked for."""
ELSEWHERE = ("TLS broken", "DNS gone", "connection refused")
"""Faults that keep a request from being sent, so that the client has to meet them: see `client.py`."""
FAULTS = (*ACTS, *ELSEWHERE)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and at which requests: the first is 1. With `onwards` all that follow too."""

    kind: str
    first: int = 1
    onwards: bool = True

    def hits(self, number: int) -> bool:
        return number >= self.first if self.onwards else number == self.first

    def __str__(self) -> str:
        return f"{self.kind} {'from' if self.onwards else 'at'} {self.first}"


@dataclass
class Proxy:
    """Passes requests on to an engine. A user's requests meet the user's fault, and where there is none, what `choose`
    picks, the name of a fault or nothing."""

    engine: str
    choose: Callable[[], str] = lambda: ""
    done: Counter[str] = field(default_factory=Counter)
    """Faults that happened, by kind."""
    faults: dict[str, Fault] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    """Requests of a user since the user's fault was set."""
    kept: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        proxy = self
        self._local, self._lock = threading.local(), threading.Lock()
        self._links: set[socket.socket] = set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                proxy._links.add(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
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
        """Have this go wrong for a user from now on, or nothing."""
        with self._lock:
            self.numbers[user_id] = 0
            self.faults.pop(user_id, None)
            if fault is not None:
                self.faults[user_id] = fault

    def keep(self, it: Exchange) -> None:
        with self._lock:
            self.kept.append((it.user_id, dict(it.handler.headers.items()), it.body))

    def deliver(self, user_id: str | None = None) -> None:
        """Pass on what was kept, of one user or of all; nobody hears the answers."""
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
        """Close it now, whoever else still refers to it."""
        self._links.discard(link)
        with suppress(OSError):
            os.close(link.detach())

    def _exchange(self, it: Exchange) -> None:
        user_id = it.user_id
        with self._lock:
            self.numbers[user_id] += 1
            fault = self.faults.get(user_id)
            kind = (
                self.choose()
                if fault is None
                else fault.kind
                if fault.hits(self.numbers[user_id])
                else ""
            )
            act = ACTS.get(kind)
            self.done[kind] += act is not None
        if act is None:
            it.answer(*it.carry_out())
        else:
            act(it)


@contextmanager
def proxying(engine: str) -> Iterator[Proxy]:
    """A running proxy to the engine."""
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

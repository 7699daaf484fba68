"""Services that answer the request for keys in the ways that services fail."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

DRIP_SECONDS = 0.2


type Answer = bytes | Callable[[socket.socket], None]
"""An answer, or the way to send it."""


class KeyService:
    """A server that gives a chosen answer at each path."""

    def __init__(self) -> None:
        self.requests = 0
        self.answers: dict[str, Answer] = {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}{path}"

    def close(self) -> None:
        # The call wakes `accept`, which closing alone does not.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.requests += 1
            threading.Thread(
                target=self._answer, args=[connection], daemon=True
            ).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            _, _, target = connection.recv(65536).decode().partition(" ")
            answer = self.answers.get(target.partition(" ")[0], b"")
            if isinstance(answer, bytes):
                connection.sendall(answer)
            else:
                answer(connection)


@contextmanager
def key_service() -> Iterator[KeyService]:
    service = KeyService()
    try:
        yield service
    finally:
        service.close()


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def drip(first: bytes) -> Callable[[socket.socket], None]:
    """Send the first bytes, then a space at a time."""

    def send(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(100):
            time.sleep(DRIP_SECONDS)
            connection.sendall(b" ")

    return send


def hang(connection: socket.socket) -> None:
    """Send no answer until the client closes the connection."""
    connection.recv(1)


BAD_ANSWERS: dict[str, Answer] = {
    "an error": http(b"{}", "500 Internal Server Error"),
    "not found": http(b"<html>", "404 Not Found"),
    "an empty set": http(b'{"keys": []}'),
    "no set": http(b"{}"),
    "null": http(b"null"),
    "a list": http(b"[1, 2]"),
    "keys that are no list": http(b'{"keys": {"kid": 1}}'),
    "keys of other types": http(b'{"keys": [null, 1, "x", {}, {"kty": "RSA"}]}'),
    "a key without a point": http(b'{"keys":[{"kty":"EC","crv":"P-256","kid":"a"}]}'),
    "not JSON": http(b"<html>"),
    "nested JSON": http(b"[" * 60_000),
    "not UTF-8": http(b"\xff\xfe{"),
    "cut off": http(b'{"keys": [').replace(b"Length: 10", b"Length: 999"),
    "too large": http(b" " * 70_000 + b'{"keys": []}'),
    "a redirect": http(b"", "302 Found", "Location: http://127.0.0.1:1/other"),
    "no HTTP": b"220 smtp ready\r\n",
    "no bytes": b"",
    "no answer": hang,
    "a slow head": drip(b"HTTP/1.1 200 OK\r\nX: "),
    "a slow body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"),
}
"""Answers without a key that verifies a token."""

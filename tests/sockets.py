"""Callers that send their requests slowly, over sockets."""

import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

PORT = re.compile(r":(\d+)")


class Caller:
    """One connection, and what it received."""

    def __init__(self, url: str, *, seconds: float = 20) -> None:
        port = PORT.findall(url)[-1]
        self.socket = socket.create_connection(("127.0.0.1", int(port)), seconds)

    def send(self, data: bytes) -> "Caller":
        self.socket.sendall(data)
        return self

    def answer(self, *, has_body: bool = True) -> httpx.Response:
        """Return the next answer. The connection stays open."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"the server closed the connection after {head!r}"
            head += byte
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(header.split(": ", 1) for header in lines if header)
        length = int(headers.get("Content-Length", 0)) if has_body else 0
        body = b""
        while len(body) < length:
            body += self.socket.recv(length - len(body))
        return httpx.Response(int(line.split()[1]), headers=headers, content=body)

    def rest(self) -> bytes:
        """Return everything until the server closes the connection."""
        return b"".join(iter(lambda: self.socket.recv(65536), b""))

    def has_answer(self) -> bool:
        """Return whether the server sent something that was not read yet."""
        return bool(select.select([self.socket], [], [], 0)[0])


@contextmanager
def callers(url: str, number: int, data: bytes) -> Iterator[list[Caller]]:
    """Give connections that have sent the same bytes."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            caller = Caller(url)
            stack.callback(caller.socket.close)
            opened.append(caller.send(data))
        yield opened


def wait_until(is_true: Callable[[], Any], *, seconds: float = 10) -> None:
    ends_at = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.02)


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request with these headers."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def in_chunks(*parts: bytes) -> bytes:
    """Return a chunked body."""
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]
    return b"".join(chunks) + b"0\r\n\r\n"

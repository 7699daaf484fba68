"""A connection to DynamoDB that stays open: HTTP/1.1, as far as DynamoDB speaks it.

Head and body go out in one packet, and an answer's head is read for the two things that matter. http.client sends two
packets and parses headers as those of an e-mail: with it, a call takes twice the processor time."""

import socket
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

from django.conf import settings

CONNECT_SECONDS, ANSWER_SECONDS = 1, 2
"""Short, so that a request that has to retry still answers long before API Gateway's 29 seconds."""
LINE_AT_MOST_BYTES = 65_536


class BadAnswer(Exception):
    """What came back is no answer of DynamoDB's, or was cut short."""


class Connection:
    """To the host of a URL. Raises `OSError` when there is none, and `BadAnswer`; it is of no use afterwards."""

    def __init__(self, url: SplitResult) -> None:
        is_tls = url.scheme == "https"
        address = url.hostname or "", url.port or (443 if is_tls else 80)
        self._socket = socket.create_connection(address, CONNECT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_tls:
            self._socket = _tls().wrap_socket(self._socket, server_hostname=url.hostname)
        self._socket.settimeout(ANSWER_SECONDS)
        self._answers = self._socket.makefile("rb")
        self.is_open = True

    def post(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a POST to `/`. `is_open` says whether another one may follow."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        self._socket.sendall(f"POST / HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        first, length = self._line(), None
        while line := self._line():
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip()
            if name == b"content-length":
                length = value
            elif name == b"connection":
                self.is_open = value.lower() != b"close"
        version, _, status = first.partition(b" ")
        if version != b"HTTP/1.1" or not status[:3].isdigit() or length is None or not length.isdigit():
            raise BadAnswer(f"{first!r}, {length!r} bytes long")
        content = self._answers.read(int(length))
        if len(content) < int(length):
            raise BadAnswer("The answer was cut short.")
        return int(status[:3]), content

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        self._answers.close()
        self._socket.close()

    def _line(self) -> bytes:
        line = self._answers.readline(LINE_AT_MOST_BYTES)
        if not line.endswith(b"\n"):
            raise BadAnswer("The connection was closed.")
        return line.rstrip(b"\r\n")


@cache
def _tls() -> Any:
    """Trust in the certificates that come with botocore, or in those configured."""
    import ssl

    spec = find_spec("botocore")  # not imported: that alone takes longer than the handshake
    assert spec
    assert spec.origin
    return ssl.create_default_context(cafile=settings.AWS_CA_BUNDLE or Path(spec.origin).with_name("cacert.pem"))

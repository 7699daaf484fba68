"""A connection to DynamoDB that stays open: HTTP/1.1, as far as DynamoDB speaks it.

Head and body go out in one packet, and an answer's head is read for what matters of it. http.client sends two
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
ANSWER_AT_MOST_BYTES = 16 * 2**20
"""Of one chunk, where there are chunks: Amazon's DynamoDB Local sends large answers in them."""


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
        version, _, status = self._line().partition(b" ")
        if version != b"HTTP/1.1" or not status[:3].isdigit():
            raise BadAnswer(f"{version!r} {status!r}")
        length, is_chunked = b"", False
        while line := self._line():
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip()
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                is_chunked = value.lower() == b"chunked"
            elif name == b"connection":
                self.is_open = value.lower() != b"close"
        return int(status[:3]), self._chunks() if is_chunked else self._exactly(length)

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

    def _exactly(self, length: bytes, base: int = 10) -> bytes:
        try:
            size = int(length, base)
        except ValueError as exc:
            raise BadAnswer(f"An answer of {length!r} bytes") from exc
        content = self._answers.read(size) if 0 <= size <= ANSWER_AT_MOST_BYTES else b""
        if len(content) != size:
            raise BadAnswer(f"{len(content)} of {size} bytes")
        return content

    def _chunks(self) -> bytes:
        content = b""
        while chunk := self._exactly(self._line().partition(b";")[0], 16):
            content += chunk
            self._line()
        while self._line():
            pass
        return content


@cache
def _tls() -> Any:
    """Trust in the certificates that come with botocore, or in those configured."""
    import ssl

    spec = find_spec("botocore")  # not imported: that alone takes longer than the handshake
    assert spec
    assert spec.origin
    return ssl.create_default_context(cafile=settings.AWS_CA_BUNDLE or Path(spec.origin).with_name("cacert.pem"))

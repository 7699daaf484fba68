"""Requests that are written to a socket byte by byte, and checks of their answers."""

import re
import socket
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

from tests.viewer import Viewer

VICTIM = f"victim-{uuid.uuid4()}"
"""The user whose stream the attacks try to start. No test starts one."""
OTHER_HOST = "evil.example"
JSON = {"Content-Type": "application/json"}
BODY = b'{"streamId":"456"}'
SMUGGLED = (
    f"PUT /users/{VICTIM}/streams/tv HTTP/1.1\r\n"
    "Host: localhost\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 18\r\n"
    "\r\n"
    '{"streamId":"456"}'
).encode()
"""A complete request that an attack hides inside another one."""


def connect(url: str) -> socket.socket:
    """Open a connection to the server at a URL."""
    address = urlsplit(url)

    assert address.hostname
    assert address.port

    return socket.create_connection((address.hostname, address.port), timeout=10)


def send_bytes(url: str, request: bytes) -> tuple[list[int], bytes]:
    """Send bytes on one connection.

    Return the status of each answer, and all bytes of the answers.
    """
    received = bytearray()
    with connect(url) as connection:
        # The server may answer and close the connection before it has read all.
        with suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part

    statuses = re.findall(rb"^HTTP/1\.[01] (\d{3}) ", received, re.MULTILINE)
    return [int(status) for status in statuses], bytes(received)


def start_request(
    viewer: Viewer, *headers: bytes, body: bytes = BODY, url: str = ""
) -> bytes:
    """Return the bytes of a start with these headers, a `Host` and a content type."""
    lines = [
        b"POST %s HTTP/1.1" % (url or viewer.url).encode(),
        b"Host: " + viewer.api.base_url.netloc,
        b"Content-Type: application/json",
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def request_raw(url: str, method: str, path: str, body: bytes = b"") -> httpx.Response:
    """Send a request whose path no client has normalised, and return the answer."""
    head = (
        f"{method} {path} HTTP/1.1\r\n"
        f"Host: {urlsplit(url).netloc}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    with connect(url) as connection:
        connection.sendall(head.encode("latin-1") + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    status_line, _, rest = answer.partition(b"\r\n")
    lines, _, content = rest.partition(b"\r\n\r\n")
    headers = []
    for line in lines.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        headers.append((name, value))
    status = int(status_line.split()[1])
    return httpx.Response(status, headers=headers, content=content)


def assert_problem(
    response: httpx.Response, status: int, type: str, field: str | None = None
) -> None:
    """Assert that an answer is this problem, and that it names the field."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"

    body = response.json()

    assert body["type"] == type
    assert body["status"] == status

    if field:
        assert field in body["errors"], body
        assert body["errors"][field]

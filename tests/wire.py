"""A scripted server in place of DynamoDB that records its requests."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

type Reply = tuple[int, bytes | dict[str, Any]] | bytes | Callable[[Any], None]
"""A status and a body; all bytes before the server hangs up; or a function."""

NOTHING = {"ConsumedCapacity": {"TableName": "T", "CapacityUnits": 1.0}}
"""A good answer without an item."""


@dataclass(frozen=True)
class Received:
    """A request and the number of its connection."""

    headers: Message
    body: bytes
    connection: int


class _WireServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    certificate: Path | None = None

    def get_request(self) -> Any:
        link, address = super().get_request()
        if self.certificate is None:
            return link, address
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate)
        return context.wrap_socket(
            link, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up, or does not trust it


class Wire:
    """The server gives `answers` in turn, then `always`."""

    def __init__(self) -> None:
        self.answers: list[Reply] = []
        self.always: Reply = (200, NOTHING)
        self.asked: list[Received] = []
        self.open: list[Any] = []
        self.gate: threading.Barrier | None = None
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                wire.open.append(self.connection)
                self.number = len(wire.open)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wire.asked.append(Received(self.headers, body, self.number))
                if wire.gate:
                    wire.gate.wait(10)
                answer = wire.answers.pop(0) if wire.answers else wire.always
                if callable(answer):
                    answer(self)
                    return
                if isinstance(answer, bytes):
                    self.wfile.write(answer)
                    self.close_connection = True
                    return
                self.say(*answer)

            def do_GET(self) -> None:
                answer = wire.answers.pop(0) if wire.answers else wire.always
                assert isinstance(answer, tuple)
                wire.asked.append(Received(self.headers, b"", self.number))
                self.say(*answer)

            def say(self, status: int, body: bytes | dict[str, Any]) -> None:
                content = json.dumps(body).encode() if isinstance(body, dict) else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = _WireServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.server.certificate else 'http'}://{self.address}"

    def certify(self, folder: Path) -> Path:
        """Switch to TLS and return the file of the certificate to trust."""
        key, name = (
            ec.generate_private_key(ec.SECP256R1()),
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "it")]),
        )
        now = datetime.now(UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = x509.CertificateBuilder(
            name,
            name,
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(hours=1),
            now + timedelta(days=1),
        )
        certificate = made.add_extension(address, critical=False).sign(
            key, hashes.SHA256()
        )
        trusted, both = folder / "trusted.pem", folder / "both.pem"
        trusted.write_bytes(certificate.public_bytes(Encoding.PEM))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        both.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        self.server.certificate = both
        return trusted

    def hang_up(self) -> None:
        """End every connection."""
        for link in self.open:
            with suppress(OSError):  # gone already
                link.shutdown(2)


@contextmanager
def listening() -> Iterator[Wire]:
    wire = Wire()
    thread = threading.Thread(
        target=wire.server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield wire
    finally:
        wire.hang_up()
        wire.server.shutdown()
        thread.join()
        wire.server.server_close()


def refused(type_: str, **more: Any) -> Reply:
    """Return an error response of DynamoDB."""
    return 400, {
        "__type": f"com.amazonaws.dynamodb.v20120810#{type_}",
        "message": "said why",
        **more,
    }


def hanging(handler: Any) -> None:
    """Send no answer until the caller hangs up."""
    handler.connection.recv(1)


def dripping(handler: Any) -> None:
    """Send a byte every 50 ms while the caller listens."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{")
        while not threading.Event().wait(0.05):
            handler.wfile.write(b" ")

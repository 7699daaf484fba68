"""The wire to DynamoDB, when the other end misbehaves."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from streams import connection, dynamodb
from streams.dynamodb import TRIES, CallFailed, ConditionFailed

KEY = dynamodb.Credentials("local", "local")


class Wire:
    """A server that answers as it is told, and can hang up on everyone."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.asked: list[str] = []
        self.gate: threading.Barrier | None = None
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                wire.open.append(self.connection)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                wire.asked.append(self.headers["X-Amz-Target"])
                if wire.gate:
                    wire.gate.wait()
                status, body = wire.answers.pop(0) if wire.answers else (200, {})
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.open: list[Any] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def hang_up(self) -> None:
        for link in self.open:
            with suppress(OSError):  # gone already
                link.shutdown(2)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    thread = threading.Thread(target=wire.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield wire
    wire.hang_up()
    wire.server.shutdown()
    thread.join()
    wire.server.server_close()


@pytest.fixture
def call(wire: Wire) -> dynamodb.Call:
    return dynamodb.connect(f"http://127.0.0.1:{wire.server.server_port}", "eu-west-1", KEY)


def test_a_connection_is_kept_open(wire: Wire, call: dynamodb.Call) -> None:
    for _ in range(3):
        call("GetItem", {})
    assert len(wire.open) == 1
    assert wire.asked == ["DynamoDB_20120810.GetItem"] * 3


def test_connections_that_went_stale_while_idle_cost_no_failure(wire: Wire, call: dynamodb.Call) -> None:
    wire.gate = threading.Barrier(8)
    threads = [threading.Thread(target=call, args=("GetItem", {})) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wire.gate = None
    wire.hang_up()
    assert call("GetItem", {}) == {}


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}),
        (400, {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}),
        (400, {"__type": "com.amazon.coral.availability#ThrottlingException"}),
    ],
    ids=["internal error", "out of units", "throttled"],
)
def test_what_may_pass_is_tried_again(wire: Wire, call: dynamodb.Call, answer: tuple[int, dict[str, Any]]) -> None:
    wire.answers = [answer, (200, {"Item": {}})]
    assert call("GetItem", {}) == {"Item": {}}


def test_tries_are_bounded(wire: Wire, call: dynamodb.Call) -> None:
    wire.answers = [(503, {})] * 10
    with pytest.raises(CallFailed):
        call("GetItem", {})
    assert len(wire.asked) == TRIES


def test_what_will_not_pass_is_not_tried_again(wire: Wire, call: dynamodb.Call) -> None:
    wire.answers = [(400, {"__type": "com.amazon.coral.validate#ValidationException", "message": "no"})]
    with pytest.raises(CallFailed):
        call("UpdateItem", {})
    assert len(wire.asked) == 1


def test_a_failed_condition_hands_back_the_item(wire: Wire, call: dynamodb.Call) -> None:
    item = {"user_id": {"S": "ana"}}
    type_ = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    wire.answers = [(400, {"__type": type_, "Item": item})]
    with pytest.raises(ConditionFailed) as failure:
        call("UpdateItem", {})
    assert failure.value.item == item


@contextmanager
def saying(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says these bytes, one for each connection, and hangs up; its URL, and the requests it has read."""
    read: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            link, _ = listener.accept()
            with link:
                read.append(link.recv(65_536))
                link.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", read
        thread.join()


GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{!",
        b"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
    ids=[
        "nothing", "half a head", "no length", "no number", "cut short", "no JSON", "no status", "less than nothing",
        "more than there can be", "a chunk of no length", "no last chunk", "not HTTP", "an endless line",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_asked_for_again_over_a_new_connection(answer: bytes) -> None:
    with saying(answer, GOOD) as (url, read):
        assert dynamodb.connect(url, "eu-west-1", KEY)("GetItem", {}) == {}
    assert len(read) == 2


def test_an_answer_may_come_in_chunks() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with saying(head + b'5;a=b\r\n{"Ite\r\nA\r\nm":{"a":1}\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n') as (url, _):
        assert dynamodb.connect(url, "eu-west-1", KEY)("GetItem", {}) == {"Item": {"a": 1}}


def test_a_connection_that_the_other_end_closes_is_not_used_again() -> None:
    with saying(GOOD, GOOD) as (url, read):
        call = dynamodb.connect(url, "eu-west-1", KEY)
        assert [call("GetItem", {}), call("GetItem", {})] == [{}, {}]
    assert len(read) == 2


def test_a_request_is_one_packet_with_the_host_it_is_for() -> None:
    with saying(GOOD) as (url, read):
        dynamodb.connect(url, "eu-west-1", KEY)("GetItem", {"TableName": "T"})
    (request,) = read
    head, _, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {"TableName": "T"}
    assert f"Host: {url.removeprefix('http://')}".encode() in head.splitlines()
    assert f"Content-Length: {len(body)}".encode() in head.splitlines()


@pytest.fixture
def certified(wire: Wire, tmp_path: Path) -> Path:
    """The server with a certificate for 127.0.0.1, by the file that whoever trusts it has."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "it")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    certificate = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    trusted, both = tmp_path / "trusted.pem", tmp_path / "both.pem"
    trusted.write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    wire.server.socket = context.wrap_socket(wire.server.socket, server_side=True)
    return trusted


@pytest.fixture
def nothing_trusted_yet() -> Iterator[None]:
    connection._tls.cache_clear()
    yield
    connection._tls.cache_clear()


@pytest.mark.usefixtures("nothing_trusted_yet")
@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
def test_over_tls_only_a_certificate_that_is_trusted_will_do(
    wire: Wire, certified: Path, is_trusted: bool, settings: Any
) -> None:
    if is_trusted:
        settings.AWS_CA_BUNDLE = str(certified)
    call = dynamodb.connect(f"https://127.0.0.1:{wire.server.server_port}", "eu-west-1", KEY)
    if is_trusted:
        assert [call("GetItem", {}), call("GetItem", {})] == [{}, {}]
    else:
        with pytest.raises(CallFailed) as failure:
            call("GetItem", {})
        assert "CERTIFICATE_VERIFY_FAILED" in str(failure.value.__cause__)
        assert wire.asked == []

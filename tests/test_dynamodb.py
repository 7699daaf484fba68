"""The wire to DynamoDB, when the other end misbehaves."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from streams import dynamodb
from streams.dynamodb import TRIES, CallFailed, ConditionFailed


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
        for connection in self.open:
            with suppress(OSError):  # gone already
                connection.shutdown(2)


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
    key = dynamodb.Credentials("local", "local")
    return dynamodb.connect(f"http://127.0.0.1:{wire.server.server_port}", "eu-west-1", key)


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

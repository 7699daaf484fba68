"""A proxy between the transport and DynamoDB."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.dynamodb.requests import GET, Model
from tests.wire import Wire


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Run an HTTP proxy; give its URL and the targets of its CONNECT requests."""
    asked: list[str] = []

    def serve(link: socket.socket) -> None:
        with link:
            asked.append(link.recv(65_536).split()[1].decode())
            host, _, port = asked[-1].rpartition(":")
            with socket.create_connection((host, int(port))) as further:
                link.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                ends = {link: further, further: link}
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        if not (data := end.recv(65_536)):
                            return
                        ends[end].sendall(data)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=serve,
                    args=(listener.accept()[0],),
                    daemon=True,
                ).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("is_exempt", [False, True])
def test_calls_go_through_the_proxy_of_the_environment(
    wire: Wire,
    model: Model,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_exempt: bool,
) -> None:
    settings.AWS_CA_BUNDLE = str(wire.certify(tmp_path))
    monkeypatch.setenv("AWS_CA_BUNDLE", settings.AWS_CA_BUNDLE)
    monkeypatch.setattr(model.Meta, "host", wire.url)
    with proxy() as (url, asked):
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv(
            "NO_PROXY",
            "127.0.0.1" if is_exempt else "elsewhere.example",
        )
        model.disconnect()
        assert model.call("GetItem", GET)["ConsumedCapacity"]
        model.disconnect()

    assert asked == ([] if is_exempt else [wire.address])

"""The server stops: it answers what is in flight, and loses no request."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sockets import Caller, post, wait_until
from tests.wsgi_servers import RunningServer

WHOLE = post("/x", "Content-Length: 2", body=b"{}")


class Application:
    """An application that holds its answers back until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.active = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.active += 1
        assert self.go.wait(20)
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def held_back() -> Application:
    return Application()


@pytest.fixture
def running(held_back: Application) -> Iterator[RunningServer]:
    server = RunningServer(held_back, threads=4)
    server.server.linger_seconds = 0.3
    yield server
    held_back.go.set()
    server.stop(seconds=0)


def stopping(running: RunningServer) -> threading.Thread:
    thread = threading.Thread(target=running.stop)
    thread.start()
    wait_until(lambda: running.server.is_stopping)
    return thread


def test_requests_in_threads_and_in_the_queue_are_answered(
    running: RunningServer, held_back: Application
) -> None:
    in_flight = [Caller(running.url).send(WHOLE) for _ in range(12)]
    wait_until(lambda: held_back.active == 4)
    thread = stopping(running)

    held_back.go.set()
    answers = [caller.answer() for caller in in_flight]

    assert [answer.content for answer in answers] == [b"{}"] * 12
    assert {answer.headers["Connection"] for answer in answers} == {"close"}
    thread.join(10)
    assert not thread.is_alive()


def test_a_request_that_is_arriving_is_answered(
    running: RunningServer, held_back: Application
) -> None:
    held_back.go.set()
    arriving = Caller(running.url).send(WHOLE[:-1])
    wait_until(lambda: running.server.active_channels)
    time.sleep(0.1)
    stopping(running)

    time.sleep(0.8)
    assert arriving.send(WHOLE[-1:]).answer().content == b"{}"


def test_connections_that_wait_to_be_accepted_are_served(
    running: RunningServer, held_back: Application
) -> None:
    held_back.go.set()
    running.server.accepting = False  # as while the reading thread is busy
    waiting = [Caller(running.url).send(WHOLE) for _ in range(5)]
    running.server.accepting = True
    stopping(running)
    assert [caller.answer().content for caller in waiting] == [b"{}"] * 5


def test_a_request_on_an_idle_connection_is_answered_while_the_server_stops(
    running: RunningServer, held_back: Application
) -> None:
    held_back.go.set()
    kept_alive = [Caller(running.url).send(WHOLE) for _ in range(12)]
    assert {caller.answer().content for caller in kept_alive} == {b"{}"}
    stopping(running)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda caller: caller.send(WHOLE).answer(), kept_alive))
    assert [answer.headers["Connection"] for answer in answers] == ["close"] * 12


def test_idle_connections_are_closed_without_a_reset(
    running: RunningServer, held_back: Application
) -> None:
    held_back.go.set()
    idle = [Caller(running.url) for _ in range(3)]
    idle += [Caller(running.url).send(WHOLE) for _ in range(3)]
    for caller in idle[3:]:
        caller.answer()
    thread = stopping(running)

    assert [caller.rest() for caller in idle] == [b""] * 6
    thread.join(10)
    assert not thread.is_alive()


def test_a_new_connection_is_refused(
    running: RunningServer, held_back: Application
) -> None:
    in_flight = Caller(running.url).send(WHOLE)
    wait_until(lambda: held_back.active == 1)
    stopping(running)
    with pytest.raises(ConnectionRefusedError):
        Caller(running.url)
    held_back.go.set()
    assert in_flight.answer().content == b"{}"

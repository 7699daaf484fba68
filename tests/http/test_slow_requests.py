"""The server reads a request whole, within limits, before a thread handles it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from streams.dynamodb import calls
from streams_project import http_server
from streams_project.wsgi import application
from tests.http.requests_by_hand import assert_problem
from tests.sockets import Caller, callers, post, wait_until
from tests.viewer import Viewer
from tests.wsgi_servers import RunningServer

UNFINISHED = {
    "a body of one byte": post("/users/u/streams", "Content-Length: 20", body=b"{"),
    "a chunk without an end": post(
        "/users/u/streams", "Transfer-Encoding: chunked", body=b"14\r\n{"
    ),
    "a header without an end": b"POST /users/u/streams HTTP/1.1\r\nHost: 127",
    "a byte": b"P",
    "nothing": b"",
}


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Give a server with as many threads as a worker of the container."""
    running = RunningServer(application, threads=8)
    yield running
    running.stop(seconds=0)


@pytest.fixture
def hasty(server: RunningServer) -> RunningServer:
    """Give a server that waits half a second for a request."""
    server.server.request_seconds = 0.5
    return server


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("number", [40, 200])
def test_unfinished_requests_do_not_delay_others(
    server: RunningServer, number: int, data: bytes
) -> None:
    with callers(server.url, number, data):
        response = httpx.get(f"{server.url}/healthz", timeout=2)
    assert response.status_code == 200


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
def test_at_the_limit_of_connections_the_one_that_waits_longest_is_closed(
    server: RunningServer, data: bytes
) -> None:
    server.server.max_connections = 50
    with callers(server.url, 120, data) as opened:
        response = httpx.get(f"{server.url}/healthz", timeout=2)

        assert response.status_code == 200
        assert len(server.server.active_channels) <= 50
        assert opened[0].has_answer(), "its connection ended"
        assert not opened[-1].has_answer()


@pytest.mark.parametrize("name", list(UNFINISHED)[:-1])
def test_a_request_that_does_not_arrive_in_time_is_a_problem(
    hasty: RunningServer, name: str
) -> None:
    with callers(hasty.url, 40, UNFINISHED[name]) as opened:
        for caller in opened:
            assert_problem(caller.answer(), 408, "request-incomplete")
            assert caller.rest() == b""
    wait_until(lambda: not hasty.server.active_channels)


def test_a_request_that_drips_is_not_waited_for(hasty: RunningServer) -> None:
    caller = Caller(hasty.url).send(UNFINISHED["a body of one byte"])
    drops = 0
    while not caller.has_answer() and drops < 16:
        caller.send(b" ")
        drops += 1
        time.sleep(0.2)

    assert drops < 16
    assert_problem(caller.answer(), 408, "request-incomplete")


def test_a_connection_without_requests_is_closed(server: RunningServer) -> None:
    server.server.idle_seconds = 0.3
    caller = Caller(server.url).send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert caller.answer().status_code == 200
    assert caller.rest() == b""


def test_the_time_of_a_request_begins_after_the_answer_to_the_one_before_it(
    server: RunningServer,
) -> None:
    caller = Caller(server.url).send(b"GET /healthz")
    wait_until(lambda: server.server.active_channels)
    (connection,) = server.server.active_channels.values()
    wait_until(lambda: connection.request)

    answered_at = time.time() + 100
    arriving = connection.request
    assert arriving
    connection.requests = [arriving]  # as while an earlier request is handled
    connection.check_time(answered_at)
    connection.requests = []

    connection.check_time(answered_at + 14)
    assert connection.request is arriving
    connection.check_time(answered_at + 16)
    assert_problem(caller.answer(), 408, "request-incomplete")


# --- a slow caller is not a failed store ---------------------------------------------


@pytest.fixture
def brief_deadline(settings: Any) -> None:
    """Set a deadline shorter than the bodies of these tests take to arrive."""
    settings.DEADLINE_SECONDS = 1
    settings.DYNAMODB_CALL_SECONDS = 0.5
    settings.WHEN_STORE_IS_DOWN = "open"


@pytest.mark.usefixtures("brief_deadline")
def test_fourteen_slow_bodies_get_no_grace_lease_and_leave_the_circuit_closed(
    server: RunningServer, viewer: Viewer
) -> None:
    for device in ("tv", "phone", "web"):
        viewer.started(deviceId=device)

    body = b'{"streamId":"456"}'
    start = post(viewer.url, f"Content-Length: {len(body)}", body=body[:-1])
    with callers(server.url, 14, start) as opened:
        time.sleep(1.3)
        answers = [caller.send(body[-1:]).answer() for caller in opened]

    assert [answer.status_code for answer in answers] == [409] * 14
    assert calls._circuit._breaker.current_state == "closed"


@pytest.mark.usefixtures("brief_deadline")
def test_the_time_in_which_a_request_waits_for_a_thread_is_part_of_its_deadline(
    viewer: Viewer,
) -> None:
    def busy(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/slow":
            time.sleep(1.3)
            start_response("204 No Content", [])
            return []
        return application(environ, start_response)

    running = RunningServer(busy, threads=1)
    body = b'{"streamId":"456"}'
    start = post(viewer.url, f"Content-Length: {len(body)}", body=body)
    try:
        slow = Caller(running.url).send(post("/slow", "Content-Length: 0"))
        wait_until(lambda: running.server.task_dispatcher.active_count == 1)
        late = Caller(running.url).send(start)
        assert slow.answer().status_code == 204
        assert_problem(late.answer(), 503, "request-timed-out")
    finally:
        running.stop(seconds=0)
    assert viewer.list()["active"] == 0


def test_the_server_waits_longer_for_an_answer_than_the_deadline() -> None:
    assert http_server.REQUEST_SECONDS == 15
    assert http_server.MAX_BODY_BYTES == 64 * 1024

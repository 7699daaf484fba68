"""The HTTP server: waitress, with limits of time and size for each request.

One thread reads all connections. A request reaches a thread of the application when
it is complete, so a slow caller occupies a connection and no thread:

    first byte ── at most 15 s and 64 KiB ──▶ complete ──▶ a thread ──▶ the answer
        │
        └── too slow, too large or malformed ──▶ a problem, and the connection ends

`gunicorn_worker` (the container) and `manage.py runserver` run it.
"""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, override
from urllib.parse import unquote_to_bytes

from django.http import HttpResponse
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import BadRequest

from streams.errors import HeadersTooLarge, InvalidRequest, RequestIncomplete
from streams.parsers import PayloadTooLarge
from streams.problems import plain_response

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_IN_MEMORY = 16 * 1024 * 1024
REQUEST_SECONDS = 15.0
"""Time from the first byte of a request to its last."""
IDLE_SECONDS = 75
"""Longer than the 60 seconds of a load balancer, which then closes first."""
LINGER_SECONDS = 2.0
"""Time for a caller to read the last answer of a connection.

While the server stops, a connection without a request is closed after this time too.
"""
LISTEN_QUEUE = 1024
TURN_SECONDS = 0.5
"""Longest wait for the next event, and so for a signal."""

VERSIONS = ("1.0", "1.1")


class Request(HTTPRequestParser):
    """A request. It is refused if a proxy could find another end of it."""

    received_at = 0.0
    """Time of the last byte, on the monotonic clock."""

    @override
    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.error or self.body_rcv is None:
            # There is no body to ask for, regardless of `Expect`.
            self.expect_continue = False
        if self.completed:
            self.received_at = time.monotonic()
        if self.completed and not self.empty and consumed < len(data):
            # No client of the service sends a request before the answer to another.
            # An attack hides one behind a body that a proxy takes to be longer.
            self.headers["CONNECTION"] = "close"
            return len(data)
        return consumed

    @override
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as exc:  # a number or a URL that Python refuses
            raise ParsingError("a value is not valid") from exc

        has_two_lengths = self.chunked and "CONTENT_LENGTH" in self.headers
        # The coding is removed where it is understood.
        has_unread_coding = "TRANSFER_ENCODING" in self.headers
        if has_two_lengths or has_unread_coding or self.version not in VERSIONS:
            raise ParsingError("ambiguous framing")


class _Ending(Task):
    """A task that tells its connection when the answer is the last one."""

    channel: "Connection"

    @override
    def set_close_on_finish(self) -> None:
        super().set_close_on_finish()
        self.channel.is_last_answer = True

    @override
    def build_response_header(self) -> bytes:
        if self.channel.server.is_stopping:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class Answer(_Ending, WSGITask):
    """The answer of the application."""

    @override
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        # waitress removes slashes, fragments, and the host of an absolute URL.
        target = self.request.request_uri.encode("latin-1")
        path, _, query = target.partition(b"?")
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        environ["streams.received_at"] = self.request.received_at
        return environ

    @override
    def write(self, data: bytes) -> None:
        is_head = self.request.command == "HEAD"
        super().write(b"" if is_head else data)

    @override
    def set_close_on_finish(self) -> None:
        """End the connection after this answer.

        waitress asks for it after each 204 and 304, since they have no length. Their
        end is known, so the connection can stay.
        """
        connection = self.request.headers.get("CONNECTION", "").lower()
        is_asked_for = self.version == "1.0" or connection == "close"
        if self.has_body or is_asked_for or self.channel.server.is_stopping:
            super().set_close_on_finish()


class Refusal(_Ending, ErrorTask):
    """The server's own answer: a problem, as the application writes it."""

    @override
    def execute(self) -> None:
        response = problem_response(self.request.error.code)
        self.status = f"{response.status_code} {response.reason_phrase}"
        self.response_headers.extend(response.items())
        self.set_close_on_finish()
        self.content_length = len(response.content)
        self.write(response.content)


class TimedOut(BadRequest):
    """waitress has no error for a request that does not arrive in time."""

    code = 408


class Connection(HTTPChannel):
    """A connection whose requests must arrive in time."""

    server: "Server"
    parser_class = Request
    task_class = Answer
    error_task_class = Refusal

    requests: list[Request]
    """Complete requests that are not answered yet."""
    request: Request | None
    """The request that is arriving."""
    began_at = 0.0
    """Time of the first byte of the current request."""
    is_last_answer = False
    ended_at: float | None = None
    """Time at which this side ended the connection."""

    @override
    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began_at = time.time()
        is_accepted: bool = super().received(data)
        return is_accepted

    @override
    def readable(self) -> bool:
        return self.ended_at is not None or super().readable()

    @override
    def handle_read(self) -> None:
        if self.ended_at is None:
            super().handle_read()
            return
        try:
            self.recv(MAX_BODY_BYTES)
        except OSError:
            self.handle_close()

    @override
    def handle_close(self) -> None:
        """Close the connection. After the last answer, let the caller read it first.

        To close a connection with unread bytes would reset it, and the answer could
        be lost.
        """
        if self.connected and self.is_last_answer and self.ended_at is None:
            self.ended_at = time.time()
            self.will_close = False
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                return
        super().handle_close()

    def abort(self) -> None:
        """Close the connection without an answer."""
        self.is_last_answer = False
        self.handle_close()

    def check_time(self, now: float) -> None:
        """Refuse a request that is late, or close a connection that is not used."""
        if self.ended_at is not None:
            if now - self.ended_at > self.server.linger_seconds:
                self.handle_close()
        elif self.requests:
            self.began_at = now  # the next request waits for this answer
        elif self.request is not None:
            if now - self.began_at > self.server.request_seconds:
                self._refuse(TimedOut(""))
        elif now - self.last_activity > self.server.idle_seconds:
            self.will_close = bool(self.total_outbufs_len) or not self._has_unread()

    def _refuse(self, error: BadRequest) -> None:
        assert self.request is not None
        with self.requests_lock:
            self.request.error = error
            self.request.completed = True
            self.requests = [self.request]
            self.request = None
        self.server.add_task(self)

    def _has_unread(self) -> bool:
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False


class Server(TcpWSGIServer):
    """The server on one listening socket."""

    channel_class = Connection
    active_channels: dict[int, Connection]
    request_seconds = REQUEST_SECONDS
    idle_seconds: float = IDLE_SECONDS
    linger_seconds = LINGER_SECONDS
    max_connections = 1000
    is_stopping = False

    @override
    def handle_accept(self) -> None:
        """Accept a connection. Above the limit, close the one that waits longest.

        Otherwise unfinished requests could keep all others out.
        """
        super().handle_accept()
        if len(self.active_channels) <= self.max_connections:
            return

        connections = self.active_channels.values()
        waiting = [connection for connection in connections if not connection.requests]
        if waiting:
            min(waiting, key=lambda connection: connection.last_activity).abort()

    @override
    def maintenance(self, now: float) -> None:
        for connection in list(self.active_channels.values()):
            connection.check_time(now)

    def stop_accepting(self) -> None:
        """Take the connections that wait, and close the listening socket.

        From now on, each answer is the last one of its connection.
        """
        while self._takes_a_connection():
            pass
        self.del_channel()
        self.socket.close()
        self.idle_seconds = self.linger_seconds
        self.is_stopping = True

    def _takes_a_connection(self) -> bool:
        before = len(self.active_channels)
        super().handle_accept()
        return len(self.active_channels) > before


def _with_length(application: Any) -> Any:
    """Return the application with a known length of each answer.

    After an answer of unknown length, waitress closes the connection.
    """

    def sized_application(environ: dict[str, Any], start_response: Any) -> Any:
        answer = application(environ, start_response)
        if not isinstance(answer, HttpResponse):
            return answer
        content = answer.content
        answer.close()
        return [content]

    return sized_application


def create(
    application: Any,
    listener: socket.socket,
    map: dict[int, Any],
    *,
    threads: int,
    connections: int = 1000,
) -> Server:
    """Return a server on a listening socket. `map` holds the open sockets."""
    sockinfo = (
        listener.family,
        listener.type,
        listener.proto,
        listener.getsockname(),
    )
    server = Server(
        _with_length(application),
        map,
        _sock=listener,
        sockinfo=sockinfo,
        bind_socket=False,
        threads=threads,
        connection_limit=2 * connections,  # never reached
        cleanup_interval=1,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BODY_BYTES + 1,
        # No request and no answer becomes a temporary file.
        inbuf_overflow=MAX_IN_MEMORY,
        outbuf_overflow=MAX_IN_MEMORY,
        # The application reads these headers, by TRUSTED_PROXIES.
        clear_untrusted_proxy_headers=False,
        log_socket_errors=False,
        backlog=LISTEN_QUEUE,
        ident="",
        # The host of a request without one: an address, as a load balancer's check.
        server_name=str(listener.getsockname()[0]),
    )
    server.max_connections = connections
    return server


def turn(map: dict[int, Any]) -> None:
    """Handle the events of the open sockets, or wait a moment for the next one."""
    wasyncore.loop(timeout=TURN_SECONDS, use_poll=True, map=map, count=1)


def finish(
    servers: Sequence[Server],
    map: dict[int, Any],
    *,
    seconds: float,
    after_turn: Callable[[], None] = lambda: None,
) -> None:
    """Answer every request that was sent, close the connections, and stop."""
    for server in servers:
        server.stop_accepting()

    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and any(
        server.active_channels for server in servers
    ):
        turn(map)
        after_turn()
        for server in servers:
            server.maintenance(time.time())

    for server in servers:
        server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(map)


def problem_response(code: int) -> HttpResponse:
    """Return the problem for a status with which waitress refuses a request."""
    return plain_response(_ERRORS.get(code, RuntimeError()))


_ERRORS: dict[int, Exception] = {
    400: InvalidRequest(request="Is not a request of HTTP/1.1."),
    408: RequestIncomplete(),
    413: PayloadTooLarge(),
    431: HeadersTooLarge(),
    501: InvalidRequest(**{"Transfer-Encoding": "Must be chunked."}),
}

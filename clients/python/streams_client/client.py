"""The client for programs with threads."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx

from .answers import (
    MAX_BACKOFF_SECONDS,
    Answer,
    backoff_seconds,
    heartbeat_seconds,
    no_answer,
    read,
)
from .connections import connection_options
from .errors import Problem, Stream, Superseded, Unavailable
from .playback import Call, Event, Playback, refusal_of, stop_of, streams_url

log = logging.getLogger(__name__)

STOP_TRIES = 3
MAX_START_TRIES = 1_000

type Headers = Mapping[str, str]


class StreamClient:
    """One player of a user.

    Without a `user_id` it is the user of the bearer token. `headers` contains the
    credentials; a function is called for each request.

    The heartbeats' thread calls the listeners and logs their exceptions:

    * `on_ended(reason, problem)`: the player must stop. `reason` is `stopped`,
      `evicted`, `replaced`, `taken-over`, `expired` or the type of the problem.
      `problem` is None if this player stopped the stream.
    * `on_offline(problem)`: the service does not answer.
    * `on_waiting(problem, seconds)`: the service is busy (429). The client tries again
      after this time.
    * `on_online()`: the service answers again.
    * `on_grace(is_grace)`: the stream plays although the service's store is down. The
      service decides about it afterwards.

    With `beats=False` there is no thread: the program calls `heartbeat`.
    """

    def __init__(
        self,
        url: str,
        user_id: str | None = None,
        *,
        headers: Headers | Callable[[], Headers] | None = None,
        on_ended: Callable[[str, Problem | None], object] | None = None,
        on_offline: Callable[[Problem], object] | None = None,
        on_waiting: Callable[[Problem, float], object] | None = None,
        on_online: Callable[[], object] | None = None,
        on_grace: Callable[[bool], object] | None = None,
        patience_seconds: float = 30.0,
        beats: bool = True,
        http: httpx.Client | None = None,
    ) -> None:
        self._url = streams_url(url, user_id)
        self._headers = headers if callable(headers) else lambda: headers or {}
        self._listeners: dict[str, Callable[..., object] | None] = {
            "ended": on_ended,
            "offline": on_offline,
            "waiting": on_waiting,
            "online": on_online,
            "grace": on_grace,
        }
        self._patience_seconds = patience_seconds
        self._beats = beats
        self._http = http or httpx.Client(**connection_options(url))

        self._playback = Playback()
        # Identifies the slot when the app gives no deviceId.
        self._idempotency_key = secrets.token_urlsafe(12)
        # Orders the calls: each is sent after the answer to the one before.
        self._calling = threading.RLock()
        # Set when the current playback, or its start, is no longer wanted.
        self._superseded = threading.Event()

    @property
    def stream(self) -> Stream | None:
        """The service's latest answer about the stream, None when it is over."""
        return self._playback.stream

    def start(self, stream_id: str, **fields: Any) -> Stream:
        """Start a stream and return it.

        `fields` are `deviceId`, `deviceName`, `deviceType`, `title`, `metadata` and
        `replace`.

        Raises:
            Denied: the user has reached the limit, or a rule refused the stream.
            Unavailable: the patience ended without an answer.
            Superseded: another thread stopped the player or started it again.
            Refused: a repeat would get the same answer.
        """
        request = {"streamId": stream_id, **fields}
        superseded = self._supersede()
        self._playback.is_paused = False
        patience_ends_at = time.monotonic() + self._patience_seconds

        for failures in range(MAX_START_TRIES):
            answer = self._try_start(request, superseded)
            if answer.is_stream:
                if self._beats:
                    self._send_heartbeats(superseded, heartbeat_seconds(answer.body))
                return answer.body
            if answer.is_refusal:
                raise refusal_of(answer)

            wait = answer.wait_seconds + backoff_seconds(failures)
            if time.monotonic() + wait > patience_ends_at:
                break
            superseded.wait(wait)

        raise Unavailable(answer.body, retry_after_seconds=answer.retry_after_seconds)

    def heartbeat(self) -> float | None:
        """Send one heartbeat.

        Returns the seconds until the next is due, or None when the stream is over.
        """
        with self._calling:
            stream = self._playback.stream
            if stream is None:
                return None

            answer = self._send(self._playback.heartbeat(stream))
            if self._playback.should_start_again(answer, now=time.monotonic()):
                answer = self._send(Call("", self._playback.request))
            beat = self._playback.take_heartbeat(answer, before=stream)

        for event in beat.events:
            self._notify(event)
        return beat.next_seconds

    def pause(self) -> None:
        """Report a pause. The plan says how long a paused stream keeps its slot."""
        self._playback.is_paused = True
        self.heartbeat()

    def resume(self) -> None:
        """Report that playback continues."""
        self._playback.is_paused = False
        self.heartbeat()

    def stop(self) -> None:
        """Free the slot. A start of another thread that is in progress frees its own.

        A repeat does no harm.
        """
        was_playing = self.stream is not None
        self._supersede()
        with self._calling:
            stream = self._playback.stream
            self._playback.stream = None

        if was_playing:
            self._notify(Event("ended", ("stopped", None)))
        if stream:
            self._release(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _supersede(self) -> threading.Event:
        """End the previous start or playback. Return the event of the next one."""
        previous = self._superseded
        self._superseded = threading.Event()
        previous.set()
        return self._superseded

    def _try_start(
        self, request: Mapping[str, Any], superseded: threading.Event
    ) -> Answer:
        """Send a start once."""
        with self._calling:
            if superseded.is_set():
                raise Superseded
            answer = self._send(Call("", request))
            to_release = self._playback.take_start(
                answer, request, now=time.monotonic()
            )

        if to_release:
            self._release(to_release)
        # The slot that this start took belongs to the next start, or the stop frees it.
        if superseded.is_set():
            raise Superseded
        return answer

    def _release(self, stream: Stream) -> None:
        """Free the slot of a stream, with a few tries."""
        for failures in range(STOP_TRIES):
            answer = self._send(stop_of(stream))
            if answer.status == 204 or answer.is_refusal:
                return
            wait = answer.wait_seconds + backoff_seconds(failures)
            time.sleep(min(MAX_BACKOFF_SECONDS, wait))

    def _send_heartbeats(self, superseded: threading.Event, due: float) -> None:
        """Send heartbeats from a thread until the playback is over."""

        def run() -> None:
            wait: float | None = due
            while wait is not None and not superseded.wait(wait):
                wait = self.heartbeat()

        threading.Thread(target=run, daemon=True).start()

    def _send(self, call: Call) -> Answer:
        """Send a call. A failure of any kind is an answer that allows a repeat."""
        try:
            headers = {
                "Idempotency-Key": self._idempotency_key,
                **dict(self._headers()),
            }
            response = self._http.post(
                self._url + call.path,
                json=call.body,
                headers=headers,
                follow_redirects=False,
            )
            return read(response)
        except Exception as error:  # `headers` may raise any exception
            return no_answer(error)

    def _notify(self, event: Event) -> None:
        """Call a listener. An exception of the app is logged."""
        listener = self._listeners[event.name]
        if listener is None:
            return
        try:
            listener(*event.arguments)
        except Exception:
            log.exception("a listener of the stream client failed")

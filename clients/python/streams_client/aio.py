"""The client for programs with asyncio."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
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
from .client import MAX_START_TRIES, STOP_TRIES, Headers
from .connections import connection_options
from .errors import Problem, Stream, Superseded, Unavailable
from .playback import Call, Event, Playback, refusal_of, stop_of, streams_url

log = logging.getLogger(__name__)

type Listener = Callable[..., object]


class AsyncStreamClient:
    """One player of a user. It works as `StreamClient`, with coroutines.

    `headers` and the listeners may be functions or coroutine functions. A task sends
    the heartbeats.
    """

    def __init__(
        self,
        url: str,
        user_id: str | None = None,
        *,
        headers: Headers | Callable[[], Headers | Awaitable[Headers]] | None = None,
        on_ended: Callable[[str, Problem | None], object] | None = None,
        on_offline: Callable[[Problem], object] | None = None,
        on_waiting: Callable[[Problem, float], object] | None = None,
        on_online: Callable[[], object] | None = None,
        on_grace: Callable[[bool], object] | None = None,
        patience_seconds: float = 30.0,
        beats: bool = True,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = streams_url(url, user_id)
        self._headers = headers if callable(headers) else lambda: headers or {}
        self._listeners: dict[str, Listener | None] = {
            "ended": on_ended,
            "offline": on_offline,
            "waiting": on_waiting,
            "online": on_online,
            "grace": on_grace,
        }
        self._patience_seconds = patience_seconds
        self._beats = beats
        self._http = http or httpx.AsyncClient(**connection_options(url))

        self._playback = Playback()
        # Identifies the slot when the app gives no deviceId.
        self._idempotency_key = secrets.token_urlsafe(12)
        # Orders the calls: each is sent after the answer to the one before.
        self._calling = asyncio.Lock()
        # Set when the current playback, or its start, is no longer wanted.
        self._superseded = asyncio.Event()
        self._heartbeats: asyncio.Task[None] | None = None

    @property
    def stream(self) -> Stream | None:
        """The service's latest answer about the stream, None when it is over."""
        return self._playback.stream

    async def start(self, stream_id: str, **fields: Any) -> Stream:
        """Start a stream and return it. See `StreamClient.start`."""
        request = {"streamId": stream_id, **fields}
        superseded = self._supersede()
        self._playback.is_paused = False
        patience_ends_at = time.monotonic() + self._patience_seconds

        for failures in range(MAX_START_TRIES):
            answer = await self._try_start(request, superseded)
            if answer.is_stream:
                if self._beats:
                    due = heartbeat_seconds(answer.body)
                    self._heartbeats = asyncio.create_task(
                        self._send_heartbeats(superseded, due)
                    )
                return answer.body
            if answer.is_refusal:
                raise refusal_of(answer)

            wait = answer.wait_seconds + backoff_seconds(failures)
            if time.monotonic() + wait > patience_ends_at:
                break
            await _wait(superseded, wait)

        raise Unavailable(answer.body, retry_after_seconds=answer.retry_after_seconds)

    async def heartbeat(self) -> float | None:
        """Send one heartbeat.

        Returns the seconds until the next is due, or None when the stream is over.
        """
        async with self._calling:
            stream = self._playback.stream
            if stream is None:
                return None

            answer = await self._send(self._playback.heartbeat(stream))
            if self._playback.should_start_again(answer, now=time.monotonic()):
                answer = await self._send(Call("", self._playback.request))
            beat = self._playback.take_heartbeat(answer, before=stream)

        for event in beat.events:
            await self._notify(event)
        return beat.next_seconds

    async def pause(self) -> None:
        """Report a pause. The plan says how long a paused stream keeps its slot."""
        self._playback.is_paused = True
        await self.heartbeat()

    async def resume(self) -> None:
        """Report that playback continues."""
        self._playback.is_paused = False
        await self.heartbeat()

    async def stop(self) -> None:
        """Free the slot. A repeat does no harm."""
        was_playing = self.stream is not None
        self._supersede()
        async with self._calling:
            stream = self._playback.stream
            self._playback.stream = None

        if was_playing:
            await self._notify(Event("ended", ("stopped", None)))
        if stream:
            await self._release(stream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    def _supersede(self) -> asyncio.Event:
        """End the previous start or playback. Return the event of the next one."""
        previous = self._superseded
        self._superseded = asyncio.Event()
        previous.set()
        return self._superseded

    async def _try_start(
        self, request: Mapping[str, Any], superseded: asyncio.Event
    ) -> Answer:
        """Send a start once."""
        async with self._calling:
            if superseded.is_set():
                raise Superseded
            answer = await self._send(Call("", request))
            to_release = self._playback.take_start(
                answer, request, now=time.monotonic()
            )

        if to_release:
            await self._release(to_release)
        # The slot that this start took belongs to the next start, or the stop frees it.
        if superseded.is_set():
            raise Superseded
        return answer

    async def _release(self, stream: Stream) -> None:
        """Free the slot of a stream, with a few tries."""
        for failures in range(STOP_TRIES):
            answer = await self._send(stop_of(stream))
            if answer.status == 204 or answer.is_refusal:
                return
            wait = answer.wait_seconds + backoff_seconds(failures)
            await asyncio.sleep(min(MAX_BACKOFF_SECONDS, wait))

    async def _send_heartbeats(self, superseded: asyncio.Event, due: float) -> None:
        """Send heartbeats until the playback is over."""
        wait: float | None = due
        while wait is not None and not await _wait(superseded, wait):
            wait = await self.heartbeat()

    async def _send(self, call: Call) -> Answer:
        """Send a call. A failure of any kind is an answer that allows a repeat."""
        try:
            headers = self._headers()
            if isawaitable(headers):
                headers = await headers
            response = await self._http.post(
                self._url + call.path,
                json=call.body,
                headers={"Idempotency-Key": self._idempotency_key, **dict(headers)},
                follow_redirects=False,
            )
            return read(response)
        except Exception as error:  # `headers` may raise any exception
            return no_answer(error)

    async def _notify(self, event: Event) -> None:
        """Call a listener. An exception of the app is logged."""
        listener = self._listeners[event.name]
        if listener is None:
            return
        try:
            result = listener(*event.arguments)
            if isawaitable(result):
                await result
        except Exception:
            log.exception("a listener of the stream client failed")


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set or a time has passed. Return whether it is set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True

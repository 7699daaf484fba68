"""Keeps one player within its user's stream limit: starts, heartbeats, stops. Needs httpx.

    client = StreamClient(url, "123", headers={"X-API-Key": key}, on_ended=player.halt)
    try:
        client.start("456", deviceId="tv", title="News")
    except Denied as denied:
        choose_from(denied.holders)  # then: client.start("456", deviceId="tv", replace=[chosen])
    …
    client.stop()

A client is one player: starting again (the next episode) keeps its slot. Heartbeats go out from a thread of its own, as
often as the service asks. Every problem is the service's (RFC 9457), or `{"type": "network-error", "detail"}`.
"""

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx

BACKOFF_SECONDS = 1.0
BACKOFF_AT_MOST_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0
STOP_TRIES = 3
RETRIED = {0, 408, 425, 429}

type Problem = Mapping[str, Any]
type Stream = Mapping[str, Any]


class Refused(Exception):
    """A start that was not admitted. `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or problem.get("type"))
        self.problem = problem


class Denied(Refused):
    """Every slot is taken. `holders` are the streams that hold them."""

    @property
    def holders(self) -> list[Stream]:
        """The streams to choose from, for `replace`."""
        return list(self.problem["streams"])


class Unavailable(Refused):
    """The service did not answer, or asked for patience for longer than there was."""


class StreamClient:
    """One player. `headers` (or a function that gives them, asked for each request) carries the credentials.

    `on_ended(reason, problem)` is told when it must not play any more (stopped, evicted, replaced, taken-over, expired,
    or a problem's type; no problem when this player stopped), `on_offline(problem)` and `on_online()` when the service
    falls silent and comes back. They are called from the heartbeats' thread. With `beats=False` there is no thread:
    whoever drives the client calls `heartbeat`.
    """

    def __init__(
        self,
        url: str,
        user_id: str,
        *,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        on_ended: Callable[[str, Problem | None], object] = lambda reason, problem: None,
        on_offline: Callable[[Problem], object] = lambda problem: None,
        on_online: Callable[[], object] = lambda: None,
        patience_seconds: float = 30.0,
        beats: bool = True,
        http: httpx.Client | None = None,
    ) -> None:
        self.stream: Stream | None = None
        self._url = f"{url.rstrip('/')}/users/{user_id}/streams"
        self._headers = headers if callable(headers) else lambda: headers or {}
        self._on_ended, self._on_offline, self._on_online = on_ended, on_offline, on_online
        self._patience_seconds, self._beats = patience_seconds, beats
        self._http = http or httpx.Client(timeout=TIMEOUT_SECONDS)
        self._key = secrets.token_urlsafe(12)  # the slot's identity when there is no deviceId
        self._failures = 0
        self._lock = threading.RLock()
        self._over = threading.Event()

    def start(self, stream_id: str, **fields: Any) -> Stream:
        """The stream, admitted; with `deviceId`, `deviceName`, `deviceType`, `title`, `replace` as fields. Raises
        `Denied`; `Unavailable` when patience runs out; `Refused` when no repeating would mend it."""
        self._over.set()
        until = time.monotonic() + self._patience_seconds
        for failures in range(1_000):
            with self._lock:  # a heartbeat of the playback before would be told that its slot was taken over
                status, answer, wait = self._send("POST", "", {"streamId": stream_id, **fields})
                if status in (200, 201):
                    self.stream, self._failures, self._over = answer, 0, threading.Event()
            if status in (200, 201):
                if self._beats:
                    threading.Thread(target=self._keep_alive, args=(self._over,), daemon=True).start()
                return answer
            if not _is_retried(status):
                raise (Denied if status == 409 else Refused)(answer)
            wait += _backoff(failures)
            if time.monotonic() + wait > until:
                break
            time.sleep(wait)
        raise Unavailable(answer)

    def heartbeat(self) -> float | None:
        """One heartbeat: the seconds until the next is due, or None when the stream is over."""
        with self._lock:
            stream = self.stream
            if stream is None:
                return None
            status, answer, wait = self._send("POST", f"/{stream['id']}/heartbeat", {"token": stream["token"]})
            failures = self._failures
            if status == 200:
                self.stream, self._failures = answer, 0
                due: float | None = answer["heartbeatSeconds"]
            elif _is_retried(status) or status == 401:
                self._failures += 1
                due = wait + _backoff(failures)
            else:
                self.stream, due = None, None
        if due is None:
            self._on_ended(answer.get("reason", answer["type"]), answer)
        elif status == 200 and failures:
            self._on_online()
        elif status != 200 and not failures:
            self._on_offline(answer)
        return due

    def stop(self) -> None:
        """Free the slot at once; harmless when the stream is over."""
        self._over.set()
        with self._lock:
            stream, self.stream = self.stream, None
        if stream is None:
            return
        self._on_ended("stopped", None)
        for failures in range(STOP_TRIES):
            status, _, wait = self._send("DELETE", f"/{stream['id']}", {"token": stream["token"]})
            if not _is_retried(status):
                return
            time.sleep(wait + _backoff(failures))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _keep_alive(self, over: threading.Event) -> None:
        due: float | None = self.stream["heartbeatSeconds"] if self.stream else None
        while due is not None and not over.wait(due):
            due = self.heartbeat()

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any], float]:
        """Status (0 without an answer), answer, and the seconds that the service asks to wait."""
        try:
            headers = {"Idempotency-Key": self._key, **self._headers()}
            response = self._http.request(method, self._url + path, json=body, headers=headers)
            wait = response.headers.get("Retry-After", "")
        except httpx.TransportError as error:
            return 0, {"type": "network-error", "detail": str(error)}, 0.0
        try:
            answer = response.json()
        except ValueError:  # what stands in front of the service may answer in something else than JSON
            answer = {"type": "network-error", "detail": response.reason_phrase}
        return response.status_code, answer, float(wait) if wait.isdigit() else 0.0


def _is_retried(status: int) -> bool:
    return status >= 500 or status in RETRIED


def _backoff(failures: int) -> float:
    """Full jitter under a doubling bound."""
    return random.random() * min(BACKOFF_AT_MOST_SECONDS, BACKOFF_SECONDS * 2.0**failures)

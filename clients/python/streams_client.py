"""Keeps one player within its user's stream limit: starts, heartbeats, stops. Needs httpx.

    client = StreamClient(url, "123", headers={"X-API-Key": key}, on_ended=player.halt)
    try:
        client.start("456", deviceId="tv", title="News")
    except Denied as denied:
        choose_from(denied.holders)  # then: client.start("456", deviceId="tv", replace=[chosen])
    …
    client.stop()

A client is one player: starting again (the next episode) keeps its slot, and the last start is the one that plays.
Heartbeats go out from a thread of its own, as often as the service asks. Every problem is the service's (RFC 9457), or
`{"type": "network-error", "detail"}` where the service did not answer: nobody did, or what stands in front of it.
"""

import logging
import math
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import quote

import httpx

log = logging.getLogger(__name__)

BACKOFF_SECONDS = 1.0
BACKOFF_AT_MOST_SECONDS = 30.0
WAIT_AT_MOST_SECONDS = 3600.0
TIMEOUT_SECONDS = 10.0
UNSURE_SECONDS = 60.0
"""A gateway keeps a call for half of it, and the next heartbeat comes within the rest."""
STOP_TRIES = 3
RETRIED = {408, 425, 429}

type Problem = Mapping[str, Any]
type Stream = Mapping[str, Any]


class Refused(Exception):
    """A start that was not admitted. `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(
            problem.get("detail") or problem.get("title") or problem.get("type")
        )
        self.problem = problem


class Denied(Refused):
    """Every slot is taken, or every place under a rule of the plan (`rule`). `holders` are the streams that count."""

    @property
    def holders(self) -> list[Stream]:
        """The streams to choose from, for `replace`."""
        return list(self.problem["streams"])

    @property
    def rule(self) -> Mapping[str, Any] | None:
        """The rule that refused, `name` and `message` for the viewer; None where it was the limit."""
        rule: Mapping[str, Any] | None = self.problem.get("rule")
        return rule


class Unavailable(Refused):
    """The service did not answer, or asked for patience for longer than there was."""


class Superseded(Refused):
    """The player was stopped, or started anew, before this start was admitted. It holds nothing."""

    def __init__(self) -> None:
        super().__init__(
            {
                "type": "superseded",
                "detail": "The player was stopped or started anew meanwhile.",
            }
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a call: a stream, or a problem that no repeating mends (`is_refusal`), or one that it may."""

    status: int
    body: dict[str, Any]
    is_stream: bool = False
    is_refusal: bool = False
    wait_seconds: float = 0.0


class StreamClient:
    """One player, of the user, or of the bearer token's user without a `user_id`. `headers` (or a function that gives
    them, asked for each request) carries the credentials.

    `on_ended(reason, problem)` is told when it must not play any more (stopped, evicted, replaced, taken-over, expired,
    or a problem's type; no problem when this player stopped), `on_offline(problem)` and `on_online()` when the service
    falls silent and comes back, `on_grace(is_grace)` when the stream goes on although the service's store is down, and
    when it is judged afterwards. They are called from the heartbeats' thread; what they raise is logged. With
    `beats=False` there is no thread: whoever drives the client calls `heartbeat`.
    """

    def __init__(
        self,
        url: str,
        user_id: str | None = None,
        *,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        on_ended: Callable[[str, Problem | None], object] = lambda reason, problem: (
            None
        ),
        on_offline: Callable[[Problem], object] = lambda problem: None,
        on_online: Callable[[], object] = lambda: None,
        on_grace: Callable[[bool], object] = lambda is_grace: None,
        patience_seconds: float = 30.0,
        beats: bool = True,
        http: httpx.Client | None = None,
    ) -> None:
        self.stream: Stream | None = None
        user = "me" if user_id is None else f"users/{quote(user_id, safe='')}"
        self._url = f"{url.rstrip('/')}/{user}/streams"
        self._headers = headers if callable(headers) else lambda: headers or {}
        self._on_ended, self._on_offline, self._on_online = (
            on_ended,
            on_offline,
            on_online,
        )
        self._on_grace = on_grace
        self._patience_seconds, self._beats = patience_seconds, beats
        self._http = http or httpx.Client(timeout=TIMEOUT_SECONDS)
        self._key = secrets.token_urlsafe(
            12
        )  # the slot's identity when there is no deviceId
        self._request: Mapping[str, Any] = {}  # the start that `stream` came of
        self._lost_at = -math.inf  # when a start was given up that may be on its way still, to take the slot over
        self._failures = 0
        self._is_paused = False
        self._calling = (
            threading.RLock()
        )  # a call is sent when the one before is answered, so that the last one counts
        self._over = (
            threading.Event()
        )  # set when this playback, or the start of it, is not wanted any more

    def start(self, stream_id: str, **fields: Any) -> Stream:
        """The stream, admitted; with `deviceId`, `deviceName`, `deviceType`, `title`, `metadata`, `replace` as fields.
        Raises `Denied`; `Unavailable` when patience runs out; `Superseded` when another thread stopped the player or
        started it anew; `Refused` when no repeating would mend it."""
        request = {"streamId": stream_id, **fields}
        over = self._supersede()
        self._is_paused = False
        until = time.monotonic() + self._patience_seconds
        for failures in range(1_000):
            left: Stream | None = None
            with self._calling:
                if over.is_set():
                    raise Superseded
                answer = self._send("", request)
                if answer.is_stream:
                    left = (
                        self.stream
                        if self.stream and self.stream["id"] != answer.body["id"]
                        else None
                    )
                    self._admit(answer.body, request)
                elif answer.is_refusal:
                    left, self.stream = self.stream, None
                else:
                    self._lost_at = time.monotonic()
            if left:
                self._release(left)
            if (
                over.is_set()
            ):  # what this start took is the next start's, or freed by the stop
                raise Superseded
            if answer.is_stream:
                if self._beats:
                    threading.Thread(
                        target=self._keep_alive,
                        args=(over, _due(answer.body)),
                        daemon=True,
                    ).start()
                return answer.body
            if answer.is_refusal:
                is_denial = answer.status == 409 and isinstance(
                    answer.body.get("streams"), list
                )
                raise (Denied if is_denial else Refused)(answer.body)
            wait = answer.wait_seconds + _backoff(failures)
            if time.monotonic() + wait > until:
                break
            over.wait(wait)
        raise Unavailable(answer.body)

    def heartbeat(self) -> float | None:
        """One heartbeat: the seconds until the next is due, or None when the stream is over."""
        with self._calling:
            stream, failures = self.stream, self._failures
            if stream is None:
                return None
            state = {"state": "paused"} if self._is_paused else {}
            answer = self._send(
                f"/{quote(stream['id'], safe='')}/heartbeat",
                {"token": stream["token"], **state},
            )
            if (
                answer.body.get("reason") == "taken-over"
                and time.monotonic() - self._lost_at < UNSURE_SECONDS
            ):
                answer = self._send(
                    "", self._request
                )  # from an earlier start of this player, as likely as not
            is_over = answer.is_refusal and answer.status != 401
            if answer.is_stream:
                self._admit(answer.body, self._request)
            elif is_over:
                self.stream = None
            else:
                self._failures += 1
        if is_over:
            self._tell(
                self._on_ended,
                answer.body.get("reason", answer.body["type"]),
                answer.body,
            )
            return None
        if answer.is_stream and failures:
            self._tell(self._on_online)
        elif not answer.is_stream and not failures:
            self._tell(self._on_offline, answer.body)
        if answer.is_stream and (is_grace := bool(answer.body.get("isGrace"))) != bool(
            stream.get("isGrace")
        ):
            self._tell(self._on_grace, is_grace)
        return (
            _due(answer.body)
            if answer.is_stream
            else answer.wait_seconds + _backoff(failures)
        )

    def pause(self) -> None:
        """Tell that the viewer has paused: the slot is kept for as long as the plan lets it."""
        self._is_paused = True
        self.heartbeat()

    def resume(self) -> None:
        """Tell that it goes on."""
        self._is_paused = False
        self.heartbeat()

    def stop(self) -> None:
        """Free the slot at once, also what a start in another thread is about to take; harmless when it is over."""
        was_playing = self.stream is not None
        self._supersede()
        with self._calling:
            stream, self.stream = self.stream, None
        if was_playing:
            self._tell(self._on_ended, "stopped", None)
        if stream:
            self._release(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _supersede(self) -> threading.Event:
        """Have what was wanted so far be over; the event by which the next learns the same."""
        before, self._over = self._over, threading.Event()
        before.set()
        return self._over

    def _admit(self, stream: Stream, request: Mapping[str, Any]) -> None:
        self.stream, self._failures = stream, 0
        # What it replaced is done. Whoever starts there from now on stays.
        self._request = {
            name: value for name, value in request.items() if name != "replace"
        }

    def _release(self, stream: Stream) -> None:
        for failures in range(STOP_TRIES):
            answer = self._send(
                f"/{quote(stream['id'], safe='')}/stop", {"token": stream["token"]}
            )
            if answer.status == 204 or answer.is_refusal:
                return
            time.sleep(
                min(BACKOFF_AT_MOST_SECONDS, answer.wait_seconds + _backoff(failures))
            )

    def _keep_alive(self, over: threading.Event, due: float | None) -> None:
        while due is not None and not over.wait(due):
            due = self.heartbeat()

    def _send(self, path: str, body: Mapping[str, Any]) -> _Answer:
        try:
            headers = {"Idempotency-Key": self._key, **self._headers()}
            response = self._http.post(
                self._url + path, json=body, headers=headers, follow_redirects=False
            )
            return _read(response)
        except Exception as error:  # whatever it is, and from `headers` too: the next heartbeat is tried all the same
            return _Answer(
                0,
                {"type": "network-error", "detail": str(error) or type(error).__name__},
            )

    def _tell(self, listener: Callable[..., object], *facts: Any) -> None:
        try:
            listener(*facts)
        except Exception:  # what the app does with it is the app's
            log.exception("a listener of the stream client failed")


def _read(response: httpx.Response) -> _Answer:
    """An answer, and what it is."""
    status, content = response.status_code, None
    if "json" in response.headers.get("Content-Type", "").lower():
        with suppress(ValueError):
            content = response.json()
    body = content if isinstance(content, dict) else {}
    is_stream = (
        status in (200, 201)
        and isinstance(body.get("id"), str)
        and isinstance(body.get("token"), str)
        and isinstance(body.get("heartbeatSeconds"), int | float)
        and body["heartbeatSeconds"] > 0
    )
    # An API refuses in JSON, or in no words. A page of HTML is from a portal, a proxy, a CDN, whatever its status.
    is_said = isinstance(content, dict) or not response.content
    is_refusal = 400 <= status < 500 and status not in RETRIED and is_said
    if not is_stream and not isinstance(body.get("type"), str):
        detail = body.get("message") or response.reason_phrase
        body = {"type": "network-error", "status": status, "detail": detail}
    return _Answer(status, body, is_stream, is_refusal, _wait_seconds(response.headers))


def _wait_seconds(headers: httpx.Headers) -> float:
    """From `Retry-After`: seconds, or a date, which the answer's own is subtracted from."""
    after = headers.get("Retry-After", "").strip()
    if after.isdecimal():
        return min(WAIT_AT_MOST_SECONDS, float(after))
    until, now = _instant(after), _instant(headers.get("Date", "")) or datetime.now(UTC)
    return (
        min(WAIT_AT_MOST_SECONDS, max(0.0, (until - now).total_seconds()))
        if until
        else 0.0
    )


def _instant(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return None


def _due(stream: Stream) -> float:
    return min(WAIT_AT_MOST_SECONDS, float(stream["heartbeatSeconds"]))


def _backoff(failures: int) -> float:
    """Full jitter under a doubling bound."""
    bound: float = BACKOFF_SECONDS * 2 ** min(failures, 10)
    return random.random() * min(BACKOFF_AT_MOST_SECONDS, bound)

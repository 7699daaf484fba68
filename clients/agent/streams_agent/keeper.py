"""The life of a player's session, from its start to its end.

A hook is answered from the session's state; only a start waits for the limiter, and not
longer than the media server waits. One task per session does the rest: heartbeats while
the player plays, cuts until the server no longer lists it, and the stop.

**Without an answer of the limiter** a player goes on until its lease ends, and a grace
time after it. A new player is refused, because the agent fails closed, unless the
operator chose `when_silent = "open"`.
"""

import asyncio
import logging
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import httpx

from streams_agent.configuration import Options
from streams_agent.credentials import InvalidCredential
from streams_agent.hooks import (
    Adapter,
    Event,
    Hook,
    MalformedHook,
    Reply,
    Report,
    Verdict,
)
from streams_agent.limiter import CALL_SECONDS, Limiter, is_over, is_refusal
from streams_agent.sessions import Session, Sessions, State
from streams_client.answers import Answer, backoff_seconds, heartbeat_seconds

log = logging.getLogger(__name__)

KICK_SECONDS = 1.0
MIN_WAIT_SECONDS = 0.01
MAX_ABSENCES = 2
"""Lists without a player after which it has gone. A new player may join late."""
MAX_UNKNOWN_SECONDS = 600.0
MAX_CONCURRENT_CALLS = 100
SERVER_ERRORS = (
    httpx.HTTPError,
    OSError,
    ValueError,
    AttributeError,
    LookupError,
    TypeError,
)
"""A server that does not answer, or whose answer has another form than its list."""

REFUSAL_SECONDS = 2.0
MAX_REFUSALS = 10_000

ALLOWED = Verdict(True)


class Refusal(NamedTuple):
    """A refused start, which is not repeated at the limiter for a moment."""

    until: float
    reason: str


class Keeper:
    """Keeps the sessions of all adapters."""

    def __init__(
        self,
        options: Options,
        *,
        sessions: Sessions,
        limiter: Limiter,
        adapters: Mapping[str, Adapter],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.adapters = adapters
        self._sessions = sessions
        self._limiter = limiter
        self._clock = clock
        self._by_id: dict[str, Session] = {}
        self._by_key: dict[str, Session] = {}
        self._refusals: OrderedDict[str, Refusal] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls = asyncio.Semaphore(MAX_CONCURRENT_CALLS)

    # --- life of the agent --------------------------------------------------------

    def open(self) -> None:
        """Continue the stored sessions."""
        now = self._clock()
        for session in self._sessions.load():
            if session.adapter not in self.adapters:
                session.state = State.STOPPING
            if session.state is State.STARTING:
                # The hook got no answer, so the server has refused the player.
                session.state = State.UNKNOWN
            session.seen_at = now
            self._remember(session)
        for adapter in self.adapters.values():
            if adapter.lists:
                self._spawn(self._watch(adapter))

    async def close(self) -> None:
        """End the tasks. The stored sessions stay as they are."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of sessions in each state."""
        states = [session.state for session in self._by_id.values()]
        return {state.value: states.count(state) for state in set(states)}

    # --- hooks --------------------------------------------------------------------

    async def handle(self, adapter: Adapter, hook: Hook) -> Reply:
        """Answer a hook."""
        event = Event.START
        try:
            report = adapter.read(hook)
            report.check()
            event = report.event
            verdict = await self._judge(adapter, report)
        except (MalformedHook, InvalidCredential) as exc:
            log.warning("%s: a hook was refused: %s", adapter.name, exc)
            verdict = Verdict(False, "invalid-hook")
        return adapter.reply(event, verdict)

    async def _judge(self, adapter: Adapter, report: Report) -> Verdict:
        if report.event is Event.IGNORED:
            return ALLOWED

        session = self._by_key.get(_key_of(adapter, report))
        if report.event is Event.STOPPED:
            if session is not None:
                self._stopped(session)
            return ALLOWED

        if session is not None and self._is_same(session, report):
            return await self._still_playing(session)
        if session is not None:
            self._stopped(session)
        return await self._start(adapter, report)

    def _is_same(self, session: Session, report: Report) -> bool:
        """Return whether a report is about this playback.

        A connection may play another stream, or the server counts its connections
        from 1 again after a restart.
        """
        credential = report.credential
        is_same_viewer = (
            credential is None or credential.fingerprint == session.fingerprint
        )
        return is_same_viewer and report.stream_id == session.stream_id

    async def _still_playing(self, session: Session) -> Verdict:
        """Answer from the state: a heartbeat never delays the server."""
        session.seen_at = self._clock()
        if session.call is not None and session.state is State.STARTING:
            await asyncio.wait({session.call}, timeout=self.options.answer_seconds)

        is_allowed = session.state in (State.PLAYING, State.WAITING)
        return Verdict(is_allowed, session.reason)

    def _stopped(self, session: Session) -> None:
        """Let go of a player that has left the server."""
        if session.state is State.STARTING or session.state is State.WAITING:
            self._change(session, State.UNKNOWN)
        elif session.is_at_the_server:
            self._change(session, State.STOPPING)

    # --- starts -------------------------------------------------------------------

    async def _start(self, adapter: Adapter, report: Report) -> Verdict:
        """Start a stream. The answer to the server is always in time."""
        if report.credential is None:
            return Verdict(False, "no-credential")
        refusal = self._refusals.get(_key_of(adapter, report))
        if refusal and self._clock() < refusal.until:
            return Verdict(False, refusal.reason)

        session = self._new_session(adapter, report)
        self._remember(session)
        self._sessions.save(session)

        session.call = self._spawn(self._admit(session))
        await asyncio.wait({session.call}, timeout=self.options.answer_seconds)
        if session.state is State.STARTING:
            self._go_without(session)

        is_allowed = session.state in (State.PLAYING, State.WAITING)
        if not is_allowed:
            log.info("%s: %s refused: %s", session.adapter, session.id, session.reason)
        return Verdict(is_allowed, session.reason)

    def _new_session(self, adapter: Adapter, report: Report) -> Session:
        credential = report.credential
        assert credential is not None
        now = self._clock()
        return Session(
            id=f"{adapter.name}-{secrets.token_urlsafe(9)}",
            adapter=adapter.name,
            key=_key_of(adapter, report),
            stream_id=report.stream_id,
            user_id=credential.user_id,
            fingerprint=credential.fingerprint,
            credential=credential.token,
            started_at=now,
            seen_at=now,
            device=report.device,
            place=report.place,
        )

    async def _admit(self, session: Session) -> None:
        """Ask the limiter, and take its answer even after the server's time-out."""
        session.due_at = self._clock()
        async with self._calls:
            answer = await self._limiter.start(session)

        is_playing = session.state is State.WAITING
        if answer.is_stream:
            self._take(session, answer)
            was_refused = session.state is State.UNKNOWN
            self._change(session, State.STOPPING if was_refused else State.PLAYING)
            log.info("%s: %s started", session.adapter, session.id)
        elif is_refusal(answer) and not (is_playing and answer.is_busy):
            self._refuse(session, str(answer.body["type"]))
        elif session.state is State.STARTING:
            self._go_without(session)
        else:
            session.failures += 1

    def _refuse(self, session: Session, reason: str) -> None:
        """Apply the limiter's refusal. A player that plays already is cut."""
        is_playing = session.state is State.WAITING
        session.reason = reason
        self._change(session, State.KICKING if is_playing else State.GONE)
        self._remember_refusal(session)

    def _remember_refusal(self, session: Session) -> None:
        """Remember a refusal, for a server that repeats the hook at each request."""
        until = self._clock() + REFUSAL_SECONDS
        self._refusals[session.key] = Refusal(until, session.reason)
        while len(self._refusals) > MAX_REFUSALS:
            self._refusals.popitem(last=False)

    def _go_without(self, session: Session) -> None:
        """Decide without the limiter's answer, as the operator chose.

        Closed by default: players above the limit do more harm than a player that
        waits. The slot that the limiter may have given is freed afterwards.
        """
        session.reason = "limiter-silent"
        if self.options.when_silent == "open":
            session.expires_at = self._clock() + self.options.open_seconds
            self._change(session, State.WAITING)
        else:
            self._change(session, State.UNKNOWN)

    # --- the task of a session ----------------------------------------------------

    def _remember(self, session: Session) -> None:
        self._by_id[session.id] = session
        if session.is_at_the_server:
            self._by_key[session.key] = session
        self._spawn(self._run(session))

    def _change(self, session: Session, state: State) -> None:
        """Enter a state, store it, and let the session's task act on it."""
        session.state = state
        session.failures = session.absences = 0
        if not session.is_at_the_server and self._by_key.get(session.key) is session:
            del self._by_key[session.key]
        if state is State.GONE:
            self._by_id.pop(session.id, None)
        self._sessions.save(session)
        session.wake.set()

    async def _run(self, session: Session) -> None:
        steps = {
            State.STARTING: self._await_the_start,
            State.PLAYING: self._keep,
            State.WAITING: self._ask_again,
            State.KICKING: self._kick,
            State.STOPPING: self._stop,
            State.UNKNOWN: self._settle,
        }
        while (step := steps.get(session.state)) is not None:
            session.wake.clear()
            try:
                wait = await step(session)
            except Exception:
                log.exception("%s: a step failed", session.id)
                wait = KICK_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(session.wake.wait(), max(wait, MIN_WAIT_SECONDS))

    async def _await_the_start(self, session: Session) -> float:
        return CALL_SECONDS

    async def _keep(self, session: Session) -> float:
        """Renew the lease when it is due. Return the seconds until the next step."""
        now = self._clock()
        if self._has_ceased(session, now):
            self._change(session, State.STOPPING)
            return 0.0
        if now < session.due_at:
            return self._until(session, session.due_at - now)

        async with self._calls:
            answer = await self._limiter.renew(session)
        if session.state is not State.PLAYING:
            return 0.0

        if answer.is_stream:
            self._take(session, answer)
            self._sessions.save(session)
        elif is_over(answer):
            session.reason = str(answer.body.get("reason") or answer.body["type"])
            session.token = None
            self._change(session, State.KICKING)
        else:
            self._go_on(session, answer)
        return self._until(session, session.due_at - self._clock())

    def _until(self, session: Session, seconds: float) -> float:
        """Return a wait that is not longer than until the player counts as gone."""
        if self.adapters[session.adapter].lists:
            return max(0.0, seconds)
        silent_at = session.seen_at + self.options.silent_seconds
        return min(seconds, max(0.1, silent_at - self._clock()))

    def _has_ceased(self, session: Session, now: float) -> bool:
        """Return whether the hooks about a player have ceased, and no list shows it."""
        lists = self.adapters[session.adapter].lists
        return not lists and self._is_silent(session, now)

    def _is_silent(self, session: Session, now: float) -> bool:
        """Return whether the server has not mentioned the player for too long."""
        return now - session.seen_at > self.options.silent_seconds

    def _go_on(self, session: Session, answer: Answer) -> None:
        """Let a player go on without an answer, until the end of the grace time."""
        now = self._clock()
        if now > session.expires_at + self.options.grace_seconds:
            session.reason = "limiter-silent"
            self._change(session, State.KICKING)
            return

        session.failures += 1
        session.due_at = now + answer.wait_seconds + self._retry_seconds(session)

    async def _ask_again(self, session: Session) -> float:
        """Ask for the lease of a player that plays without one."""
        if session.call is not None and not session.call.done():
            return CALL_SECONDS
        if self._clock() > session.expires_at + self.options.grace_seconds:
            self._refuse(session, "limiter-silent")
            return 0.0

        await self._admit(session)
        return self._retry_seconds(session)

    def _retry_seconds(self, session: Session) -> float:
        """Return a random wait that grows with the number of failures."""
        return min(float(backoff_seconds(session.failures)), self.options.retry_seconds)

    async def _kick(self, session: Session) -> float:
        """Cut a player until the server no longer lists it."""
        adapter = self.adapters[session.adapter]
        if session.failures == 0:
            log.info("%s: %s is cut: %s", session.adapter, session.id, session.reason)
        session.failures += 1
        try:
            await adapter.kick(session)
            if adapter.lists:
                is_listed = _key(session) in await adapter.listed([session])
                session.absences = 0 if is_listed else session.absences + 1
                session.seen_at = self._clock()
        except SERVER_ERRORS as exc:
            log.warning("%s: the server did not answer: %r", session.adapter, exc)

        is_silent = self._is_silent(session, self._clock())
        if session.absences >= MAX_ABSENCES or is_silent:
            self._change(session, State.STOPPING if session.token else State.GONE)
        return KICK_SECONDS

    async def _stop(self, session: Session) -> float:
        """Free the slot at the limiter. After its lease, the slot is free by itself."""
        if session.token is None:
            self._change(session, State.GONE)
            return 0.0

        async with self._calls:
            answer = await self._limiter.stop(session)
        is_answered = answer.status == 204 or is_over(answer) or answer.status == 400
        if is_answered or self._clock() > session.expires_at:
            self._change(session, State.GONE)
            return 0.0
        session.failures += 1
        return self._retry_seconds(session)

    async def _settle(self, session: Session) -> float:
        """Free the slot of a start that the limiter may have admitted.

        The start may still be on its way, so the end is repeated after it cannot be.
        """
        if session.call is not None and not session.call.done():
            return CALL_SECONDS
        if session.token is not None:
            self._change(session, State.STOPPING)
            return 0.0

        async with self._calls:
            answer = await self._limiter.end(session)
        is_answered = answer.status == 204 or answer.is_refusal
        now = self._clock()
        certain_at = max(session.started_at, session.due_at) + CALL_SECONDS
        if (is_answered and now >= certain_at) or (
            now > session.started_at + MAX_UNKNOWN_SECONDS
        ):
            self._change(session, State.GONE)
            return 0.0
        session.failures += 1
        return certain_at - now if is_answered else self.options.retry_seconds

    def _take(self, session: Session, answer: Answer) -> None:
        """Take the lease of an answer. A due time varies, as the service asks."""
        now = self._clock()
        session.token = str(answer.body["token"])
        session.credential = None
        session.reason = ""
        session.failures = 0
        session.expires_at = now + float(answer.body.get("leaseSeconds", 0))
        session.due_at = now + heartbeat_seconds(answer.body)

    # --- the server's list --------------------------------------------------------

    async def _watch(self, adapter: Adapter) -> None:
        """Compare the sessions with the server's list of players, again and again."""
        while True:
            jitter = random.uniform(0.9, 1.1)
            await asyncio.sleep(self.options.poll_seconds * jitter)
            sessions = [
                session
                for session in self._by_key.values()
                if session.adapter == adapter.name
                and session.state in (State.PLAYING, State.WAITING)
            ]
            if not sessions:
                continue
            asked_at = self._clock()
            try:
                listed = await adapter.listed(sessions)
            except SERVER_ERRORS as exc:
                log.warning("%s: the server did not answer: %r", adapter.name, exc)
                listed = None
            for session in sessions:
                self._compare(session, listed, asked_at)

    def _compare(
        self, session: Session, listed: set[str] | None, asked_at: float
    ) -> None:
        if listed is None:
            if self._is_silent(session, asked_at):
                self._stopped(session)
            return

        if _key(session) in listed:
            session.seen_at = asked_at
            session.absences = 0
        elif session.started_at + self.options.join_seconds < asked_at:
            session.absences += 1
            if session.absences >= MAX_ABSENCES:
                log.info("%s: %s has gone", session.adapter, session.id)
                self._stopped(session)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _key_of(adapter: Adapter, report: Report) -> str:
    """Return the key of a report's connection among all adapters."""
    return f"{adapter.name}/{report.key}"


def _key(session: Session) -> str:
    """Return the server's key of a session's connection."""
    return session.key.partition("/")[2]

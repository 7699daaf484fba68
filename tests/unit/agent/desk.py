"""A keeper with a limiter and a media server that the test controls."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, override

import httpx

from streams_agent.configuration import Options
from streams_agent.credentials import Credential
from streams_agent.hooks import Adapter, Event, Hook, Report
from streams_agent.keeper import Keeper
from streams_agent.sessions import Session, Sessions
from streams_client.answers import Answer

SILENT = Answer(0, {"type": "network-error", "detail": "silent"})
LEASE_SECONDS = 60.0
HTTP = httpx.AsyncClient(verify=False, trust_env=False)
"""No test sends a request with it."""
DENIED = Answer(409, {"type": "stream-limit-reached"}, is_refusal=True)
ENDED = Answer(410, {"type": "stream-ended", "reason": "stopped"}, is_refusal=True)
FORGOTTEN = Answer(404, {"type": "stream-not-found"}, is_refusal=True)
FREED = Answer(204, {"type": "network-error"})
TOO_MANY_STARTS = Answer(429, {"type": "too-many-starts"})
NO_ROUTE = Answer(404, {"type": "network-error"}, is_refusal=True)


class FakeLimiter:
    """A limiter with a number of slots.

    `answers` overrides the answers of a call by its name. While `is_held`, starts get
    no answer, and take effect.
    """

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit
        self.streams: dict[str, str] = {}
        self.calls: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.heartbeat_seconds = 0.05
        self.lease_seconds = LEASE_SECONDS
        self._tokens = itertools.count(1)

    def admitted(self, session: Session) -> Answer:
        token = f"token-{next(self._tokens)}"
        self.streams[session.id] = token
        body = {
            "id": session.id,
            "token": token,
            "heartbeatSeconds": self.heartbeat_seconds,
            "leaseSeconds": self.lease_seconds,
        }
        return Answer(201, body, is_stream=True)

    async def start(self, session: Session) -> Answer:
        self.calls.append("start")
        if "start" in self.answers:
            return self.answers["start"]
        is_full = session.id not in self.streams and len(self.streams) >= self.limit
        answer = DENIED if is_full else self.admitted(session)
        await self.gate.wait()
        return answer

    async def renew(self, session: Session) -> Answer:
        self.calls.append("renew")
        if "renew" in self.answers:
            return self.answers["renew"]
        if self.streams.get(session.id) != session.token:
            return FORGOTTEN
        return self.admitted(session)

    async def stop(self, session: Session) -> Answer:
        return self._free("stop", session)

    async def end(self, session: Session) -> Answer:
        return self._free("end", session)

    def _free(self, name: str, session: Session) -> Answer:
        self.calls.append(name)
        if name in self.answers:
            return self.answers[name]
        return FREED if self.streams.pop(session.id, None) else FORGOTTEN


class FakeServer(Adapter):
    """A media server whose hooks are events with a key and a stream."""

    name = "fake"

    def __init__(self, *, lists: bool = False) -> None:
        super().__init__({}, HTTP)
        self.players: set[str] = set()
        self.kicks: list[str] = []
        self.obeys = True
        self._lists = lists

    @property
    @override
    def lists(self) -> bool:
        return self._lists

    @override
    def read(self, hook: Hook) -> Report:
        event, key, stream_id, token = hook.body.decode().split(" ")
        credential = Credential(token=token) if token != "none" else None
        return Report(
            event=Event(event), key=key, stream_id=stream_id, credential=credential
        )

    @override
    async def listed(self, sessions: Collection[Session]) -> set[str]:
        return self.players

    @override
    async def kick(self, session: Session) -> None:
        key = session.key.partition("/")[2]
        self.kicks.append(key)
        if self.obeys:
            self.players.discard(key)


@dataclass
class Desk:
    """Everything that a test of the keeper needs."""

    folder: Path
    limiter: FakeLimiter = field(default_factory=FakeLimiter)
    server: FakeServer = field(default_factory=FakeServer)
    settings: dict[str, Any] = field(default_factory=dict)
    skipped_seconds: float = 0.0

    @asynccontextmanager
    async def keeper(self) -> AsyncIterator[Keeper]:
        """Run a keeper on the stored sessions, as after a restart."""
        values = {
            "limiter": "http://limiter",
            "answer_seconds": 5.0,
            "poll_seconds": 0.02,
            "join_seconds": 0.0,
            "retry_seconds": 0.02,
            **self.settings,
        }
        sessions = Sessions(self.folder / "state.sqlite3")
        keeper = Keeper(
            Options(**values),
            sessions=sessions,
            limiter=self.limiter,  # type: ignore[arg-type]  # it has the same calls
            adapters={"fake": self.server},
            clock=lambda: time.time() + self.skipped_seconds,
        )
        keeper.open()
        try:
            yield keeper
        finally:
            await keeper.close()
            sessions.close()

    async def tell(
        self,
        keeper: Keeper,
        event: str,
        key: str = "1",
        *,
        stream: str = "film",
        token: str = "ticket",
    ) -> bool:
        """Send a hook, and return whether the player may play."""
        body = f"{event} {key} {stream} {token}".encode()
        reply = await keeper.handle(self.server, Hook(body=body))
        is_allowed = reply.status == 200
        if is_allowed and event == "start":
            self.server.players.add(key)
        return is_allowed


async def until(is_true: Any, seconds: float = 5.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not is_true():
            await asyncio.sleep(0.005)

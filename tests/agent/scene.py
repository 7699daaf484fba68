"""A limiter, an agent and a media server, as processes that can fail."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.agent.media_servers import START_SECONDS, MediaServer
from tests.agent.players import Player
from tests.servers import PROJECT, brief_server, free_port

PYTHONPATH = os.pathsep.join(
    str(PROJECT / "clients" / name) for name in ("agent", "python")
)
HANG_UP_SECONDS = 20.0


class Gate:
    """A way to the limiter that can be closed, as when the network fails."""

    def __init__(self, url: str) -> None:
        self.target = httpx.URL(url)
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(
            self._connect, "127.0.0.1", self.port, backlog=4096
        )

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()

        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)  # lets the transports close

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there = await asyncio.open_connection(self.target.host, self.target.port)
        self._writers |= {writer, there[1]}

        await asyncio.gather(self._copy(reader, there[1]), self._copy(there[0], writer))

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


class AgentProcess:
    """The agent, with a socket that stays open while it restarts."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.configuration = folder / "agent.toml"
        self.configuration.write_text(settings)
        self.log = folder / "agent.log"
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.hooks = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # systemd passes the socket as the descriptor 3, and names the process.
        listening = self._socket.fileno()
        run = f"{sys.executable} -m streams_agent {self.configuration}"
        script = f"export LISTEN_PID=$$ LISTEN_FDS=1; exec {run}"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", script],
                env=os.environ | {"PYTHONPATH": PYTHONPATH},
                close_fds=False,
                preexec_fn=lambda: os.dup2(listening, 3),
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        self.kill()
        self._socket.close()


@dataclass
class Scene:
    """Everything that an act needs."""

    server: MediaServer
    agent: AgentProcess
    gate: Gate
    limiter: httpx.AsyncClient
    user_id: str = field(default_factory=lambda: f"user-{uuid4()}")

    async def __aenter__(self) -> Self:
        await self.gate.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.gate.close()
        await self.limiter.aclose()

    @property
    def streams(self) -> str:
        return f"/users/{self.user_id}/streams"

    async def ticket(self) -> str:
        response = await self.limiter.post(f"/users/{self.user_id}/tickets", json={})
        return str(response.raise_for_status().json()["ticket"])

    async def tickets(self, count: int) -> list[str]:
        return [await self.ticket() for _ in range(count)]

    async def live(self) -> list[dict[str, Any]]:
        response = await self.limiter.get(self.streams)
        return list(response.raise_for_status().json()["streams"])

    async def play(self, count: int) -> list[Player]:
        """Open players at once, and wait until each plays or is refused."""
        tickets = await self.tickets(count)
        players = [self.server.play(ticket) for ticket in tickets]
        await until(lambda: all(player.is_decided for player in players))
        return players

    async def fill(self, count: int) -> list[Player]:
        """Open players until this number plays. A busy machine may refuse some."""
        players: list[Player] = []
        while len(players) < count:
            opened = await self.play(count - len(players))
            players += [player for player in opened if player.plays]
        return players

    async def hang_up(self, players: list[Player]) -> float:
        """Close the players. Return the seconds until their slots are free."""
        began = time.monotonic()
        await asyncio.gather(*(player.close() for player in players))
        while await self.live():
            assert time.monotonic() < began + HANG_UP_SECONDS, "a slot is lost"
            await asyncio.sleep(0.05)
        return time.monotonic() - began


async def until(is_true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until a condition holds."""
    give_up_at = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < give_up_at, "the condition did not hold in time"
        await asyncio.sleep(0.01)


@contextmanager
def limiter_url() -> Iterator[str]:
    """Run a limiter with leases of five seconds, and give its address."""
    with brief_server() as service:
        yield service.url


@contextmanager
def running(
    limiter: str, server: MediaServer, folder: Path
) -> Iterator["Callable[[], Scene]"]:
    """Run an agent and a media server. Give a function that makes their scene."""
    gate = Gate(limiter)
    options = [
        f'limiter = "http://127.0.0.1:{gate.port}"',
        f'state = "{folder}/state.sqlite3"',
        "poll_seconds = 0.5",
        "grace_seconds = 60",
        server.agent_settings,
        f"[{server.name}]",
        server.settings,
    ]
    agent = AgentProcess(folder, "\n".join(options))
    try:
        agent.start()
        httpx.get(f"{agent.hooks}/healthz", timeout=START_SECONDS).raise_for_status()
        with server.running(folder, agent.hooks):
            yield lambda: Scene(
                server, agent, gate, httpx.AsyncClient(base_url=limiter, timeout=30)
            )
    finally:
        agent.close()

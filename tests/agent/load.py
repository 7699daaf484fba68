"""Many sessions of one agent: `python -m tests.agent.run sessions`.

The limiter counts the calls that it receives. The media server is a script that sends
the hooks of nginx.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import httpx
from aiohttp import web

from tests.agent.scene import AgentProcess
from tests.servers import free_port

HEARTBEAT_SECONDS = 20.0
WINDOW_SECONDS = 60.0
CONCURRENT_HOOKS = 10
REPEAT_SECONDS = 3.0


class CountingLimiter:
    """A limiter that admits every player, and counts the calls of each stream."""

    def __init__(self) -> None:
        self.starts: Counter[str] = Counter()
        self.heartbeats: Counter[str] = Counter()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_put("/me/streams/{id}", self._start)
        app.router.add_post("/me/streams/{id}/heartbeat", self._heartbeat)
        app.router.add_post("/me/streams/{id}/stop", self._end)
        app.router.add_delete("/me/streams/{id}", self._end)
        return app

    async def _end(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _start(self, request: web.Request) -> web.Response:
        self.starts[request.match_info["id"]] += 1
        return self._lease(request)

    async def _heartbeat(self, request: web.Request) -> web.Response:
        self.heartbeats[request.match_info["id"]] += 1
        return self._lease(request)

    def _lease(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "id": request.match_info["id"],
                "token": "token",
                "heartbeatSeconds": HEARTBEAT_SECONDS,
                "leaseSeconds": 3 * HEARTBEAT_SECONDS,
            }
        )


async def keep(folder: Path, *, sessions: int) -> Mapping[str, float]:
    """Keep sessions for a while. Each sends one call per heartbeat."""
    limiter = CountingLimiter()
    runner = web.AppRunner(limiter.application(), access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()

    settings = [
        f'limiter = "http://127.0.0.1:{port}"',
        f'state = "{folder}/state.sqlite3"',
        "[nginx-rtmp]",
    ]
    agent = AgentProcess(folder, "\n".join(settings))
    agent.start()
    try:
        return await _measure(agent, limiter, sessions)
    finally:
        agent.close()
        await runner.cleanup()


async def _measure(
    agent: AgentProcess, limiter: CountingLimiter, sessions: int
) -> Mapping[str, float]:
    began = time.monotonic()
    await _report(agent, "play", sessions)
    started_in = time.monotonic() - began
    limiter.heartbeats.clear()
    began = time.monotonic()
    await asyncio.sleep(WINDOW_SECONDS)
    intervals = (time.monotonic() - began) / HEARTBEAT_SECONDS
    calls = limiter.heartbeats.total() / sessions / intervals
    assert len(limiter.heartbeats) == sessions

    waits = await _report(agent, "update_play", sessions)
    return {
        "sessions": sessions,
        "all started in, s": started_in,
        "calls per session and heartbeat": calls,
        "median answer to an update, ms": 1000 * statistics.median(waits),
        "slowest answer to an update, ms": 1000 * max(waits),
    }


async def _report(agent: AgentProcess, call: str, sessions: int) -> list[float]:
    """Send a hook for each session. Return how long each answer took."""
    slots = asyncio.Semaphore(CONCURRENT_HOOKS)
    limits = httpx.Limits(max_connections=CONCURRENT_HOOKS)

    async with httpx.AsyncClient(
        base_url=agent.hooks, timeout=30, limits=limits
    ) as http:

        async def send(client: int) -> float:
            fields = {"app": "live", "call": call, "clientid": client, "name": "film"}
            body = urlencode({**fields, "ticket": f"tk_{client}.x"})
            # On a busy machine the limiter is too slow for some of the starts.
            while True:
                async with slots:
                    began = time.monotonic()
                    response = await http.post("/nginx-rtmp", content=body)
                    wait = time.monotonic() - began
                if response.status_code == 200:
                    return wait
                await asyncio.sleep(REPEAT_SECONDS)

        return await asyncio.gather(*map(send, range(1, sessions + 1)))

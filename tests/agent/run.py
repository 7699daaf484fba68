"""Runs the acts in their long form: `python -m tests.agent.run nginx-rtmp icecast`.

`sessions` keeps a thousand sessions. Without a name, everything runs.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.agent import acts, load
from tests.agent.media_servers import (
    Icecast,
    MediaServer,
    NginxRTMP,
    SegmentServer,
)
from tests.agent.scene import Scene, limiter_url, running

SERVERS: Mapping[str, type[MediaServer]] = {
    server.name: server for server in (NginxRTMP, Icecast, SegmentServer)
}
type Act = Callable[[Scene], Coroutine[Any, Any, Mapping[str, float]]]

ROUNDS = 20
AWAY_SECONDS = 30.0
KILLS = 5
SESSIONS = 1000


def main(names: list[str]) -> None:
    """Run the acts at these servers, or everything."""
    names = names or [*SERVERS, "sessions"]
    if "sessions" in names:
        names.remove("sessions")
        with TemporaryDirectory(prefix="agent-") as folder:
            figures = asyncio.run(load.keep(Path(folder), sessions=SESSIONS))
            _show("one agent", "many sessions", figures)

    with limiter_url() as limiter:
        for name in names:
            with (
                TemporaryDirectory(prefix="agent-") as folder,
                running(limiter, SERVERS[name](), Path(folder)) as scene,
            ):
                asyncio.run(_play(name, scene))


async def _play(name: str, make: Callable[[], Scene]) -> None:
    async with make() as scene:
        played: Mapping[str, Act] = {
            "a fourth player": acts.fourth,
            "a crowd": partial(acts.crowd, rounds=ROUNDS),
            "an operator's end": acts.ended,
            "the limiter away": partial(acts.limiter_away, seconds=AWAY_SECONDS),
            "the agent killed": partial(acts.agent_killed, times=KILLS),
        }
        for title, act in played.items():
            _show(name, title, await act(scene))


def _show(name: str, title: str, figures: Mapping[str, float]) -> None:
    shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
    print(f"{name}, {title}: {shown}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

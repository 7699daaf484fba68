"""Runs the acts in their long form: `python -m tests.agent.run nginx-rtmp icecast`."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.agent import acts
from tests.agent.media_servers import Icecast, MediaServer, NginxRTMP
from tests.agent.scene import Scene, limiter_url, running

SERVERS: Mapping[str, type[MediaServer]] = {
    server.name: server for server in (NginxRTMP, Icecast)
}
ROUNDS = 20
AWAY_SECONDS = 30.0
KILLS = 5


def main(names: list[str]) -> None:
    """Run the acts at these servers, or at all of them."""
    with limiter_url() as limiter:
        for name in names or SERVERS:
            with (
                TemporaryDirectory(prefix="agent-") as folder,
                running(limiter, SERVERS[name](), Path(folder)) as scene,
            ):
                asyncio.run(_play(name, scene))


async def _play(name: str, make: Callable[[], Scene]) -> None:
    scene = make()
    await scene.gate.open()
    played = {
        "a fourth player": acts.fourth(scene),
        "a crowd": acts.crowd(scene, rounds=ROUNDS),
        "an operator's end": acts.ended(scene),
        "the limiter away": acts.limiter_away(scene, seconds=AWAY_SECONDS),
        "the agent killed": acts.agent_killed(scene, times=KILLS),
    }
    for title, act in played.items():
        figures = await act
        shown = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
        print(f"{name} {title}: {shown}", flush=True)
    await scene.gate.close()


if __name__ == "__main__":
    main(sys.argv[1:])

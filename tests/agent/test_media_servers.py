"""The agent at real media servers: nginx with the RTMP module, and Icecast.

One limiter serves all tests of this module. Its leases last five seconds.
"""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent import acts
from tests.agent.media_servers import Icecast, MediaServer, NginxRTMP
from tests.agent.scene import Scene, limiter_url, running

RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
SERVERS = [
    pytest.param(
        NginxRTMP,
        marks=pytest.mark.skipif(
            not RTMP_MODULE.exists(), reason="needs libnginx-mod-rtmp"
        ),
        id="nginx-rtmp",
    ),
    pytest.param(
        Icecast,
        marks=pytest.mark.skipif(not shutil.which("icecast2"), reason="needs icecast2"),
        id="icecast",
    ),
]

type Act = Callable[[Scene], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="module")
def limiter() -> Iterator[str]:
    with limiter_url() as url:
        yield url


@pytest.mark.media
@pytest.mark.parametrize("server", SERVERS)
def test_the_agent_keeps_its_promises_at_a_media_server(
    limiter: str, tmp_path: Path, server: type[MediaServer]
) -> None:
    async def play(make: Callable[[], Scene]) -> None:
        async with make() as scene:
            await acts.fourth(scene)
            await acts.crowd(scene, rounds=2)
            await acts.ended(scene)
            await acts.limiter_away(scene, seconds=2)
            await acts.agent_killed(scene, times=1)

    with running(limiter, server(), tmp_path) as make:
        asyncio.run(play(make))

    log = (tmp_path / "agent.log").read_text()
    assert "refused" in log
    assert "tk_" not in log

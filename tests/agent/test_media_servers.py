"""The agent at real media servers: nginx with the RTMP module, and Icecast.

One limiter serves all tests of this module. Its leases last five seconds.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.agent import acts
from tests.agent.media_servers import (
    Icecast,
    MediaServer,
    NginxRTMP,
    SegmentServer,
)
from tests.agent.scene import Scene, limiter_url, running
from tests.servers import PROJECT, free_port

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
    pytest.param(SegmentServer, id="auth-request"),
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
            await acts.crowd(scene, rounds=1 if server is SegmentServer else 2)
            await acts.ended(scene)
            await acts.limiter_away(scene, seconds=2)
            await acts.agent_killed(scene, times=1)

    with running(limiter, server(), tmp_path) as make:
        asyncio.run(play(make))

    log = (tmp_path / "agent.log").read_text()
    assert "refused" in log
    assert "tk_" not in log


@pytest.mark.media
@pytest.mark.skipif(not RTMP_MODULE.exists(), reason="needs libnginx-mod-rtmp")
def test_the_demo_refuses_a_third_player_and_cuts_an_ended_one() -> None:
    names = ("PORT", "RTMP_PORT", "NGINX_PORT", "AGENT_PORT")
    ports = {name: str(free_port()) for name in names}
    run = subprocess.run(
        [sys.executable, "-m", "clients.demo.rtmp", "--once"],
        cwd=PROJECT,
        env=os.environ | ports | {"DYNAMODB_TABLE": f"Demo-{uuid4()}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    assert "A third player is refused" in run.stdout
    assert "nginx has cut its player" in run.stdout

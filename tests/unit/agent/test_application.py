"""The HTTP server that a media server calls."""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams_agent import logs
from streams_agent.adapters import ADAPTERS
from streams_agent.application import application
from streams_agent.configuration import Options
from tests.servers import free_port
from tests.unit.agent.test_hooks_of_servers import SECRET, STARTS, TICKET

SERVERS: Mapping[str, Mapping[str, str]] = {
    name: {"secret": SECRET, "api": f"http://127.0.0.1:{free_port()}"}
    for name in ADAPTERS
}
type Story = Callable[[TestClient[Any, Any]], Awaitable[None]]


def run(folder: Path, story: Story, **settings: Any) -> None:
    """Run a story with an agent whose limiter is away."""
    values = {
        "limiter": f"http://127.0.0.1:{free_port()}",
        "state": folder / "state.sqlite3",
        "servers": SERVERS,
        **settings,
    }
    options = Options(**values)

    async def with_client() -> None:
        async with TestClient(TestServer(application(options))) as client:
            await story(client)

    asyncio.run(with_client())


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_start_is_refused_in_time_while_the_limiter_is_away(
    tmp_path: Path, name: str
) -> None:
    async def story(client: TestClient[Any, Any]) -> None:
        hook = STARTS[name]
        began = time.monotonic()
        response = await client.request(
            hook.method,
            f"/{name}?{hook.query}",
            data=hook.body or None,
            headers=dict(hook.headers.pairs),
        )
        assert time.monotonic() - began < 1.5
        text = await response.text()
        is_refused = response.status in (401, 403) or '"allowed": false' in text
        assert is_refused or '"code": 403' in text

    run(tmp_path, story)


def test_a_start_is_refused_in_time_while_the_limiter_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        port = hanging.getsockname()[1]

        async def story(client: TestClient[Any, Any]) -> None:
            began = time.monotonic()
            response = await client.post("/srs", data=STARTS["srs"].body)
            assert await response.json() == {"code": 403}
            assert 0.8 < time.monotonic() - began < 1.5

        # Below the default, because the machine of a test can be busy.
        url = f"http://127.0.0.1:{port}"
        run(tmp_path, story, limiter=url, answer_seconds=0.8)


def test_hooks_need_the_secret_of_the_configuration(tmp_path: Path) -> None:
    async def story(client: TestClient[Any, Any]) -> None:
        data = b"call=update_publish&clientid=1&app=a&name=b"
        for path, status in [
            ("/hook-secret/nginx-rtmp", 200),
            ("/another/nginx-rtmp", 403),
            ("/nginx-rtmp", 404),
        ]:
            response = await client.post(path, data=data)
            assert response.status == status, path

    run(tmp_path, story, hook_secret="hook-secret")


def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async def story(client: TestClient[Any, Any]) -> None:
        response = await client.post("/srs", data=b"x" * 100_000)
        assert await response.json() == {"code": 403}

    run(tmp_path, story)


def test_a_body_that_does_not_arrive_is_refused_in_time(tmp_path: Path) -> None:
    async def story(client: TestClient[Any, Any]) -> None:
        reader, writer = await asyncio.open_connection(
            client.server.host, client.server.port
        )
        writer.write(b"POST /srs HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        began = time.monotonic()
        assert b"200 OK" in await reader.readline()
        assert time.monotonic() - began < 1.5
        writer.close()

    run(tmp_path, story)


def test_no_secret_is_in_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(logs.RedactingFormatter())
    password = "pass-word-of-ana"

    async def story(client: TestClient[Any, Any]) -> None:
        for name, hook in STARTS.items():
            await client.request(
                hook.method,
                f"/{name}?{hook.query}",
                data=hook.body + b"&pass=" + password.encode(),
                headers=dict(hook.headers.pairs),
            )
        reader, writer = await asyncio.open_connection(
            client.server.host, client.server.port
        )
        writer.write(f"GET /srs?ticket={TICKET} HTTP/9\r\nx\x00y\r\n\r\n".encode())
        await reader.read()
        writer.close()

    run(tmp_path, story)
    assert TICKET not in caplog.text
    assert TICKET.partition(".")[0] not in caplog.text
    assert password not in caplog.text


def test_the_health_check_counts_the_sessions(tmp_path: Path) -> None:
    async def story(client: TestClient[Any, Any]) -> None:
        response = await client.get("/healthz")
        assert await response.json() == {"status": "ok", "sessions": {}}

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("GET /x?ticket=abcdef&a=b", "abcdef"),
        ("Authorization: Bearer eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "eyJ"),
        ("the token tk_WyJh.c2ln failed", "WyJh"),
        ("{'password': 'secret word'}", "secret"),
        ("user=ana", "ana"),
    ],
)
def test_a_log_line_hides_credentials(line: str, secret: str) -> None:
    assert secret not in logs.redact(line)

"""The Python client for asyncio."""

import asyncio
from typing import Any

import httpx
import pytest

from clients.python.streams_client import (
    AsyncStreamClient,
    Denied,
    Superseded,
    Unavailable,
)
from tests.e2e.python_client.players import too_many_starts
from tests.servers import Server
from tests.viewer import Viewer


class AsyncNetwork(httpx.AsyncHTTPTransport):
    """A network that answers in place of the service while `answer` is set."""

    answer: httpx.Response | None = None

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return self.answer or await super().handle_async_request(request)


def test_a_player_starts_renews_pauses_and_stops(
    server_url: str, user_id: str, viewer: Viewer
) -> None:
    ended: list[tuple[Any, ...]] = []

    async def headers() -> dict[str, str]:
        return {}

    async def on_ended(*facts: Any) -> None:
        ended.append(facts)

    async def play() -> None:
        options: dict[str, Any] = {"headers": headers, "on_ended": on_ended}
        async with (
            httpx.AsyncClient() as http,
            AsyncStreamClient(
                server_url, user_id, beats=False, http=http, **options
            ) as player,
        ):
            stream = await player.start("456", deviceId="tv")
            assert stream["id"] == "tv"
            due = await player.heartbeat()
            assert player.stream is not None
            assert due == player.stream["heartbeatSeconds"]
            await player.pause()
            assert player.stream["state"] == "paused"
            await player.resume()
            assert player.stream["state"] == "playing"
            assert viewer.list()["active"] == 1

    asyncio.run(play())
    assert ended == [("stopped", None)]
    assert viewer.list()["active"] == 0


def test_a_denied_player_gets_the_holders(
    server_url: str, user_id: str, viewer: Viewer
) -> None:
    for device in ("tv", "phone", "laptop"):
        viewer.started(deviceId=device)

    async def play() -> None:
        async with httpx.AsyncClient() as http:
            player = AsyncStreamClient(server_url, user_id, beats=False, http=http)
            with pytest.raises(Denied) as denied:
                await player.start("456", deviceId="tablet")
        ids = [holder["id"] for holder in denied.value.holders]
        assert ids == ["tv", "phone", "laptop"]

    asyncio.run(play())


def test_a_task_sends_heartbeats_until_the_stream_is_ended(
    brief: Server, user_id: str
) -> None:
    async def play() -> None:
        ended: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        async with httpx.AsyncClient() as http:
            player = AsyncStreamClient(
                brief.url,
                user_id,
                on_ended=lambda *facts: ended.put_nowait(facts),
                http=http,
            )
            first = await player.start("456", deviceId="tv")
            while player.stream and player.stream["expiresAt"] == first["expiresAt"]:
                await asyncio.sleep(0)

            with brief.client() as api:
                Viewer(api, user_id).end("tv")
            reason, problem = await asyncio.wait_for(ended.get(), 10)
            assert (reason, problem["status"]) == ("stopped", 410)

    asyncio.run(play())


def test_a_stop_ends_the_wait_of_a_start(server_url: str, user_id: str) -> None:
    async def play() -> None:
        network = AsyncNetwork()
        network.answer = too_many_starts(retry_after=20)
        async with httpx.AsyncClient(transport=network) as http:
            player = AsyncStreamClient(server_url, user_id, http=http)
            start = asyncio.create_task(player.start("456"))
            while not network.requests:
                await asyncio.sleep(0)
            await player.stop()
            with pytest.raises(Superseded):
                await asyncio.wait_for(start, 10)

    asyncio.run(play())


def test_an_impatient_start_learns_when_to_retry(server_url: str, user_id: str) -> None:
    async def play() -> None:
        network = AsyncNetwork()
        network.answer = too_many_starts(retry_after=20)
        async with httpx.AsyncClient(transport=network) as http:
            player = AsyncStreamClient(
                server_url, user_id, http=http, patience_seconds=0
            )
            with pytest.raises(Unavailable) as unavailable:
                await player.start("456")
        assert unavailable.value.retry_after_seconds == 20

    asyncio.run(play())

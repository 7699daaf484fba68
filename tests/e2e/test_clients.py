"""The players' clients: the web player's by Node's own test runner, the Python one here."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from queue import Queue
from typing import Any

import httpx
import pytest

from clients.python.streams_client import Denied, Refused, StreamClient, Unavailable
from tests.conftest import Viewer
from tests.servers import PROJECT, Server, brief_server

WEB_CLIENT_AT_MOST_BYTES = 4096


@pytest.mark.node
def test_the_web_client_keeps_its_promises(server_url: str) -> None:
    done = subprocess.run(
        [shutil.which("node") or "node", "--test", "tests/client/"],
        cwd=PROJECT,
        env=os.environ | {"STREAMS_URL": server_url},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.node
def test_the_web_client_is_small() -> None:
    command = ["npx", "--yes", "esbuild@0.25.12", "--minify", "--format=esm", "clients/web/streams-client.js"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True, timeout=120)
    assert len(done.stdout) < WEB_CLIENT_AT_MOST_BYTES


@pytest.mark.node
def test_the_web_clients_types_hold_for_an_app_that_uses_all_of_it() -> None:
    command = ["npx", "--yes", "--package=typescript@5.9.3", "tsc", "--noEmit", "--strict", "--target", "es2022"]
    done = subprocess.run(
        [*command, "--lib", "es2022,dom", "--moduleResolution", "bundler", "--module", "es2022", "tests/client/app.ts"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


class Told:
    """What a client was told, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def client(self, url: str, user_id: str, **options: Any) -> StreamClient:
        return StreamClient(
            url,
            user_id,
            beats=False,
            on_ended=lambda *facts: self.events.append(("ended", *facts)),
            on_offline=lambda problem: self.events.append(("offline", problem["type"])),
            on_online=lambda: self.events.append(("online",)),
            **options,
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def player(told: Told, server_url: str, user_id: str) -> Iterator[StreamClient]:
    """A player whose heartbeats are the test's to send."""
    with told.client(server_url, user_id) as client:
        yield client


class Cut(httpx.HTTPTransport):
    """A network that can be cut, and that can answer in the service's place."""

    is_cut = False
    instead: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("cut")
        return self.instead or super().handle_request(request)


def test_a_player_starts_renews_and_stops(player: StreamClient, viewer: Viewer) -> None:
    stream = player.start("456", deviceId="tv", title="News")
    assert (stream["id"], viewer.list()["active"]) == ("tv", 1)
    due = player.heartbeat()
    assert player.stream is not None
    assert due == player.stream["heartbeatSeconds"]
    assert player.stream["expiresAt"] > stream["expiresAt"]
    player.stop()
    assert viewer.list()["active"] == 0
    assert player.heartbeat() is None


def test_a_denied_player_is_told_who_holds_the_slots_and_may_take_one(
    player: StreamClient, viewer: Viewer, told: Told, server_url: str
) -> None:
    for device in ("tv", "phone"):
        viewer.started(deviceId=device)
    loser = told.client(server_url, viewer.user_id)
    loser.start("456", deviceId="laptop")
    with pytest.raises(Denied) as denied:
        player.start("456", deviceId="tablet")
    assert [holder["id"] for holder in denied.value.holders] == ["tv", "phone", "laptop"]
    player.start("456", deviceId="tablet", replace=["laptop"])
    assert loser.heartbeat() is None
    assert [(event[0], event[1], event[2]["endedBy"]) for event in told.events] == [("ended", "replaced", "tablet")]


def test_the_next_episode_keeps_the_slot(player: StreamClient, viewer: Viewer) -> None:
    assert player.start("1")["id"] == player.start("2")["id"]
    assert viewer.list()["active"] == 1


def test_a_malformed_start_is_refused_with_what_is_wrong(player: StreamClient) -> None:
    with pytest.raises(Refused) as refused:
        player.start("")
    assert "streamId" in refused.value.problem["errors"]


def test_a_cut_network_is_told_once_and_that_it_is_back(told: Told, server_url: str, user_id: str) -> None:
    network = Cut()
    player = told.client(server_url, user_id, http=httpx.Client(transport=network))
    player.start("456")
    network.is_cut = True
    for failures in range(8):
        due = player.heartbeat()
        assert due is not None
        assert 0 <= due <= min(30, 2**failures)
    network.is_cut = False
    assert player.heartbeat() is not None
    assert told.events == [("offline", "network-error"), ("online",)]
    player.stop()


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_asks_for_patience_gets_it(told: Told, server_url: str, user_id: str, status: int) -> None:
    network = Cut()
    player = told.client(server_url, user_id, http=httpx.Client(transport=network), patience_seconds=5)
    player.start("456")
    network.instead = httpx.Response(status, json={"type": "busy"}, headers={"Retry-After": "7"})
    due = player.heartbeat()
    assert due is not None
    assert 7 <= due <= 8
    with pytest.raises(Unavailable) as unavailable:
        player.start("789")
    assert unavailable.value.problem == {"type": "busy"}
    network.instead = None
    player.stop()


@pytest.fixture(scope="module")
def brief() -> Iterator[Server]:
    with brief_server() as server:
        yield server


def test_heartbeats_go_out_by_themselves_until_the_stream_is_ended(brief: Server, user_id: str) -> None:
    ended: Queue[tuple[Any, Any]] = Queue()
    client = StreamClient(brief.url, user_id, on_ended=lambda *facts: ended.put(facts))
    first = client.start("456", deviceId="tv")
    with brief.client() as api:
        viewer = Viewer(api, user_id)
        while viewer.read("tv").json()["expiresAt"] == first["expiresAt"]:
            assert ended.empty()
        viewer.stop("tv")
    reason, problem = ended.get(timeout=10)
    assert (reason, problem["status"]) == ("stopped", 410)

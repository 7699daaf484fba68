"""The players' clients: the web player's by Node's own test runner, the Python one here."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import httpx
import pytest

from clients.python.streams_client import (
    Denied,
    Refused,
    StreamClient,
    Superseded,
    Unavailable,
)
from tests.conftest import Viewer
from tests.servers import PROJECT, Server, brief_server

MAX_WEB_CLIENT_BYTES = 4864
FOREIGN = json.loads(
    (PROJECT / "tests" / "client" / "foreign-answers.json").read_text()
)
"""Answers that are not the service's, and what they are to a client."""


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
def test_in_any_interleaving_the_last_start_plays_and_nothing_else_holds_a_slot(
    server_url: str,
) -> None:
    """As many as `INTERLEAVINGS` says; a failure prints its history and its seed."""
    count = os.environ.get("INTERLEAVINGS", "2000")
    done = subprocess.run(
        [shutil.which("node") or "node", "tests/client/simulation.mjs", count],
        cwd=PROJECT,
        env=os.environ | {"STREAMS_URL": server_url},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.node
def test_the_web_client_is_small() -> None:
    command = [
        "npx",
        "--yes",
        "esbuild@0.25.12",
        "--minify",
        "--format=esm",
        "clients/web/streams-client.js",
    ]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, check=True, timeout=120
    )
    assert len(done.stdout) < MAX_WEB_CLIENT_BYTES


@pytest.mark.node
def test_the_web_clients_types_hold_for_an_app_that_uses_all_of_it() -> None:
    command = [
        "npx",
        "--yes",
        "--package=typescript@5.9.3",
        "tsc",
        "--noEmit",
        "--strict",
        "--target",
        "es2022",
    ]
    done = subprocess.run(
        [
            *command,
            "--lib",
            "es2022,dom",
            "--moduleResolution",
            "bundler",
            "--module",
            "es2022",
            "tests/client/app.ts",
        ],
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

    def client(self, url: str, user_id: str | None, **options: Any) -> StreamClient:
        return StreamClient(
            url,
            user_id,
            beats=False,
            on_ended=lambda *facts: self.events.append(("ended", *facts)),
            on_offline=lambda problem: self.events.append(("offline", problem["type"])),
            on_online=lambda: self.events.append(("online",)),
            on_grace=lambda is_grace: self.events.append(("grace", is_grace)),
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
    """A network that can be cut, that can answer in the service's place, and that can have something happen before a
    request arrives or before its answer does."""

    is_cut = False
    instead: httpx.Response | None = None

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(f"{request.method} {request.url.raw_path.decode()}")
        self.before()
        if self.is_cut:
            raise httpx.ConnectError("cut")
        answer = self.instead or super().handle_request(request)
        self.after()
        return answer


@pytest.fixture
def network() -> Cut:
    return Cut()


@pytest.fixture
def remote(
    network: Cut, told: Told, server_url: str, user_id: str
) -> Iterator[StreamClient]:
    """A player behind that network."""
    http = httpx.Client(transport=network)
    with told.client(server_url, user_id, http=http, patience_seconds=5) as client:
        yield client
        network.is_cut, network.instead = False, None


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
    assert [holder["id"] for holder in denied.value.holders] == [
        "tv",
        "phone",
        "laptop",
    ]
    player.start("456", deviceId="tablet", replace=["laptop"])
    assert loser.heartbeat() is None
    assert [(event[0], event[1], event[2]["endedBy"]) for event in told.events] == [
        ("ended", "replaced", "tablet")
    ]


def test_a_paused_player_says_so_until_it_resumes(
    player: StreamClient, viewer: Viewer
) -> None:
    player.start("456", deviceId="tv")
    player.pause()
    assert viewer.list()["streams"][0]["state"] == "paused"
    player.heartbeat()
    assert viewer.list()["streams"][0]["state"] == "paused"
    player.resume()
    assert viewer.list()["streams"][0]["state"] == "playing"


def test_the_next_episode_keeps_the_slot(player: StreamClient, viewer: Viewer) -> None:
    assert player.start("1")["id"] == player.start("2")["id"]
    assert viewer.list()["active"] == 1


def test_a_malformed_start_is_refused_with_what_is_wrong(player: StreamClient) -> None:
    with pytest.raises(Refused) as refused:
        player.start("")
    assert "streamId" in refused.value.problem["errors"]


def test_a_stream_that_plays_by_grace_is_told_and_when_it_has_its_slot(
    remote: StreamClient, network: Cut, told: Told
) -> None:
    stream = dict(remote.start("456"))
    for _ in range(2):
        network.instead = httpx.Response(200, json=stream | {"isGrace": True})
        assert remote.heartbeat() is not None
    network.instead = None
    assert remote.heartbeat() is not None
    assert told.events == [("grace", True), ("grace", False)]


def test_a_cut_network_is_told_once_and_that_it_is_back(
    told: Told, server_url: str, user_id: str
) -> None:
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
def test_a_service_that_asks_for_patience_gets_it(
    told: Told, server_url: str, user_id: str, status: int
) -> None:
    network = Cut()
    player = told.client(
        server_url, user_id, http=httpx.Client(transport=network), patience_seconds=5
    )
    player.start("456")
    network.instead = httpx.Response(
        status, json={"type": "busy"}, headers={"Retry-After": "7"}
    )
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


def test_heartbeats_go_out_by_themselves_until_the_stream_is_ended(
    brief: Server, user_id: str
) -> None:
    ended: Queue[tuple[Any, Any]] = Queue()
    client = StreamClient(brief.url, user_id, on_ended=lambda *facts: ended.put(facts))
    first = client.start("456", deviceId="tv")
    with brief.client() as api:
        viewer = Viewer(api, user_id)
        while viewer.read("tv").json()["expiresAt"] == first["expiresAt"]:
            assert ended.empty()
        viewer.end("tv")
    reason, problem = ended.get(timeout=10)
    assert (reason, problem["status"]) == ("stopped", 410)


@pytest.mark.parametrize(
    "foreign", FOREIGN, ids=[f"{one['status']}: {one['name']}" for one in FOREIGN]
)
def test_an_answer_that_is_not_the_services_is_what_its_kind_says(
    network: Cut, told: Told, server_url: str, user_id: str, foreign: dict[str, Any]
) -> None:
    headers = {"Content-Type": foreign["type"], "Location": foreign.get("location")}
    answer = httpx.Response(
        foreign["status"],
        headers={name: value for name, value in headers.items() if value},
        content=foreign["body"].encode(),
    )
    player = told.client(
        server_url,
        user_id,
        http=httpx.Client(transport=network, follow_redirects=True),
        patience_seconds=0,
    )
    player.start("456")
    network.instead = answer
    due = player.heartbeat()
    assert [event[0] for event in told.events] == [foreign["heartbeat"]]
    assert (due is None) == (player.stream is None) == (foreign["heartbeat"] == "ended")
    with pytest.raises(
        Unavailable if foreign["start"] == "offline" else Refused
    ) as refused:
        player.start("789")
    assert refused.type is (Unavailable if foreign["start"] == "offline" else Refused)
    assert refused.value.problem["type"] == "network-error"
    network.instead = None
    assert player.start("789")["streamId"] == "789"
    player.stop()


def test_a_stop_is_by_the_token_and_frees_nothing_of_a_later_playback(
    remote: StreamClient, network: Cut, viewer: Viewer
) -> None:
    remote.start("456", deviceId="tv")
    viewer.started("789", deviceId="tv")
    remote.stop()
    assert network.paths[-1] == f"POST /users/{viewer.user_id}/streams/tv/stop"
    assert viewer.list()["active"] == 1


def test_a_stop_while_a_start_is_on_its_way_frees_what_it_takes(
    remote: StreamClient, network: Cut, told: Told, viewer: Viewer
) -> None:
    stopping = threading.Thread(target=remote.stop)

    def stop() -> None:
        network.after = lambda: None
        superseded = remote._superseded
        stopping.start()
        superseded.wait(10)

    network.after = stop
    with pytest.raises(Superseded):
        remote.start("456")
    stopping.join()
    assert viewer.list()["active"] == 0
    assert told.events == []


def test_a_stop_while_a_start_waits_to_be_repeated_ends_the_waiting(
    network: Cut, told: Told, server_url: str, user_id: str
) -> None:
    player = told.client(
        server_url, user_id, http=httpx.Client(transport=network), patience_seconds=60
    )
    network.instead = httpx.Response(
        429, json={"type": "too-many-starts"}, headers={"Retry-After": "30"}
    )
    with ThreadPoolExecutor() as pool:
        start = pool.submit(player.start, "456")
        while not network.paths:
            pass
        player.stop()
        with pytest.raises(Superseded):
            start.result(timeout=10)
    assert len(network.paths) == 1


def test_of_many_starts_at_once_the_last_one_plays_and_holds_the_one_slot(
    remote: StreamClient, network: Cut, viewer: Viewer
) -> None:
    network.instead = httpx.Response(
        429, json={"type": "too-many-starts"}, headers={"Retry-After": "1"}
    )
    with ThreadPoolExecutor() as pool:
        starts = []
        for number in range(5):
            starts.append(pool.submit(remote.start, str(number)))
            while len(network.paths) <= number:
                pass
        network.instead = None
        assert starts.pop().result(timeout=10)["streamId"] == "4"
        for start in starts:
            with pytest.raises(Superseded):
                start.result(timeout=10)
    assert [stream["streamId"] for stream in viewer.list()["streams"]] == ["4"]


def test_a_start_on_another_devices_id_frees_the_slot_before_and_so_does_one_that_is_refused(
    remote: StreamClient, viewer: Viewer
) -> None:
    remote.start("1", deviceId="tv")
    remote.start("2", deviceId="phone")
    assert [stream["id"] for stream in viewer.list()["streams"]] == ["phone"]
    with pytest.raises(Refused):
        remote.start("")
    assert viewer.list()["active"] == 0


def test_a_start_whose_answer_was_lost_and_that_arrives_late_loses_the_slot_again(
    remote: StreamClient, network: Cut, told: Told, viewer: Viewer
) -> None:
    def cut() -> None:
        network.after = lambda: None
        raise httpx.ReadTimeout("the answer is lost")

    network.after = cut
    remote.start("456", deviceId="tv")
    viewer.started("early", deviceId="tv")  # as if what was lost came only now
    assert remote.heartbeat() is not None
    assert [stream["streamId"] for stream in viewer.list()["streams"]] == ["456"]
    viewer.started("other", deviceId="tv")
    remote._playback.lost_at -= 61
    assert remote.heartbeat() is None
    assert [event[:2] for event in told.events] == [("ended", "taken-over")]


def test_a_listener_that_raises_ends_nothing(
    network: Cut,
    server_url: str,
    user_id: str,
    viewer: Viewer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*facts: Any) -> None:
        raise RuntimeError("the app's mistake")

    player = StreamClient(
        server_url,
        user_id,
        on_ended=fail,
        on_offline=fail,
        on_online=fail,
        beats=False,
        http=httpx.Client(transport=network),
    )
    player.start("456")
    network.is_cut = True
    assert player.heartbeat() is not None
    network.is_cut = False
    assert player.heartbeat() is not None
    player.stop()
    assert viewer.list()["active"] == 0
    assert [
        record.exc_text is not None or record.exc_info is not None
        for record in caplog.records
    ].count(True) == 3


def test_credentials_that_cannot_be_had_are_a_silence_like_any_other(
    told: Told, server_url: str, user_id: str
) -> None:
    def expired() -> dict[str, str]:
        raise PermissionError("logged out")

    player = told.client(server_url, user_id, headers=expired, patience_seconds=0)
    with pytest.raises(Unavailable, match="logged out"):
        player.start("456")


def test_a_day_of_silence_does_not_end_the_heartbeats(
    remote: StreamClient, network: Cut
) -> None:
    remote.start("456")
    network.is_cut = True
    for _ in range(3_000):
        due = remote.heartbeat()
        assert due is not None
        assert 0 <= due <= 30


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "7"}, 7, 8),
        (
            {
                "Retry-After": "Wed, 01 Jan 2020 00:00:09 GMT",
                "Date": "Wed, 01 Jan 2020 00:00:00 GMT",
            },
            9,
            10,
        ),
        ({"Retry-After": "Wed, 01 Jan 2020 00:00:09 GMT"}, 0, 1),
        ({"Retry-After": "Wed, 01 Jan 2020 00:00:09 GMT", "Date": "now"}, 0, 1),
        ({"Retry-After": "tomorrow"}, 0, 1),
        ({"Retry-After": "-5"}, 0, 1),
        ({"Retry-After": "9" * 400}, 3600, 3601),
    ],
    ids=[
        "seconds",
        "date",
        "date without a date",
        "date beside none",
        "neither",
        "negative",
        "beyond all bounds",
    ],
)
def test_the_wait_that_is_asked_for_is_kept(
    remote: StreamClient, network: Cut, headers: dict[str, str], low: float, high: float
) -> None:
    remote.start("456")
    network.instead = httpx.Response(503, json={"type": "busy"}, headers=headers)
    due = remote.heartbeat()
    assert due is not None
    assert low <= due <= high


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ("CN=Jo,OU=x +/é", "/users/CN%3DJo%2COU%3Dx%20%2B%2F%C3%A9/streams"),
        (None, "/me/streams"),
    ],
)
def test_a_users_id_may_have_any_character_that_a_path_may_not(
    network: Cut, told: Told, server_url: str, user: str | None, path: str
) -> None:
    player = told.client(
        server_url, user, http=httpx.Client(transport=network), patience_seconds=0
    )
    network.is_cut = True
    with pytest.raises(Unavailable):
        player.start("456")
    assert network.paths == [f"POST {path}"]


def test_a_player_that_slept_past_its_lease_plays_on_or_learns_that_it_may_not(
    brief: Server, user_id: str
) -> None:
    told = Told()
    players = [told.client(brief.url, user_id) for _ in range(3)]
    for number, player in enumerate(players):
        player.start("456", deviceId=f"d{number}")
    with brief.client() as api:
        viewer = Viewer(api, user_id)
        while viewer.list()["active"]:
            pass
        viewer.started(deviceId="tablet")
    assert [player.heartbeat() is None for player in players] == [True, False, False]
    assert [event[:2] for event in told.events] == [("ended", "expired")]
    for player in players:
        player.stop()

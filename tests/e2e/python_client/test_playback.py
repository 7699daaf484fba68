"""The Python client: starts, heartbeats, pauses and stops."""

from queue import Queue
from typing import Any

import httpx
import pytest

from clients.python.streams_client import Denied, Refused, StreamClient, Unavailable
from tests.e2e.python_client.players import Network, Recorder
from tests.servers import Server
from tests.viewer import Viewer


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


def test_a_denied_player_gets_the_holders_and_may_replace_one(
    player: StreamClient, viewer: Viewer, recorder: Recorder, server_url: str
) -> None:
    for device in ("tv", "phone"):
        viewer.started(deviceId=device)
    loser = recorder.client(server_url, viewer.user_id)
    loser.start("456", deviceId="laptop")

    with pytest.raises(Denied) as denied:
        player.start("456", deviceId="tablet")
    ids = [holder["id"] for holder in denied.value.holders]
    assert ids == ["tv", "phone", "laptop"]
    assert denied.value.retry_after_seconds is not None
    assert 0 < denied.value.retry_after_seconds <= 60

    player.start("456", deviceId="tablet", replace=["laptop"])
    assert loser.heartbeat() is None
    [(name, reason, problem)] = recorder.events
    assert (name, reason, problem["endedBy"]) == ("ended", "replaced", "tablet")


def test_a_paused_player_reports_the_pause_until_it_resumes(
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


def test_a_malformed_start_is_refused_with_the_faulty_field(
    player: StreamClient,
) -> None:
    with pytest.raises(Refused) as refused:
        player.start("")
    assert "streamId" in refused.value.problem["errors"]


def test_a_grace_lease_is_reported_at_its_begin_and_its_end(
    remote_player: StreamClient, network: Network, recorder: Recorder
) -> None:
    stream = dict(remote_player.start("456"))
    for _ in range(2):
        network.answer = httpx.Response(200, json=stream | {"isGrace": True})
        assert remote_player.heartbeat() is not None

    network.answer = None
    assert remote_player.heartbeat() is not None
    assert recorder.events == [("grace", True), ("grace", False)]


def test_a_thread_sends_heartbeats_until_the_stream_is_ended(
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


def test_a_stop_sends_the_token_and_does_not_end_a_later_playback(
    remote_player: StreamClient, network: Network, viewer: Viewer
) -> None:
    remote_player.start("456", deviceId="tv")
    viewer.started("789", deviceId="tv")
    remote_player.stop()
    assert network.paths[-1] == f"POST /users/{viewer.user_id}/streams/tv/stop"
    assert viewer.list()["active"] == 1


def test_a_start_with_another_device_id_frees_the_previous_slot(
    remote_player: StreamClient, viewer: Viewer
) -> None:
    remote_player.start("1", deviceId="tv")
    remote_player.start("2", deviceId="phone")
    assert [stream["id"] for stream in viewer.list()["streams"]] == ["phone"]


def test_a_start_that_is_refused_frees_the_previous_slot(
    remote_player: StreamClient, viewer: Viewer
) -> None:
    remote_player.start("1", deviceId="tv")
    with pytest.raises(Refused):
        remote_player.start("")
    assert viewer.list()["active"] == 0


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ("CN=Jo,OU=x +/é", "/users/CN%3DJo%2COU%3Dx%20%2B%2F%C3%A9/streams"),
        (None, "/me/streams"),
    ],
    ids=["reserved characters", "the token's user"],
)
def test_the_path_encodes_the_user_id(
    network: Network, recorder: Recorder, server_url: str, user: str | None, path: str
) -> None:
    player = recorder.client(
        server_url, user, http=network.client(), patience_seconds=0
    )
    network.is_cut = True
    with pytest.raises(Unavailable):
        player.start("456")
    assert network.paths == [f"POST {path}"]


def test_a_player_that_slept_past_its_lease_continues_if_a_slot_is_free(
    brief: Server, user_id: str, recorder: Recorder
) -> None:
    players = [recorder.client(brief.url, user_id) for _ in range(3)]
    for number, player in enumerate(players):
        player.start("456", deviceId=f"d{number}")

    with brief.client() as api:
        viewer = Viewer(api, user_id)
        while viewer.list()["active"]:
            pass
        viewer.started(deviceId="tablet")

    is_over = [player.heartbeat() is None for player in players]
    assert is_over == [True, False, False]
    assert [event[:2] for event in recorder.events] == [("ended", "expired")]
    for player in players:
        player.stop()

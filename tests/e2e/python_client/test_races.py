"""The Python client when several threads use one player, and when answers are lost."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from clients.python.streams_client import StreamClient, Superseded
from tests.e2e.python_client.players import (
    Network,
    Recorder,
    token_refused,
    too_many_starts,
)
from tests.viewer import Viewer


def test_a_stop_during_a_start_frees_the_slot_that_the_start_takes(
    remote_player: StreamClient, network: Network, recorder: Recorder, viewer: Viewer
) -> None:
    stopping = threading.Thread(target=remote_player.stop)

    def stop() -> None:
        network.after = lambda: None
        superseded = remote_player._superseded
        stopping.start()
        superseded.wait(10)

    network.after = stop
    with pytest.raises(Superseded):
        remote_player.start("456")
    stopping.join()
    assert viewer.list()["active"] == 0
    assert recorder.events == []


def test_a_stop_ends_the_wait_of_a_start_that_is_to_be_repeated(
    network: Network, recorder: Recorder, server_url: str, user_id: str
) -> None:
    player = recorder.client(
        server_url, user_id, http=network.client(), patience_seconds=60
    )
    network.answer = too_many_starts(retry_after=30)
    with ThreadPoolExecutor() as pool:
        start = pool.submit(player.start, "456")
        while not network.paths:
            pass
        player.stop()
        with pytest.raises(Superseded):
            start.result(timeout=10)
    assert len(network.paths) == 1


def test_of_many_simultaneous_starts_the_last_one_plays_in_the_only_slot(
    remote_player: StreamClient, network: Network, viewer: Viewer
) -> None:
    network.answer = too_many_starts(retry_after=1)
    with ThreadPoolExecutor() as pool:
        starts = []
        for number in range(5):
            starts.append(pool.submit(remote_player.start, str(number)))
            while len(network.paths) <= number:
                pass

        network.answer = None
        assert starts.pop().result(timeout=10)["streamId"] == "4"
        for start in starts:
            with pytest.raises(Superseded):
                start.result(timeout=10)
    assert [stream["streamId"] for stream in viewer.list()["streams"]] == ["4"]


def test_a_lost_start_that_arrives_late_loses_the_slot_again(
    remote_player: StreamClient, network: Network, recorder: Recorder, viewer: Viewer
) -> None:
    def lose_the_answer() -> None:
        network.after = lambda: None
        raise httpx.ReadTimeout("the answer is lost")

    network.after = lose_the_answer
    remote_player.start("456", deviceId="tv")
    viewer.started("early", deviceId="tv")  # stands for the lost start
    assert remote_player.heartbeat() is not None
    assert [stream["streamId"] for stream in viewer.list()["streams"]] == ["456"]

    viewer.started("other", deviceId="tv")
    remote_player._playback.lost_at -= 61
    assert remote_player.heartbeat() is None
    assert [event[:2] for event in recorder.events] == [("ended", "taken-over")]


def test_a_player_whose_token_the_service_cannot_read_starts_again_in_its_slot(
    remote_player: StreamClient, network: Network, recorder: Recorder, viewer: Viewer
) -> None:
    before = remote_player.start("456", deviceId="tv")

    def answer_the_next_call() -> None:
        network.answer = None

    network.answer = token_refused()
    network.after = answer_the_next_call
    assert remote_player.heartbeat() is not None

    [stream] = viewer.list()["streams"]
    assert stream["id"] == "tv"
    assert stream["epoch"] > before["epoch"]
    assert recorder.events == []

"""The Python client while the service does not answer, or something else answers."""

import json
from typing import Any

import httpx
import pytest

from clients.python.streams_client import Refused, StreamClient, Unavailable
from tests.e2e.python_client.players import Network, Recorder
from tests.servers import PROJECT
from tests.viewer import Viewer

FOREIGN_ANSWERS = json.loads(
    (PROJECT / "tests" / "client" / "foreign-answers.json").read_text()
)
"""Answers that do not come from the service, and how a client treats them."""


def test_a_cut_network_is_reported_once_and_so_is_its_return(
    recorder: Recorder, server_url: str, user_id: str, network: Network
) -> None:
    player = recorder.client(server_url, user_id, http=network.client())
    player.start("456")

    network.is_cut = True
    for failures in range(8):
        due = player.heartbeat()
        assert due is not None
        assert 0 <= due <= min(30, 2**failures)

    network.is_cut = False
    assert player.heartbeat() is not None
    assert recorder.events == [("offline", "network-error"), ("online",)]
    player.stop()


@pytest.mark.parametrize(("status", "event"), [(429, "waiting"), (503, "offline")])
def test_the_player_waits_as_long_as_the_service_asks(
    recorder: Recorder,
    server_url: str,
    user_id: str,
    network: Network,
    status: int,
    event: str,
) -> None:
    player = recorder.client(
        server_url, user_id, http=network.client(), patience_seconds=5
    )
    player.start("456")

    network.answer = httpx.Response(
        status, json={"type": "busy"}, headers={"Retry-After": "7"}
    )
    due = player.heartbeat()
    assert due is not None
    assert 7 <= due <= 8
    assert recorder.names == [event]
    with pytest.raises(Unavailable) as unavailable:
        player.start("789")
    assert unavailable.value.problem == {"type": "busy"}
    assert unavailable.value.retry_after_seconds == 7

    network.answer = None
    player.stop()


@pytest.mark.parametrize(
    "foreign",
    FOREIGN_ANSWERS,
    ids=[f"{foreign['status']}: {foreign['name']}" for foreign in FOREIGN_ANSWERS],
)
def test_a_foreign_answer_is_treated_by_its_kind(
    network: Network,
    recorder: Recorder,
    server_url: str,
    user_id: str,
    foreign: dict[str, Any],
) -> None:
    headers = {"Content-Type": foreign["type"], "Location": foreign.get("location")}
    answer = httpx.Response(
        foreign["status"],
        headers={name: value for name, value in headers.items() if value},
        content=foreign["body"].encode(),
    )
    player = recorder.client(
        server_url,
        user_id,
        http=network.client(follow_redirects=True),
        patience_seconds=0,
    )
    player.start("456")

    network.answer = answer
    due = player.heartbeat()
    assert recorder.names == [foreign["heartbeat"]]
    assert (due is None) == (player.stream is None) == (foreign["heartbeat"] == "ended")

    error = Refused if foreign["start"] == "failed" else Unavailable
    with pytest.raises(error) as refused:
        player.start("789")
    assert refused.type is error
    is_own = '"throttled"' in foreign["body"]
    expected = "throttled" if is_own else "network-error"
    assert refused.value.problem["type"] == expected

    network.answer = None
    assert player.start("789")["streamId"] == "789"
    player.stop()


def test_a_listener_that_raises_does_not_end_the_playback(
    network: Network,
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
        http=network.client(),
    )
    player.start("456")
    network.is_cut = True
    assert player.heartbeat() is not None
    network.is_cut = False
    assert player.heartbeat() is not None
    player.stop()

    assert viewer.list()["active"] == 0
    has_exception = [
        record.exc_text is not None or record.exc_info is not None
        for record in caplog.records
    ]
    assert has_exception.count(True) == 3


def test_missing_credentials_count_as_silence(
    recorder: Recorder, server_url: str, user_id: str
) -> None:
    def expired() -> dict[str, str]:
        raise PermissionError("logged out")

    player = recorder.client(server_url, user_id, headers=expired, patience_seconds=0)
    with pytest.raises(Unavailable, match="logged out"):
        player.start("456")


def test_a_day_of_silence_does_not_end_the_heartbeats(
    remote_player: StreamClient, network: Network
) -> None:
    remote_player.start("456")
    network.is_cut = True
    for _ in range(3_000):
        due = remote_player.heartbeat()
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
        "a date",
        "a date in an answer without a Date",
        "a date in an answer with an invalid Date",
        "neither seconds nor a date",
        "a negative number",
        "a number that is too large",
    ],
)
def test_retry_after_sets_the_wait(
    remote_player: StreamClient,
    network: Network,
    headers: dict[str, str],
    low: float,
    high: float,
) -> None:
    remote_player.start("456")
    network.answer = httpx.Response(503, json={"type": "busy"}, headers=headers)
    due = remote_player.heartbeat()
    assert due is not None
    assert low <= due <= high

"""The rate of heartbeats over HTTP: a refused one costs no call to DynamoDB."""

from dataclasses import replace
from typing import Any

import pytest

from streams import service
from tests.dynamodb_clients import Calls
from tests.viewer import Viewer

BURST = 6


@pytest.fixture(autouse=True)
def counted(settings: Any, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HEARTBEAT_BURST = BURST
    monkeypatch.setattr(service, "store", replace(service.store, call=calls))


@pytest.mark.parametrize("sends_newest", [True, False], ids=["newest", "same"])
def test_a_storm_of_heartbeats_costs_a_few_calls(
    viewer: Viewer, calls: Calls, sends_newest: bool
) -> None:
    started = viewer.started(deviceId="tv")
    token = started["token"]
    calls.made.clear()

    statuses = []
    for _ in range(30):
        answer = viewer.heartbeat("tv", token)
        statuses.append(answer.status_code)
        if sends_newest and answer.is_success:
            token = answer.json()["token"]

    refused = [429] * (30 - BURST)
    assert statuses == [200] * BURST + refused
    assert len(calls.made) == BURST
    assert answer.json()["type"] == "throttled"
    assert 1 <= int(answer.headers["Retry-After"]) <= 5

    stopped = viewer.stop("tv", started["token"])
    assert stopped.status_code == 204


def test_a_change_of_the_state_is_not_refused(viewer: Viewer) -> None:
    started = viewer.started(deviceId="tv")
    token = started["token"]
    for _ in range(BURST + 1):
        refused = viewer.heartbeat("tv", token)
    assert refused.status_code == 429

    for state in ("paused", "playing") * 5:
        body = {"token": token, "state": state}
        answer = viewer.api.post(f"{viewer.url}/tv/heartbeat", json=body)
        assert answer.status_code == 200

        stream = answer.json()
        assert stream["state"] == state
        token = stream["token"]

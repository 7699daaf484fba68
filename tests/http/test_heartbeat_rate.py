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
    token, before = started["token"], len(calls.made)

    answers = []
    for _ in range(30):
        answers.append(viewer.heartbeat("tv", token))
        if sends_newest and answers[-1].is_success:
            token = answers[-1].json()["token"]

    assert [answer.status_code for answer in answers] == [200] * BURST + [429] * 24
    assert len(calls.made) - before == BURST
    assert answers[-1].json()["type"] == "throttled"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 5
    assert viewer.stop("tv", started["token"]).status_code == 204


def test_a_change_of_the_state_is_not_refused(viewer: Viewer) -> None:
    token = viewer.started(deviceId="tv")["token"]
    while (answer := viewer.heartbeat("tv", token)).is_success:
        token = answer.json()["token"]

    for state in ("paused", "playing") * 5:
        body = {"token": token, "state": state}
        answer = viewer.api.post(f"{viewer.url}/tv/heartbeat", json=body)
        assert answer.status_code == 200
        assert answer.json()["state"] == state
        token = answer.json()["token"]

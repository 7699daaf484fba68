"""The start rate over HTTP: a viewer whose players start too quickly."""

from dataclasses import replace

import pytest

from streams import service
from streams.rules import StartRate
from tests.builders import changed
from tests.http.viewers import ids_of
from tests.viewer import Viewer


@pytest.fixture(autouse=True)
def a_burst_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = changed(
        service.store.plans, start_rate=StartRate(burst=2, interval_ms=3000)
    )
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))


def test_a_start_above_the_rate_learns_when_to_retry_and_streams_continue(
    viewer: Viewer,
) -> None:
    viewer.started(deviceId="tv")
    playing = viewer.started(deviceId="tv")
    refused = viewer.start(deviceId="tv")

    assert refused.status_code == 429
    assert refused.json()["type"] == "too-many-starts"
    assert 1 <= int(refused.headers["Retry-After"]) <= 3
    assert viewer.heartbeat("tv", playing["token"]).status_code == 200
    assert viewer.stop("tv", playing["token"]).status_code == 204


def test_every_kind_of_start_is_charged(viewer: Viewer) -> None:
    first = viewer.started()

    assert (
        viewer.api.put(f"{viewer.url}/tv", json={"streamId": "film"}).status_code == 201
    )

    again = viewer.api.put(f"{viewer.url}/tv", json={"streamId": "film"})
    instead = viewer.start(replace=[first["id"]])

    assert [again.status_code, instead.status_code] == [429, 429]
    assert set(ids_of(viewer.list())) == {
        first["id"],
        "tv",
    }, "no stream was replaced"

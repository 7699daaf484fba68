"""A server whose clock was ahead does not lock a user out."""

import time
from dataclasses import replace

import pytest

from streams import service
from streams.rules import StartRate, StartRequest
from streams.service import Context, IssuedLease
from tests.builders import changed
from tests.viewer import Viewer

AHEAD_MS = 600_000


@pytest.fixture(autouse=True)
def a_burst_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    rate = StartRate(burst=2, interval_ms=3000)
    plans = changed(service.store.plans, start_rate=rate)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))


def start_ahead(viewer: Viewer, id: str) -> IssuedLease:
    """Start a stream on a server whose clock is ten minutes ahead."""
    now = time.time_ns() // 1_000_000 + AHEAD_MS
    context = Context(user_id=viewer.user_id, now=now)
    return service.start(context, StartRequest(id=id, stream_id="film"))


def test_starts_on_a_server_that_is_ahead_do_not_use_up_the_start_rate(
    viewer: Viewer,
) -> None:
    start_ahead(viewer, "tv")
    start_ahead(viewer, "phone")

    assert viewer.start(deviceId="web").status_code == 201


def test_a_slot_taken_on_a_server_that_is_ahead_is_free_for_another_device(
    viewer: Viewer,
) -> None:
    viewer.limit(1)
    start_ahead(viewer, "tv")

    assert viewer.start(deviceId="phone").status_code == 201


def test_the_device_that_started_on_a_server_that_is_ahead_starts_again(
    viewer: Viewer,
) -> None:
    start_ahead(viewer, "tv")

    started = viewer.started(deviceId="tv")

    assert viewer.heartbeat("tv", started["token"]).status_code == 200
    assert viewer.list()["active"] == 1

"""Grace leases (`WHEN_STORE_IS_DOWN=open`), during and after an outage."""

import json
from dataclasses import replace
from typing import Any

import pytest

from streams import service
from streams.dynamodb import calls, deadline
from streams.errors import (
    RequestTimedOut,
    StoreThrottled,
    StoreUnavailable,
)
from streams.rules import Reason, StartRate
from tests.builders import LEASE_MS, NOW, changed
from tests.faults.outages import Store, beat, ended, live, start
from tests.viewer import Viewer


def test_a_stream_that_starts_in_an_outage_gets_a_slot_afterwards(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        response = viewer.start(deviceId="tv", title="News")
        assert response.status_code == 201
        assert response.json()["isGrace"] is True
        assert response.headers["Location"] == f"{viewer.url}/tv"
        beaten = viewer.heartbeat("tv", response.json()["token"])
        assert beaten.status_code == 200
        assert beaten.json()["isGrace"] is True
        assert beaten.json()["title"] == "News"
        assert beaten.json()["expiresAt"] >= response.json()["expiresAt"]
        assert beaten.json()["startedAt"] == response.json()["startedAt"]

    assert viewer.list()["active"] == 0

    admitted = viewer.heartbeat("tv", beaten.json()["token"])

    assert admitted.status_code == 200
    assert admitted.json()["isGrace"] is False
    assert admitted.json()["title"] == "News"
    assert admitted.json()["epoch"] == response.json()["epoch"]
    assert [stream["id"] for stream in viewer.list()["streams"]] == ["tv"]
    assert viewer.heartbeat("tv", admitted.json()["token"]).status_code == 200


def test_a_grace_lease_over_the_limit_ends_after_the_outage(
    store: Store, viewer: Viewer
) -> None:
    for id in "abc":
        viewer.started(deviceId=id)
    with store.failing(viewer.user_id):
        token = viewer.start(deviceId="d").json()["token"]
    response = viewer.heartbeat("d", token)

    assert response.status_code == 410
    assert response.json()["type"] == "stream-ended"
    assert response.json()["reason"] == "over-limit"
    assert {stream["id"] for stream in viewer.list()["streams"]} == {"a", "b", "c"}


def test_a_live_lease_is_renewed_in_an_outage_and_keeps_its_slot(
    store: Store, viewer: Viewer
) -> None:
    started = viewer.started(deviceId="tv")
    with store.failing(viewer.user_id):
        response = viewer.heartbeat("tv", started["token"])
        assert response.status_code == 200
        assert response.json()["isGrace"] is True
        assert response.json()["streamId"] == "film"
        assert response.json()["epoch"] == started["epoch"]

    response = viewer.heartbeat("tv", response.json()["token"])

    assert response.status_code == 200
    assert response.json()["isGrace"] is False


def test_a_lease_that_outlives_its_stored_expiry_is_revived(
    store: Store, user_id: str
) -> None:
    playing = start(user_id, "tv", now=NOW)
    with store.failing(user_id):
        for now in range(NOW, NOW + 5 * LEASE_MS, LEASE_MS // 3):
            playing = beat(playing, now=now)
    now += LEASE_MS // 3

    assert live(user_id, now=now) == set()

    playing = beat(playing, now=now)

    assert not playing.is_grace
    assert live(user_id, now=now) == {"tv"}


def test_no_grace_lease_is_granted_by_default(
    store: Store, viewer: Viewer, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "closed"
    started = viewer.started(deviceId="tv")
    with store.failing(viewer.user_id):
        assert viewer.start(deviceId="phone").status_code == 503
        assert viewer.heartbeat("tv", started["token"]).status_code == 503


def test_a_process_limits_the_grace_leases_of_a_user(
    store: Store, viewer: Viewer, settings: Any
) -> None:
    settings.MAX_GRACE_STREAMS = 2
    with store.failing(viewer.user_id):
        answers = [viewer.start(deviceId=id).status_code for id in ("a", "b", "a", "c")]
    assert answers == [201, 201, 201, 503]


@pytest.mark.parametrize(
    "kind",
    ["hung", "reset before", "lost answer", "late", "500", "null", "HTML", "DNS gone"],
)
def test_a_missing_answer_is_an_outage(store: Store, user_id: str, kind: str) -> None:
    with store.failing(user_id, kind):
        playing = start(user_id, "tv", now=NOW)
        assert playing.is_grace
    store.network.proxy.deliver(user_id)

    assert not beat(playing, now=NOW + 9).is_grace, (
        "whether the start was carried out or not"
    )
    assert live(user_id, now=NOW + 9) == {"tv"}


def test_an_open_circuit_is_an_outage(store: Store, user_id: str) -> None:
    with store.failing(user_id):
        for number in range(calls.FAILURES_TO_OPEN):
            start(user_id, "tv", now=NOW + number)
        tries = store.network.tries[user_id]
        assert start(user_id, "tv", now=NOW + 9).is_grace
        assert store.network.tries[user_id] == tries


def test_an_error_of_the_store_is_not_an_outage(store: Store, user_id: str) -> None:
    with store.failing(user_id, "throttled"), pytest.raises(StoreThrottled):
        start(user_id, "tv", now=NOW)
    with store.failing(user_id, "refused"), pytest.raises(StoreUnavailable):
        start(user_id, "tv", now=NOW)


def test_a_failure_after_an_answer_in_the_same_request_is_not_an_outage(
    store: Store, user_id: str
) -> None:
    for id in "abc":
        start(user_id, id, now=NOW)
    later = NOW + LEASE_MS  # the first call is refused, the second makes room
    with store.failing(user_id, first=2), pytest.raises(StoreUnavailable):
        start(user_id, "d", now=later)


@pytest.mark.parametrize(
    "later", [9, LEASE_MS + 9], ids=["at once", "after the end of its grace lease"]
)
def test_a_lost_answer_to_the_first_heartbeat_after_the_outage_is_harmless(
    store: Store, user_id: str, later: int
) -> None:
    with store.failing(user_id):
        playing = start(user_id, "tv", now=NOW)
    first = beat(playing, now=NOW + LEASE_MS - 1)
    again = beat(
        playing, now=NOW + LEASE_MS - 1 + later if later > 9 else NOW + LEASE_MS - 1
    )

    assert again.lease.epoch == first.lease.epoch == playing.lease.epoch
    assert beat(again, now=NOW + LEASE_MS + later).lease.is_live(NOW + LEASE_MS + later)


def test_each_step_of_a_grace_lease_is_counted(
    store: Store, viewer: Viewer, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EVENTS, settings.METRICS, settings.EVENT_SINKS = (
        "log",
        "emf",
        ["streams.sinks.lines.line"],
    )
    for id in "ab":
        viewer.started(deviceId=id)
    with store.failing(viewer.user_id):
        token_c, token_d = (viewer.start(deviceId=id).json()["token"] for id in "cd")
        token_c = viewer.heartbeat("c", token_c).json()["token"]
    viewer.heartbeat("c", token_c)
    viewer.heartbeat("d", token_d)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = ("grace-started", "grace-renewed", "grace-admitted", "grace-refused")
    counted = [
        sum(event["kind"] == kind and event[kind] == 1 for event in events)
        for kind in kinds
    ]

    assert counted == [2, 1, 1, 1]


def test_a_request_without_time_left_is_not_an_outage(
    viewer: Viewer, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "open"
    for number in range(calls.FAILURES_TO_OPEN + 1):
        with deadline.of_request(seconds=0), pytest.raises(RequestTimedOut):
            start(viewer.user_id, f"late-{number}", now=NOW)

    assert not start(viewer.user_id, "tv", now=NOW).is_grace


def test_a_second_start_of_an_id_in_an_outage_ends_the_first_playback(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        older = start(viewer.user_id, "tv", now=NOW)
        newer = start(viewer.user_id, "tv", now=NOW + 10)
        assert ended(older, now=NOW + 20) is Reason.TAKEN_OVER
        assert beat(newer, now=NOW + 20).is_grace


def test_a_pause_in_an_outage_is_kept(store: Store, viewer: Viewer) -> None:
    playing = start(viewer.user_id, "tv", now=NOW)
    with store.failing(viewer.user_id):
        paused = service.renew(
            playing.token,
            user_id=viewer.user_id,
            id="tv",
            now=NOW + 10,
            is_paused=True,
        )

    assert paused.lease.paused_at == NOW + 10
    assert paused.edge_token is None


def test_the_admission_of_a_grace_lease_is_charged_but_not_denied(
    store: Store, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = StartRate(burst=1, interval_ms=60_000)
    plans = changed(service.store.plans, start_rate=rate)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))
    start(viewer.user_id, "phone", now=NOW)
    with store.failing(viewer.user_id):
        playing = start(viewer.user_id, "tv", now=NOW + 1)

    admitted = beat(playing, now=NOW + 2)

    assert not admitted.is_grace

    account = service.store.read(viewer.user_id, now=NOW + 2)

    assert account.theoretical_arrival_at == NOW + 2 * rate.interval_ms

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
    TooManyStarts,
)
from streams.rules import Reason, StartRate
from streams.service import Context, IssuedLease
from tests.builders import LEASE_MS, NOW, changed
from tests.faults.outages import Store, beat, ended, live, start
from tests.viewer import Viewer


def test_a_stream_that_starts_in_an_outage_gets_a_slot_afterwards(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        response = viewer.start(deviceId="tv", title="News")
        started = response.json()
        assert response.status_code == 201
        assert started["isGrace"] is True
        assert response.headers["Location"] == f"{viewer.url}/tv"

        response = viewer.heartbeat("tv", started["token"])
        renewed = response.json()
        assert response.status_code == 200
        assert renewed["isGrace"] is True
        assert renewed["title"] == "News"
        assert renewed["expiresAt"] >= started["expiresAt"]
        assert renewed["startedAt"] == started["startedAt"]

    assert viewer.list()["active"] == 0

    response = viewer.heartbeat("tv", renewed["token"])
    admitted = response.json()

    assert response.status_code == 200
    assert admitted["isGrace"] is False
    assert admitted["title"] == "News"
    assert admitted["epoch"] == started["epoch"]

    streams = viewer.list()["streams"]
    assert [stream["id"] for stream in streams] == ["tv"]

    response = viewer.heartbeat("tv", admitted["token"])
    assert response.status_code == 200


def test_a_grace_lease_over_the_limit_ends_after_the_outage(
    store: Store, viewer: Viewer
) -> None:
    for id in "abc":
        viewer.started(deviceId=id)
    with store.failing(viewer.user_id):
        started = viewer.start(deviceId="d").json()
    response = viewer.heartbeat("d", started["token"])
    problem = response.json()

    assert response.status_code == 410
    assert problem["type"] == "stream-ended"
    assert problem["reason"] == "over-limit"

    streams = viewer.list()["streams"]
    assert {stream["id"] for stream in streams} == {"a", "b", "c"}


def test_a_live_lease_is_renewed_in_an_outage_and_keeps_its_slot(
    store: Store, viewer: Viewer
) -> None:
    started = viewer.started(deviceId="tv")
    with store.failing(viewer.user_id):
        response = viewer.heartbeat("tv", started["token"])
        renewed = response.json()
        assert response.status_code == 200
        assert renewed["isGrace"] is True
        assert renewed["streamId"] == "film"
        assert renewed["epoch"] == started["epoch"]

    response = viewer.heartbeat("tv", renewed["token"])

    assert response.status_code == 200
    assert response.json()["isGrace"] is False


def test_a_lease_that_outlives_its_stored_expiry_is_revived(
    store: Store, user_id: str
) -> None:
    playing = start(user_id, "tv")
    interval_ms = LEASE_MS // 3
    with store.failing(user_id):
        for after_ms in range(0, 5 * LEASE_MS, interval_ms):
            playing = beat(playing, after_ms=after_ms)
    after_ms += interval_ms

    assert live(user_id, after_ms=after_ms) == set()

    playing = beat(playing, after_ms=after_ms)

    assert not playing.is_grace
    assert live(user_id, after_ms=after_ms) == {"tv"}


def test_no_grace_lease_is_granted_by_default(
    store: Store, viewer: Viewer, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "closed"
    started = viewer.started(deviceId="tv")
    with store.failing(viewer.user_id):
        response = viewer.start(deviceId="phone")
        assert response.status_code == 503

        response = viewer.heartbeat("tv", started["token"])
        assert response.status_code == 503


def test_a_process_limits_the_grace_leases_of_a_user(
    store: Store, viewer: Viewer, settings: Any
) -> None:
    settings.MAX_GRACE_STREAMS = 2
    with store.failing(viewer.user_id):
        answers = [viewer.start(deviceId=id) for id in ("a", "b", "a", "c")]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201, 201, 201, 503]


@pytest.mark.parametrize(
    "kind",
    ["hung", "reset before", "lost answer", "late", "500", "null", "HTML", "DNS gone"],
)
def test_a_missing_answer_is_an_outage(store: Store, user_id: str, kind: str) -> None:
    with store.failing(user_id, kind):
        playing = start(user_id, "tv")
        assert playing.is_grace
    store.network.proxy.deliver(user_id)

    renewed = beat(playing, after_ms=9)
    assert not renewed.is_grace, "whether the start was carried out or not"
    assert live(user_id, after_ms=9) == {"tv"}


def test_an_open_circuit_is_an_outage(store: Store, user_id: str) -> None:
    with store.failing(user_id):
        for number in range(calls.FAILURES_TO_OPEN):
            start(user_id, "tv", after_ms=number)
        tries = store.network.tries[user_id]

        playing = start(user_id, "tv", after_ms=9)
        assert playing.is_grace
        assert store.network.tries[user_id] == tries


def test_an_error_of_the_store_is_not_an_outage(store: Store, user_id: str) -> None:
    with store.failing(user_id, "throttled"), pytest.raises(StoreThrottled):
        start(user_id, "tv")
    with store.failing(user_id, "refused"), pytest.raises(StoreUnavailable):
        start(user_id, "tv")


def test_a_failure_after_an_answer_in_the_same_request_is_not_an_outage(
    store: Store, user_id: str
) -> None:
    for id in "abc":
        start(user_id, id)
    # The first call is refused, the second makes room.
    with store.failing(user_id, first=2), pytest.raises(StoreUnavailable):
        start(user_id, "d", after_ms=LEASE_MS)


@pytest.mark.parametrize(
    "later", [9, LEASE_MS + 9], ids=["at once", "after the end of its grace lease"]
)
def test_a_lost_answer_to_the_first_heartbeat_after_the_outage_is_harmless(
    store: Store, user_id: str, later: int
) -> None:
    with store.failing(user_id):
        playing = start(user_id, "tv")
    before_the_end = LEASE_MS - 1
    repeated_at = before_the_end + later if later > 9 else before_the_end
    renewed_at = LEASE_MS + later

    first = beat(playing, after_ms=before_the_end)
    again = beat(playing, after_ms=repeated_at)
    last = beat(again, after_ms=renewed_at)

    assert again.lease.epoch == first.lease.epoch == playing.lease.epoch
    assert last.lease.is_live(NOW + renewed_at)


def test_each_step_of_a_grace_lease_is_counted(
    store: Store, viewer: Viewer, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EVENTS = "log"
    settings.METRICS = "emf"
    settings.EVENT_SINKS = ["streams.sinks.lines.line"]
    for id in "ab":
        viewer.started(deviceId=id)
    with store.failing(viewer.user_id):
        started_c = viewer.start(deviceId="c").json()
        started_d = viewer.start(deviceId="d").json()
        renewed_c = viewer.heartbeat("c", started_c["token"]).json()
    viewer.heartbeat("c", renewed_c["token"])
    viewer.heartbeat("d", started_d["token"])

    lines = capsys.readouterr().out.splitlines()
    events = [json.loads(line) for line in lines]
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
            start(viewer.user_id, f"late-{number}")

    playing = start(viewer.user_id, "tv")
    assert not playing.is_grace


def test_a_second_start_of_an_id_in_an_outage_ends_the_first_playback(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        older = start(viewer.user_id, "tv")
        newer = start(viewer.user_id, "tv", after_ms=10)
        assert ended(older, after_ms=20) is Reason.TAKEN_OVER

        renewed = beat(newer, after_ms=20)
        assert renewed.is_grace


def test_a_pause_in_an_outage_is_kept(store: Store, viewer: Viewer) -> None:
    playing = start(viewer.user_id, "tv")
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


def beat_paused(playing: IssuedLease, *, after_ms: int) -> IssuedLease:
    """Renew a stream that is paused."""
    return service.renew(
        playing.token,
        user_id=playing.user_id,
        id=playing.lease.id,
        now=NOW + after_ms,
        is_paused=True,
    )


def test_a_pause_that_is_reported_twice_in_an_outage_starts_once(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        playing = start(viewer.user_id, "tv")
        paused = beat_paused(playing, after_ms=10)
        again = beat_paused(paused, after_ms=20)
        resumed = beat(again, after_ms=30)

    assert again.lease.paused_at == NOW + 10
    assert resumed.lease.paused_at == 0


def test_a_paused_grace_lease_is_admitted_paused_and_without_an_edge_token(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        playing = start(viewer.user_id, "tv")
        paused = beat_paused(playing, after_ms=10)

    admitted = beat_paused(paused, after_ms=20)

    assert not admitted.is_grace
    assert admitted.edge_token is None
    account = service.store.read(viewer.user_id, now=NOW + 20)
    assert account.leases["tv"].paused_at == NOW + 20


def test_the_heartbeat_of_a_grace_lease_extends_a_lease_that_its_start_got(
    store: Store, viewer: Viewer
) -> None:
    start(viewer.user_id, "phone")
    with store.failing(viewer.user_id, "lost answer"):
        playing = start(viewer.user_id, "tv", after_ms=9000)

    renewed = beat(playing, after_ms=10_000)

    assert renewed.lease.started_at == NOW + 9000
    assert renewed.lease.expires_at == NOW + 10_000 + LEASE_MS


def test_the_pace_of_a_token_is_judged_again_after_an_outage(
    store: Store, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator may lower the limit before the outage."""
    relaxed = changed(service.store.plans, relaxed_lease_ms=5 * LEASE_MS)
    monkeypatch.setattr(service, "store", replace(service.store, plans=relaxed))
    playing = beat(start(viewer.user_id, "tv"), after_ms=1)
    service.set_limit(Context(user_id=viewer.user_id, now=NOW + 2), limit=2)
    with store.failing(viewer.user_id):
        for after_ms in range(9, 20 * LEASE_MS, LEASE_MS // 2):
            playing = beat(playing, after_ms=after_ms)

    renewed = beat(playing, after_ms=after_ms + 1)

    assert renewed.lease.expires_at == NOW + after_ms + 1 + LEASE_MS


@pytest.mark.parametrize("is_sent", [True, False], ids=["sent", "open circuit"])
def test_a_start_that_was_sent_in_an_outage_is_not_refused_by_the_start_rate(
    store: Store, viewer: Viewer, monkeypatch: pytest.MonkeyPatch, is_sent: bool
) -> None:
    """It may take effect."""
    rate = StartRate(burst=1, interval_ms=60_000)
    plans = changed(service.store.plans, start_rate=rate)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))
    with store.failing(viewer.user_id):
        start(viewer.user_id, "tv")
        if not is_sent:
            for _ in range(calls.FAILURES_TO_OPEN):
                beat_of_another_user(viewer)
        error = StoreUnavailable if is_sent else TooManyStarts
        with pytest.raises(error):
            start(viewer.user_id, "phone", after_ms=1)


def beat_of_another_user(viewer: Viewer) -> None:
    """Let a call fail without a change of what the process remembers."""
    with pytest.raises(StoreUnavailable):
        service.listing(Context(user_id=viewer.user_id, now=NOW))


def test_the_admission_of_a_grace_lease_is_charged_but_not_denied(
    store: Store, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = StartRate(burst=1, interval_ms=60_000)
    plans = changed(service.store.plans, start_rate=rate)
    store_of_plans = replace(service.store, plans=plans)
    monkeypatch.setattr(service, "store", store_of_plans)
    start(viewer.user_id, "phone")
    with store.failing(viewer.user_id):
        playing = start(viewer.user_id, "tv", after_ms=1)

    admitted = beat(playing, after_ms=2)

    assert not admitted.is_grace

    account = service.store.read(viewer.user_id, now=NOW + 2)

    assert account.theoretical_arrival_at == NOW + 2 * rate.interval_ms

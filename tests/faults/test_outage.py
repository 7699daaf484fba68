"""`WHEN_STORE_IS_DOWN=open`: what plays while DynamoDB does not answer, and what becomes of it afterwards."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from streams import grace, service
from streams.conf import settings as configured
from streams.dynamodb import calls, deadline
from streams.errors import (
    RequestTimedOut,
    StoreThrottled,
    StoreUnavailable,
    StreamEnded,
    StreamsError,
)
from streams.rules import Reason, StartRate, StartRequest, WhenFull
from streams.service import Context, IssuedLease
from tests.builders import LEASE_MS, NOW, changed
from tests.faults.client import Elsewhere, through
from tests.faults.proxy import Fault, proxying
from tests.viewer import Viewer


@dataclass
class Store:
    """DynamoDB, as the service reaches it."""

    network: Elsewhere

    @contextmanager
    def failing(
        self, user_id: str, kind: str = "connection refused", **more: Any
    ) -> Iterator[None]:
        self.network.set(user_id, Fault(kind, **more))
        try:
            yield
        finally:
            self.network.set(user_id, None)
            calls.reset_circuit()


@pytest.fixture
def store(settings: Any) -> Iterator[Store]:
    settings.WHEN_STORE_IS_DOWN, settings.DEADLINE_SECONDS = "open", 2
    grace.forget()
    with (
        proxying(str(configured.DYNAMODB_ENDPOINT)) as proxy,
        through(proxy, call_seconds=0.5) as network,
    ):
        calls.reset_circuit()
        yield Store(network)
    grace.forget()
    calls.reset_circuit()


def start(user_id: str, id: str, *, now: int, **more: Any) -> IssuedLease:
    return service.start(
        Context(user_id=user_id, now=now, **more), StartRequest(id=id, stream_id="film")
    )


def beat(playing: IssuedLease, *, now: int) -> IssuedLease:
    return service.renew(
        playing.token, user_id=playing.user_id, id=playing.lease.id, now=now
    )


def stop(playing: IssuedLease, *, now: int) -> None:
    service.stop(playing.token, user_id=playing.user_id, id=playing.lease.id, now=now)


def live(user_id: str, *, now: int) -> set[str]:
    return {
        lease.id for lease in service.listing(Context(user_id=user_id, now=now)).streams
    }


def ended(playing: IssuedLease, *, now: int) -> Reason:
    with pytest.raises(StreamEnded) as refusal:
        beat(playing, now=now)
    reason: Reason = refusal.value.ending.reason
    return reason


def test_a_viewer_plays_through_an_outage_and_has_a_slot_afterwards(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        response = viewer.start(deviceId="tv", title="News")
        assert (response.status_code, response.json()["isGrace"]) == (201, True)
        assert response.headers["Location"] == f"{viewer.url}/tv"
        beaten = viewer.heartbeat("tv", response.json()["token"])
        assert (
            beaten.status_code,
            beaten.json()["isGrace"],
            beaten.json()["title"],
        ) == (200, True, "News")
        assert beaten.json()["expiresAt"] >= response.json()["expiresAt"]
        assert beaten.json()["startedAt"] == response.json()["startedAt"]
    assert viewer.list()["active"] == 0
    admitted = viewer.heartbeat("tv", beaten.json()["token"])
    assert (
        admitted.status_code,
        admitted.json()["isGrace"],
        admitted.json()["title"],
    ) == (200, False, "News")
    assert admitted.json()["epoch"] == response.json()["epoch"]
    assert [stream["id"] for stream in viewer.list()["streams"]] == ["tv"]
    assert viewer.heartbeat("tv", admitted.json()["token"]).status_code == 200


def test_what_is_over_the_limit_after_the_outage_is_told_so(
    store: Store, viewer: Viewer
) -> None:
    for id in "abc":
        viewer.started(deviceId=id)
    with store.failing(viewer.user_id):
        token = viewer.start(deviceId="d").json()["token"]
    response = viewer.heartbeat("d", token)
    assert (response.status_code, response.json()["type"]) == (410, "stream-ended")
    assert response.json()["reason"] == "over-limit"
    assert {stream["id"] for stream in viewer.list()["streams"]} == {"a", "b", "c"}


def test_a_live_lease_is_renewed_by_its_token_alone_and_goes_on_in_its_slot(
    store: Store, viewer: Viewer
) -> None:
    started = viewer.started(deviceId="tv")
    with store.failing(viewer.user_id):
        response = viewer.heartbeat("tv", started["token"])
        assert (response.status_code, response.json()["isGrace"]) == (200, True)
        assert (response.json()["streamId"], response.json()["epoch"]) == (
            "film",
            started["epoch"],
        )
    response = viewer.heartbeat("tv", response.json()["token"])
    assert (response.status_code, response.json()["isGrace"]) == (200, False)


def test_a_lease_that_outlives_its_stored_end_by_an_outage_is_revived_in_its_slot(
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


def test_closed_is_the_default_and_gives_nothing(
    store: Store, viewer: Viewer, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "closed"
    started = viewer.started(deviceId="tv")
    with store.failing(viewer.user_id):
        assert viewer.start(deviceId="phone").status_code == 503
        assert viewer.heartbeat("tv", started["token"]).status_code == 503


def test_a_process_gives_a_user_so_many_and_no_more(
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
def test_it_is_an_outage_when_no_answer_comes(
    store: Store, user_id: str, kind: str
) -> None:
    with store.failing(user_id, kind):
        playing = start(user_id, "tv", now=NOW)
        assert playing.is_grace
    store.network.proxy.deliver(user_id)
    assert not beat(playing, now=NOW + 9).is_grace, (
        "whether the start was carried out or not"
    )
    assert live(user_id, now=NOW + 9) == {"tv"}


def test_it_is_an_outage_when_the_store_is_left_alone(
    store: Store, user_id: str
) -> None:
    with store.failing(user_id):
        for number in range(calls.FAILURES_TO_OPEN):
            start(user_id, "tv", now=NOW + number)
        tries = store.network.tries[user_id]
        assert start(user_id, "tv", now=NOW + 9).is_grace
        assert store.network.tries[user_id] == tries


def test_a_store_that_refuses_is_up(store: Store, user_id: str) -> None:
    with store.failing(user_id, "throttled"), pytest.raises(StoreThrottled):
        start(user_id, "tv", now=NOW)
    with store.failing(user_id, "refused"), pytest.raises(StoreUnavailable):
        start(user_id, "tv", now=NOW)


def test_a_store_that_answered_before_in_the_same_request_is_up(
    store: Store, user_id: str
) -> None:
    for id in "abc":
        start(user_id, id, now=NOW)
    later = NOW + LEASE_MS  # the first call is refused, the second makes room
    with store.failing(user_id, first=2), pytest.raises(StoreUnavailable):
        start(user_id, "d", now=later)


class TestNoWayAroundTheLimit:
    def test_a_grace_token_is_judged_while_the_store_is_up_however_often_it_is_sent(
        self, store: Store, user_id: str
    ) -> None:
        for id in "abc":
            start(user_id, id, now=NOW)
        with store.failing(user_id):
            extra = start(user_id, "d", now=NOW + 1)
        for now in range(NOW + 2, NOW + 9):
            assert ended(extra, now=now) is Reason.OVER_LIMIT
        assert live(user_id, now=NOW + 9) == {"a", "b", "c"}

    def test_a_grace_token_ends_with_its_lease(
        self, store: Store, user_id: str
    ) -> None:
        with store.failing(user_id):
            playing = start(user_id, "tv", now=NOW)
        assert ended(playing, now=NOW + LEASE_MS) is Reason.EXPIRED
        with (
            store.failing(user_id),
            pytest.raises(StreamsError),
        ):  # nor is it of use in the next outage
            beat(playing, now=NOW + LEASE_MS)
        assert live(user_id, now=NOW + LEASE_MS) == set()

    def test_a_token_whose_lease_has_run_out_is_not_renewed_without_the_store(
        self, store: Store, user_id: str
    ) -> None:
        playing = start(user_id, "tv", now=NOW)
        with store.failing(user_id), pytest.raises(StoreUnavailable):
            beat(playing, now=NOW + LEASE_MS)

    def test_what_was_evicted_after_it_was_admitted_does_not_come_back(
        self, store: Store, user_id: str
    ) -> None:
        with store.failing(user_id):
            hoarded = start(user_id, "tv", now=NOW)
        beat(hoarded, now=NOW + 1)
        service.set_limit(
            Context(user_id=user_id, now=NOW), limit=1, when_full=WhenFull.EVICT_OLDEST
        )
        start(user_id, "phone", now=NOW + 2)
        service.set_limit(
            Context(user_id=user_id, now=NOW), limit=5, when_full=WhenFull.DENY
        )
        assert ended(hoarded, now=NOW + 3) is Reason.EVICTED
        assert live(user_id, now=NOW + 3) == {"phone"}

    def test_what_was_taken_over_does_not_come_back(
        self, store: Store, user_id: str
    ) -> None:
        with store.failing(user_id):
            hoarded = start(user_id, "tv", now=NOW)
        newer = start(user_id, "tv", now=NOW + 1)
        assert ended(hoarded, now=NOW + 2) is Reason.TAKEN_OVER
        with pytest.raises(StreamEnded):
            stop(hoarded, now=NOW + 3)
        assert beat(newer, now=NOW + 4).lease.epoch == newer.lease.epoch

    @pytest.mark.parametrize("is_admitted", [True, False])
    def test_what_was_stopped_does_not_come_back(
        self, store: Store, user_id: str, is_admitted: bool
    ) -> None:
        with store.failing(user_id):
            hoarded = start(user_id, "tv", now=NOW)
            with pytest.raises(StoreUnavailable):
                stop(hoarded, now=NOW + 1)
        if is_admitted:
            beat(hoarded, now=NOW + 2)
        for now in (NOW + 3, NOW + 4):
            stop(hoarded, now=now)
        assert ended(hoarded, now=NOW + 5) is Reason.STOPPED
        assert live(user_id, now=NOW + 5) == set()

    def test_a_stop_ends_what_the_device_played_before_the_outage_too(
        self, store: Store, user_id: str
    ) -> None:
        before = start(user_id, "tv", now=NOW)
        with store.failing(user_id):
            playing = start(user_id, "tv", now=NOW + 1)
        stop(playing, now=NOW + 2)
        assert live(user_id, now=NOW + 3) == set()
        assert ended(before, now=NOW + 3) is Reason.TAKEN_OVER

    def test_the_same_device_has_one_slot_before_and_after(
        self, store: Store, user_id: str
    ) -> None:
        before = start(user_id, "tv", now=NOW)
        with store.failing(user_id):
            playing = start(user_id, "tv", now=NOW + 1)
        beat(playing, now=NOW + 2)
        assert live(user_id, now=NOW + 3) == {"tv"}
        assert ended(before, now=NOW + 3) is Reason.TAKEN_OVER

    def test_streams_to_replace_are_not_ended_later(
        self, store: Store, viewer: Viewer
    ) -> None:
        viewer.started(deviceId="a")
        with store.failing(viewer.user_id):
            token = viewer.start(deviceId="b", replace=["a"]).json()["token"]
        assert viewer.heartbeat("b", token).status_code == 200
        assert {stream["id"] for stream in viewer.list()["streams"]} == {"a", "b"}

    def test_an_altered_token_is_refused_while_the_store_is_down(
        self, store: Store, viewer: Viewer
    ) -> None:
        with store.failing(viewer.user_id):
            token = viewer.start(deviceId="tv").json()["token"]
            answers: list[httpx.Response] = [
                viewer.heartbeat("tv", token[:-1] + ("A" if token[-1] != "A" else "B")),
                viewer.heartbeat("phone", token),
                Viewer(viewer.api, "somebody-else").heartbeat("tv", token),
            ]
        assert [answer.status_code for answer in answers] == [400, 400, 400]


@pytest.mark.parametrize(
    "later", [9, LEASE_MS + 9], ids=["at once", "after the end of its grace lease"]
)
def test_a_lost_answer_to_the_first_heartbeat_after_the_outage_costs_nothing(
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


def test_each_is_counted(
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


def test_a_request_that_used_up_its_time_says_nothing_about_the_store(
    viewer: Viewer, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "open"
    for number in range(calls.FAILURES_TO_OPEN + 1):
        with deadline.of_request(seconds=0), pytest.raises(RequestTimedOut):
            start(viewer.user_id, f"late-{number}", now=NOW)
    assert not start(viewer.user_id, "tv", now=NOW).is_grace


def test_an_id_that_starts_again_in_an_outage_ends_its_older_playback(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        older = start(viewer.user_id, "tv", now=NOW)
        newer = start(viewer.user_id, "tv", now=NOW + 10)
        assert ended(older, now=NOW + 20) is Reason.TAKEN_OVER
        assert beat(newer, now=NOW + 20).is_grace


def test_a_player_that_is_paused_in_an_outage_stays_paused(
    store: Store, viewer: Viewer
) -> None:
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


def test_the_admission_of_a_grace_lease_is_charged_but_not_refused(
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

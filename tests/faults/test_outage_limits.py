"""Grace leases do not bypass the limit."""

import httpx
import pytest

from streams import service
from streams.errors import (
    StoreUnavailable,
    StreamEnded,
    StreamsError,
)
from streams.rules import Reason, WhenFull
from streams.service import Context
from tests.builders import LEASE_MS, NOW
from tests.faults.outages import Store, beat, ended, live, start, stop
from tests.viewer import Viewer


def test_a_grace_token_is_judged_each_time_after_the_outage(
    store: Store, user_id: str
) -> None:
    for id in "abc":
        start(user_id, id)
    with store.failing(user_id):
        extra = start(user_id, "d", after_ms=1)

    for after_ms in range(2, 9):
        assert ended(extra, after_ms=after_ms) is Reason.OVER_LIMIT

    assert live(user_id, after_ms=9) == {"a", "b", "c"}


def test_a_grace_token_expires_with_its_lease(store: Store, user_id: str) -> None:
    with store.failing(user_id):
        playing = start(user_id, "tv")

    assert ended(playing, after_ms=LEASE_MS) is Reason.EXPIRED

    with (
        store.failing(user_id),
        pytest.raises(StreamsError),
    ):  # nor is it of use in the next outage
        beat(playing, after_ms=LEASE_MS)

    assert live(user_id, after_ms=LEASE_MS) == set()


def test_an_expired_lease_is_not_renewed_without_the_store(
    store: Store, user_id: str
) -> None:
    playing = start(user_id, "tv")
    with store.failing(user_id), pytest.raises(StoreUnavailable):
        beat(playing, after_ms=LEASE_MS)


def test_an_evicted_grace_lease_does_not_return(store: Store, user_id: str) -> None:
    with store.failing(user_id):
        hoarded = start(user_id, "tv")
    beat(hoarded, after_ms=1)

    context = Context(user_id=user_id, now=NOW)
    service.set_limit(context, limit=1, when_full=WhenFull.EVICT_OLDEST)
    start(user_id, "phone", after_ms=2)
    service.set_limit(context, limit=5, when_full=WhenFull.DENY)

    assert ended(hoarded, after_ms=3) is Reason.EVICTED
    assert live(user_id, after_ms=3) == {"phone"}


def test_a_grace_lease_that_was_taken_over_does_not_return(
    store: Store, user_id: str
) -> None:
    with store.failing(user_id):
        hoarded = start(user_id, "tv")
    newer = start(user_id, "tv", after_ms=1)

    assert ended(hoarded, after_ms=2) is Reason.TAKEN_OVER
    with pytest.raises(StreamEnded):
        stop(hoarded, after_ms=3)
    renewed = beat(newer, after_ms=4)
    assert renewed.lease.epoch == newer.lease.epoch


@pytest.mark.parametrize("is_admitted", [True, False])
def test_a_stopped_grace_lease_does_not_return(
    store: Store, user_id: str, is_admitted: bool
) -> None:
    with store.failing(user_id):
        hoarded = start(user_id, "tv")
        with pytest.raises(StoreUnavailable):
            stop(hoarded, after_ms=1)

    if is_admitted:
        beat(hoarded, after_ms=2)
    stop(hoarded, after_ms=3)
    stop(hoarded, after_ms=4)

    assert ended(hoarded, after_ms=5) is Reason.STOPPED
    assert live(user_id, after_ms=5) == set()


def test_a_stop_also_ends_the_playback_from_before_the_outage(
    store: Store, user_id: str
) -> None:
    before = start(user_id, "tv")
    with store.failing(user_id):
        playing = start(user_id, "tv", after_ms=1)
    stop(playing, after_ms=2)

    assert live(user_id, after_ms=3) == set()
    assert ended(before, after_ms=3) is Reason.TAKEN_OVER


def test_a_device_has_one_slot_before_and_after_the_outage(
    store: Store, user_id: str
) -> None:
    before = start(user_id, "tv")
    with store.failing(user_id):
        playing = start(user_id, "tv", after_ms=1)
    beat(playing, after_ms=2)

    assert live(user_id, after_ms=3) == {"tv"}
    assert ended(before, after_ms=3) is Reason.TAKEN_OVER


def test_a_replacement_in_an_outage_ends_no_stream_afterwards(
    store: Store, viewer: Viewer
) -> None:
    viewer.started(deviceId="a")
    with store.failing(viewer.user_id):
        started = viewer.start(deviceId="b", replace=["a"]).json()
    response = viewer.heartbeat("b", started["token"])
    streams = viewer.list()["streams"]

    assert response.status_code == 200
    assert {stream["id"] for stream in streams} == {"a", "b"}


def test_an_altered_token_is_rejected_in_an_outage(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        token = viewer.start(deviceId="tv").json()["token"]
        other_end = "A" if token[-1] != "A" else "B"
        altered = token[:-1] + other_end
        other_viewer = Viewer(viewer.api, "somebody-else")
        answers: list[httpx.Response] = [
            viewer.heartbeat("tv", altered),
            viewer.heartbeat("phone", token),
            other_viewer.heartbeat("tv", token),
        ]

    assert [answer.status_code for answer in answers] == [400, 400, 400]

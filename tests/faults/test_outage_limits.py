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
        start(user_id, id, now=NOW)
    with store.failing(user_id):
        extra = start(user_id, "d", now=NOW + 1)
    for now in range(NOW + 2, NOW + 9):
        assert ended(extra, now=now) is Reason.OVER_LIMIT

    assert live(user_id, now=NOW + 9) == {"a", "b", "c"}


def test_a_grace_token_expires_with_its_lease(store: Store, user_id: str) -> None:
    with store.failing(user_id):
        playing = start(user_id, "tv", now=NOW)

    assert ended(playing, now=NOW + LEASE_MS) is Reason.EXPIRED

    with (
        store.failing(user_id),
        pytest.raises(StreamsError),
    ):  # nor is it of use in the next outage
        beat(playing, now=NOW + LEASE_MS)

    assert live(user_id, now=NOW + LEASE_MS) == set()


def test_an_expired_lease_is_not_renewed_without_the_store(
    store: Store, user_id: str
) -> None:
    playing = start(user_id, "tv", now=NOW)
    with store.failing(user_id), pytest.raises(StoreUnavailable):
        beat(playing, now=NOW + LEASE_MS)


def test_an_evicted_grace_lease_does_not_return(store: Store, user_id: str) -> None:
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


def test_a_grace_lease_that_was_taken_over_does_not_return(
    store: Store, user_id: str
) -> None:
    with store.failing(user_id):
        hoarded = start(user_id, "tv", now=NOW)
    newer = start(user_id, "tv", now=NOW + 1)

    assert ended(hoarded, now=NOW + 2) is Reason.TAKEN_OVER
    with pytest.raises(StreamEnded):
        stop(hoarded, now=NOW + 3)
    assert beat(newer, now=NOW + 4).lease.epoch == newer.lease.epoch


@pytest.mark.parametrize("is_admitted", [True, False])
def test_a_stopped_grace_lease_does_not_return(
    store: Store, user_id: str, is_admitted: bool
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


def test_a_stop_also_ends_the_playback_from_before_the_outage(
    store: Store, user_id: str
) -> None:
    before = start(user_id, "tv", now=NOW)
    with store.failing(user_id):
        playing = start(user_id, "tv", now=NOW + 1)
    stop(playing, now=NOW + 2)

    assert live(user_id, now=NOW + 3) == set()
    assert ended(before, now=NOW + 3) is Reason.TAKEN_OVER


def test_a_device_has_one_slot_before_and_after_the_outage(
    store: Store, user_id: str
) -> None:
    before = start(user_id, "tv", now=NOW)
    with store.failing(user_id):
        playing = start(user_id, "tv", now=NOW + 1)
    beat(playing, now=NOW + 2)

    assert live(user_id, now=NOW + 3) == {"tv"}
    assert ended(before, now=NOW + 3) is Reason.TAKEN_OVER


def test_a_replacement_in_an_outage_ends_no_stream_afterwards(
    store: Store, viewer: Viewer
) -> None:
    viewer.started(deviceId="a")
    with store.failing(viewer.user_id):
        token = viewer.start(deviceId="b", replace=["a"]).json()["token"]

    assert viewer.heartbeat("b", token).status_code == 200
    assert {stream["id"] for stream in viewer.list()["streams"]} == {"a", "b"}


def test_an_altered_token_is_rejected_in_an_outage(
    store: Store, viewer: Viewer
) -> None:
    with store.failing(viewer.user_id):
        token = viewer.start(deviceId="tv").json()["token"]
        answers: list[httpx.Response] = [
            viewer.heartbeat("tv", token[:-1] + ("A" if token[-1] != "A" else "B")),
            viewer.heartbeat("phone", token),
            Viewer(viewer.api, "somebody-else").heartbeat("tv", token),
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 400]

"""Counts of decisions, as CloudWatch reads them from standard output."""

from dataclasses import replace

import pytest

from streams import service
from streams.rules import WhenFull
from tests.dynamodb_clients import unreachable
from tests.http.event_lines import written_counts
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("events_on")


def test_each_verb_and_each_denial_is_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    first = viewer.started()
    viewer.started()
    viewer.started()
    viewer.start()
    viewer.heartbeat(first["id"], first["token"])
    viewer.stop(first["id"], first["token"])

    assert written_counts(capsys) == {
        "admitted": 3,
        "denied": 1,
        "renewed": 1,
        "stopped": 1,
    }


def test_a_repeated_stop_is_counted_once(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.started(deviceId="tv")
    viewer.end("tv")
    viewer.end("tv")
    assert written_counts(capsys) == {"admitted": 1, "stopped": 1}


def test_streams_that_a_start_ends_are_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.limit(2, WhenFull.EVICT_OLDEST)
    viewer.crashed("ghost")
    for device in "abc":
        viewer.started(deviceId=device)
    viewer.started(deviceId="d", replace=["c"])

    assert written_counts(capsys) == {
        "limit-set": 1,
        "admitted": 4,
        "expired": 1,
        "evicted": 1,
        "replaced": 1,
    }


def test_a_call_that_the_store_does_not_answer_is_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "store", replace(service.store, call=unreachable()))
    assert viewer.start().status_code == 503
    assert written_counts(capsys) == {"unavailable": 1}


def test_a_takeover_is_counted_as_an_admission_too(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.started(deviceId="tv")
    viewer.started(deviceId="tv")
    assert written_counts(capsys) == {"admitted": 2, "took-over": 1}

"""What came of each request, as CloudWatch reads it from standard output."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from streams import service
from streams.rules import WhenFull
from tests.conftest import Viewer, unreachable


@pytest.fixture(autouse=True)
def on(settings: Any) -> None:
    settings.METRICS = True


def counted(capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    """The counts in all lines that CloudWatch would read."""
    counts: Counter[str] = Counter()
    for line in capsys.readouterr().out.splitlines():
        record = json.loads(line)
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "StreamLimits"
        assert directive["Dimensions"] == [["Table"]]
        assert record["_aws"]["Timestamp"] > 1_790_000_000_000
        counts.update({metric["Name"]: record[metric["Name"]] for metric in directive["Metrics"]})
    return counts


def test_each_verb_and_a_denial_is_counted(viewer: Viewer, capsys: pytest.CaptureFixture[str]) -> None:
    first = viewer.started()
    viewer.started()
    viewer.started()
    viewer.start()
    viewer.heartbeat(first["id"], first["token"])
    viewer.stop(first["id"], first["token"])
    assert counted(capsys) == {"admitted": 3, "denied": 1, "renewed": 1, "stopped": 1}


def test_a_repeated_stop_is_counted_once(viewer: Viewer, capsys: pytest.CaptureFixture[str]) -> None:
    viewer.started(deviceId="tv")
    viewer.end("tv")
    viewer.end("tv")
    assert counted(capsys) == {"admitted": 1, "stopped": 1}


def test_what_a_start_ends_is_counted(viewer: Viewer, capsys: pytest.CaptureFixture[str]) -> None:
    viewer.limit(2, WhenFull.EVICT_OLDEST)
    viewer.crashed("ghost")
    for device in "abc":
        viewer.started(deviceId=device)
    viewer.started(deviceId="d", replace=["c"])
    assert counted(capsys) == {"admitted": 4, "expired": 1, "evicted": 1, "replaced": 1}


def test_a_store_that_does_not_answer_is_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "store", replace(service.store, call=unreachable()))
    assert viewer.start().status_code == 503
    assert counted(capsys) == {"unavailable": 1}


def test_what_is_refused_for_other_reasons_is_not_counted(viewer: Viewer, capsys: pytest.CaptureFixture[str]) -> None:
    viewer.start("")
    viewer.read("nobody")
    assert counted(capsys) == {}


def test_nothing_is_written_where_metrics_are_off(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.METRICS = False
    viewer.started()
    assert capsys.readouterr().out == ""

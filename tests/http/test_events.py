"""What was decided for whom, and why: as CloudWatch reads it from standard output, event and metrics in one line."""

import json
import time
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streams import audit, current_request, service, tokens
from streams import events as decisions
from streams.errors import StoreThrottled
from streams.rules import Lease, WhenFull
from streams.sinks import lines as events
from streams.storage.table import Table
from tests.builders import changed
from tests.dynamodb_clients import unreachable
from tests.servers import PROJECT
from tests.viewer import Viewer

SCHEMA = Draft202012Validator(
    json.loads((PROJECT / "docs" / "events.schema.json").read_text())
)
LONGEST = 128 * "x"
TRACE = "1-5759e988-bd862e3fe1be46a994272793"
TRACE_OF_W3C = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def on(settings: Any) -> None:
    settings.EVENTS, settings.METRICS, settings.EVENT_SINKS = (
        "log",
        "emf",
        ["streams.sinks.lines.line"],
    )


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events, each of which is as the schema has it."""
    lines = capsys.readouterr().out.splitlines()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for line, event in zip(lines, found, strict=True):
        SCHEMA.validate(event)
        assert len(line.encode()) < 1300, "with its metrics"
        del event["_aws"], event["Table"]
        assert (
            len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())
            < 1024
        )
    return found


def counted(capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    """The counts in all lines that CloudWatch would read."""
    counts: Counter[str] = Counter()
    for line in capsys.readouterr().out.splitlines():
        record = json.loads(line)
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "StreamLimits"
        assert directive["Dimensions"] == [["Table"]]
        assert record["_aws"]["Timestamp"] > 1_790_000_000_000
        counts.update(
            {metric["Name"]: record[metric["Name"]] for metric in directive["Metrics"]}
        )
    return counts


def test_each_verb_and_a_denial_is_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    first = viewer.started()
    viewer.started()
    viewer.started()
    viewer.start()
    viewer.heartbeat(first["id"], first["token"])
    viewer.stop(first["id"], first["token"])
    assert counted(capsys) == {"admitted": 3, "denied": 1, "renewed": 1, "stopped": 1}


def test_a_repeated_stop_is_counted_once(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.started(deviceId="tv")
    viewer.end("tv")
    viewer.end("tv")
    assert counted(capsys) == {"admitted": 1, "stopped": 1}


def test_what_a_start_ends_is_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.limit(2, WhenFull.EVICT_OLDEST)
    viewer.crashed("ghost")
    for device in "abc":
        viewer.started(deviceId=device)
    viewer.started(deviceId="d", replace=["c"])
    assert counted(capsys) == {
        "limit-set": 1,
        "admitted": 4,
        "expired": 1,
        "evicted": 1,
        "replaced": 1,
    }


def test_a_store_that_does_not_answer_is_counted(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "store", replace(service.store, call=unreachable()))
    assert viewer.start().status_code == 503
    assert counted(capsys) == {"unavailable": 1}


def test_what_says_more_of_the_same_is_counted_as_both(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.started(deviceId="tv")
    viewer.started(deviceId="tv")
    assert counted(capsys) == {"admitted": 2, "took-over": 1}


def test_what_is_refused_for_other_reasons_is_not_told(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.start("")
    viewer.read("nobody")
    assert told(capsys) == []


def test_nothing_is_written_where_events_and_metrics_are_off(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.EVENT_SINKS = []
    viewer.started()
    assert capsys.readouterr().out == ""


def test_each_is_written_without_the_other(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.METRICS = "off"
    viewer.started(deviceId="tv")
    settings.EVENTS, settings.METRICS = "off", "emf"
    viewer.started(deviceId="phone")
    event, metrics = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["kind"], "_aws" in event) == ("admitted", False)
    assert metrics.keys() == {"_aws", "Table", "admitted"}


def test_each_decision_is_told_with_what_made_it(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.limit(2)
    viewer.api.delete(f"/users/{viewer.user_id}/limit")
    viewer.limit(2)
    tv = viewer.started(deviceId="tv", deviceType="tv")
    phone = viewer.started(deviceId="phone")
    assert viewer.start(deviceId="tablet", deviceType="tablet").status_code == 409
    viewer.heartbeat("tv", tv["token"])
    viewer.started(deviceId="tv", deviceType="tv")
    viewer.stop("phone", phone["token"])
    viewer.started(deviceId="phone")
    viewer.started(deviceId="web", replace=["phone"])
    viewer.end("web")
    viewer.limit(0)
    viewer.api.delete(f"/users/{viewer.user_id}/streams")
    viewer.api.delete(f"/users/{viewer.user_id}")
    found = told(capsys)
    assert {event["user"] for event in found} == {audit.user_in_logs(viewer.user_id)}
    assert [
        (
            event["kind"],
            *(
                event[name]
                for name in ("id", "deviceType", "limit", "reason", "by")
                if name in event
            ),
        )
        for event in found
    ] == [
        ("limit-set", 2),
        ("limit-cleared",),
        ("limit-set", 2),
        ("admitted", "tv", "tv"),
        ("admitted", "phone"),
        ("denied", "tablet", "tablet", 2),
        ("renewed", "tv", "tv"),
        ("took-over", "tv", "tv"),
        ("stopped", "phone", "stopped", "player"),
        ("admitted", "phone"),
        ("admitted", "web"),
        ("ended", "phone", "replaced", "stream web"),
        ("ended", "web", "stopped", "viewer"),
        ("suspended", 0),
        ("ended", "tv", "stopped", "viewer"),
        ("forgotten",),
    ]
    denied = found[5]
    assert [
        (holder["id"], holder.get("deviceType")) for holder in denied["holders"]
    ] == [("tv", "tv"), ("phone", None)]
    assert (denied["held"], denied["calls"]) == (2, 1)
    assert all(event["calls"] >= 1 and event["ms"] > 0 for event in found)


def test_a_late_heartbeat_that_finds_its_slot_is_told_as_a_revival(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = viewer.crashed("tv")
    answer = viewer.heartbeat("tv", tokens.issue(viewer.user_id, lease)).json()
    viewer.heartbeat("tv", answer["token"])
    assert [event["kind"] for event in told(capsys)] == ["revived", "renewed"]


def test_a_throttled_table_is_told_apart_from_one_that_is_down(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(operation: str, arguments: Any) -> Any:
        raise StoreThrottled("too much")

    monkeypatch.setattr(Table, "send", lambda self, *call: throttled(*call))
    assert viewer.start(deviceId="tv").status_code == 503
    (event,) = told(capsys)
    assert (event["kind"], event["unavailable"], event["throttled"]) == (
        "throttled",
        1,
        1,
    )


def test_of_heartbeats_one_in_so_many_is_told_and_counts_for_all(
    viewer: Viewer,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EVENTS_SAMPLE_RENEWALS = 3
    turns = iter([2, 0, 1])
    monkeypatch.setattr(events, "_random_below", lambda number: next(turns))
    stream = viewer.started(deviceId="tv")
    for _ in range(3):
        viewer.heartbeat("tv", stream["token"])
    admitted, renewed = told(capsys)
    assert (admitted["kind"], "sample" in admitted) == ("admitted", False)
    assert (renewed["kind"], renewed["sample"], renewed["renewed"]) == ("renewed", 3, 3)


@pytest.mark.parametrize(
    ("headers", "id"),
    [
        (
            {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"},
            "1-5759e988-bd862e3fe1be46a994272793",
        ),
        (
            {"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
            "0af7651916cd43dd8448eb211c80319c",
        ),
        ({"X-Request-Id": "abc-1"}, "abc-1"),
        ({"X-Request-Id": 'no "id" at all'}, None),
        ({"X-Request-Id": "x" * 65}, None),
        ({}, None),
    ],
    ids=["X-Ray", "W3C", "the caller's", "no id", "too long", "none"],
)
def test_an_event_names_its_request(
    viewer: Viewer,
    capsys: pytest.CaptureFixture[str],
    headers: dict[str, str],
    id: str | None,
) -> None:
    viewer.api.post(viewer.url, json={"streamId": "film"}, headers=headers)
    (event,) = told(capsys)
    assert event.get("request") == id


@pytest.mark.parametrize("device_type", ["界" * 10, '"' * 32, "tv"])
@pytest.mark.parametrize("id", [LONGEST, "x"])
def test_the_longest_event_is_under_a_kilobyte(
    capsys: pytest.CaptureFixture[str], settings: Any, id: str, device_type: str
) -> None:
    settings.LOG_USER_IDS = True
    lease = Lease(
        id=id,
        stream_id="x",
        started_at=0,
        expires_at=2**41,
        epoch=1,
        device_type=device_type,
    )
    denial: Any = {
        "limit": 100,
        "plan": "p" * 64,
        "rule": "r" * 64,
        "holders": [lease] * 100,
    }
    with current_request.CurrentRequest({"HTTP_X_REQUEST_ID": "r" * 64}):
        decisions.record(
            "denied",
            now=2**41,
            user='"' * 64,
            id=LONGEST,
            deviceType="😀" * 8,
            **denial,
        )
    decisions.record(
        "ended",
        now=2**41,
        user="名" * 255,
        id=LONGEST,
        reason="evicted",
        by="subject " + "名" * 99,
    )
    decisions.record("unknown-plan", now=2**41, user="ana", id=LONGEST, plan="名" * 999)
    denied, ended, _ = told(capsys)
    assert denied["held"] == 100
    assert 1 <= len(denied["holders"]) <= 8
    assert ended["user"] == audit.user_in_logs("名" * 255)


def test_starts_name_the_plan_that_they_were_judged_by(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = service.store.plans
    family = changed(plans, name="family", limit=1)
    monkeypatch.setattr(
        service,
        "store",
        replace(service.store, plans=changed(plans, named={"family": family})),
    )
    viewer.started(deviceId="tv")
    context = service.Context(user_id=viewer.user_id, now=time.time_ns() // 1_000_000)
    service.set_limit(context, limit=None, plan="family", when_full=None)
    viewer.started(deviceId="tv")
    viewer.start(deviceId="phone")
    assert [(event["kind"], event.get("plan")) for event in told(capsys)] == [
        ("admitted", "default"),
        ("limit-set", "family"),
        ("took-over", "family"),
        ("denied", "family"),
    ]


def test_the_holders_of_an_ordinary_denial_are_all_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    holders = [
        Lease(
            id=id,
            stream_id="x",
            started_at=0,
            expires_at=2**41,
            epoch=1,
            device_type="browser",
        )
        for id in ids
    ]
    decisions.record("denied", now=2**41, user="ana", id="tv", limit=3, holders=holders)
    (denied,) = told(capsys)
    assert [holder["id"] for holder in denied["holders"]] == ids

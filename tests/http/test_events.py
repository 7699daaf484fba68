"""Events: each decision, its user and its reason, with metrics in the same line."""

import json
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest

from streams import audit, current_request, service, tokens
from streams import events as decisions
from streams.errors import StoreThrottled
from streams.rules import Lease
from streams.sinks import lines
from streams.storage.table import Table
from tests.builders import changed
from tests.http.event_lines import written_events
from tests.http.viewers import limit_url
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("events_on")

LONGEST = 128 * "x"


TRACE = "1-5759e988-bd862e3fe1be46a994272793"


TRACE_OF_W3C = "0af7651916cd43dd8448eb211c80319c"


def test_invalid_and_unknown_requests_are_not_events(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.start("")
    viewer.read("nobody")
    assert written_events(capsys) == []


def test_no_line_is_written_if_events_and_metrics_are_off(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.EVENT_SINKS = []
    viewer.started()
    assert capsys.readouterr().out == ""


def test_events_and_metrics_can_be_written_separately(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.METRICS = "off"
    viewer.started(deviceId="tv")
    settings.EVENTS, settings.METRICS = "off", "emf"
    viewer.started(deviceId="phone")
    event, metrics = map(json.loads, capsys.readouterr().out.splitlines())

    assert event["kind"] == "admitted"
    assert "_aws" not in event
    assert metrics.keys() == {"_aws", "Table", "admitted"}


def test_each_decision_is_recorded_with_its_cause(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    viewer.limit(2)
    viewer.api.delete(limit_url(viewer))
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
    events = written_events(capsys)

    assert {event["user"] for event in events} == {audit.user_in_logs(viewer.user_id)}
    assert [
        (
            event["kind"],
            *(
                event[name]
                for name in ("id", "deviceType", "limit", "reason", "by")
                if name in event
            ),
        )
        for event in events
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

    denied = events[5]

    assert [
        (holder["id"], holder.get("deviceType")) for holder in denied["holders"]
    ] == [("tv", "tv"), ("phone", None)]
    assert denied["held"] == 2
    assert denied["calls"] == 1
    assert all(event["calls"] >= 1 and event["ms"] > 0 for event in events)


def test_a_late_heartbeat_is_recorded_as_a_revival(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = viewer.crashed("tv")
    answer = viewer.heartbeat("tv", tokens.issue(viewer.user_id, lease)).json()
    viewer.heartbeat("tv", answer["token"])
    assert [event["kind"] for event in written_events(capsys)] == ["revived", "renewed"]


def test_throttling_is_recorded_separately_from_an_outage(
    viewer: Viewer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(operation: str, arguments: Any) -> Any:
        raise StoreThrottled("throttled by the test")

    monkeypatch.setattr(Table, "send", lambda self, *call: throttled(*call))

    assert viewer.start(deviceId="tv").status_code == 503

    (event,) = written_events(capsys)

    assert event["kind"] == "throttled"
    assert event["unavailable"] == 1
    assert event["throttled"] == 1


def test_a_sample_of_heartbeats_is_recorded_with_its_weight(
    viewer: Viewer,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EVENTS_SAMPLE_RENEWALS = 3
    turns = iter([2, 0, 1])
    monkeypatch.setattr(lines, "_random_below", lambda number: next(turns))
    stream = viewer.started(deviceId="tv")
    for _ in range(3):
        viewer.heartbeat("tv", stream["token"])
    admitted, renewed = written_events(capsys)

    assert admitted["kind"] == "admitted"
    assert "sample" not in admitted
    assert renewed["kind"] == "renewed"
    assert renewed["sample"] == 3
    assert renewed["renewed"] == 3


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
    ids=["X-Ray", "W3C", "chosen by the caller", "invalid", "too long", "missing"],
)
def test_an_event_names_its_request(
    viewer: Viewer,
    capsys: pytest.CaptureFixture[str],
    headers: dict[str, str],
    id: str | None,
) -> None:
    viewer.api.post(viewer.url, json={"streamId": "film"}, headers=headers)
    (event,) = written_events(capsys)
    assert event.get("request") == id


@pytest.mark.parametrize("device_name", [None, "界" * 21, '"' * 64, "TV"])
@pytest.mark.parametrize("device_type", ["界" * 10, '"' * 32, "tv"])
@pytest.mark.parametrize("id", [LONGEST, "x"])
def test_the_longest_event_is_shorter_than_a_kilobyte(
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    id: str,
    device_type: str,
    device_name: str | None,
) -> None:
    settings.LOG_USER_IDS = True
    settings.EVENTS_DEVICE_NAMES = device_name is not None
    lease = Lease(
        id=id,
        stream_id="x",
        started_at=0,
        expires_at=2**41,
        epoch=1,
        device_type=device_type,
        device_name=device_name,
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
            deviceName=device_name,
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
    denied, ended, _ = written_events(capsys)

    assert denied["held"] == 100
    assert len(denied["holders"]) <= 8
    if device_name is None or id == "x":
        assert denied["holders"]
    assert ended["user"] == audit.user_in_logs("名" * 255)


@pytest.mark.parametrize("has_names", [False, True])
def test_events_contain_names_of_devices_only_with_their_setting(
    viewer: Viewer,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    has_names: bool,
) -> None:
    settings.EVENTS_DEVICE_NAMES = has_names
    viewer.limit(1)
    capsys.readouterr()
    viewer.started(deviceId="tv", deviceName="Living room")
    viewer.start(deviceId="phone", deviceName="Ana's phone")

    admitted, denied = written_events(capsys)
    names = [
        event.get("deviceName") for event in (admitted, denied, *denied["holders"])
    ]
    shown = ["Living room", "Ana's phone", "Living room"]
    assert names == (shown if has_names else [None] * 3)


def test_the_event_of_a_start_names_its_plan(
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

    assert [(event["kind"], event.get("plan")) for event in written_events(capsys)] == [
        ("admitted", "default"),
        ("limit-set", "family"),
        ("took-over", "family"),
        ("denied", "family"),
    ]


def test_the_event_of_an_ordinary_denial_names_all_holders(
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
    (denied,) = written_events(capsys)

    assert [holder["id"] for holder in denied["holders"]] == ids

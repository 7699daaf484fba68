"""Plans over HTTP: denials, pauses, suspensions, dry runs, networks and shadows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from streams import service
from streams.conf import settings
from streams.rules import Lease, Plans, Rule, StartRate
from streams.serializers import Shown, StreamSerializer
from streams.wsgi import placed
from streams_project.wsgi import application
from tests.builders import changed, plans_of
from tests.http.viewers import ids_of, limit_url
from tests.openapi_document import hold_to_the_document
from tests.viewer import Viewer
from tests.wsgi_servers import serving

BIG = Rule(
    name="two-big-screens",
    where={"deviceType": ("tv",)},
    limit=2,
    message="Two big screens are playing.",
)
TITLE = Rule(name="one-per-title", per="streamId", limit=1)
FAMILY = plans_of(
    name="family", limit=4, lease_ms=60_000, paused_ms=600_000, rules=(BIG, TITLE)
)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    """Return the plans of the service: the default and `family`."""
    plans = changed(settings.PLANS, named={"family": FAMILY})
    monkeypatch.setattr(settings, "PLANS", plans)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))
    return plans


@pytest.fixture
def family(plans: Plans, viewer: Viewer) -> Viewer:
    """Return a user of the plan `family`."""
    answer = viewer.api.put(limit_url(viewer), json={"plan": "family"})

    assert answer.status_code == 200
    assert answer.json()["plan"] == "family"
    assert answer.json()["limit"] == 4

    return viewer


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Return the recorded events."""
    recorded: list[tuple[str, dict[str, Any]]] = []

    def record(*kinds: str, now: int, **attributes: Any) -> None:
        recorded.extend((kind, attributes) for kind in kinds)

    monkeypatch.setattr("streams.events.record", record)
    return recorded


def test_a_denial_names_the_plan_the_rule_and_its_message(
    family: Viewer,
) -> None:
    for id, kind in [("a", "tv"), ("b", "phone"), ("c", "tv")]:
        family.started(id, deviceId=id, deviceType=kind)
    denial = family.start("d", deviceId="d", deviceType="tv")

    assert denial.status_code == 409

    body = denial.json()

    assert body["plan"] == "family"
    assert body["limit"] == 4
    assert body["rule"] == {
        "name": "two-big-screens",
        "message": "Two big screens are playing.",
    }
    assert ids_of(body) == ["a", "c"]
    assert 55 <= int(denial.headers["Retry-After"]) <= 60
    assert (
        family.start("d", deviceId="d", deviceType="tv", replace=["a"]).status_code
        == 201
    )


def test_a_denial_by_the_limit_names_no_rule(plans: Plans, viewer: Viewer) -> None:
    for id in "abc":
        viewer.started(id)
    body = viewer.start("d").json()
    assert body["plan"] == "default"
    assert body["limit"] == 3
    assert "rule" not in body


def test_the_error_of_an_unknown_plan_lists_the_plans(
    plans: Plans, viewer: Viewer
) -> None:
    answer = viewer.api.put(limit_url(viewer), json={"plan": "gold"})

    assert answer.status_code == 400
    assert answer.json()["errors"] == {
        "plan": ["Unknown plan. The plans are: default, family."]
    }


@pytest.mark.parametrize(
    "body", [{}, {"whenFull": "deny"}, {"endSurplus": True}, {"limit": None}]
)
def test_a_limit_without_number_or_plan_is_rejected(
    viewer: Viewer, body: dict[str, Any]
) -> None:
    answer = viewer.api.put(limit_url(viewer), json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"limit"}


def test_a_plan_and_a_limit_are_set_and_cleared_together(
    family: Viewer,
) -> None:
    url = limit_url(family)

    assert family.api.put(url, json={"plan": "family", "limit": 2}).status_code == 200

    own = family.api.get(url).json()

    assert own["plan"] == "family"
    assert own["limit"] == 2
    assert own["whenFull"] == "deny"
    assert own["isDefault"] is False
    assert family.api.delete(url).status_code == 204
    assert family.api.get(url).json()["plan"] == "default"


def test_the_plans_are_listed(plans: Plans, api: httpx.Client) -> None:
    answer = api.get("/plans").json()

    assert [plan["name"] for plan in answer["plans"]] == ["default", "family"]

    family = answer["plans"][1]

    assert family["pausedSeconds"] == 600
    assert family["relaxedLeaseSeconds"] is None
    assert family["rules"][0] == {
        "name": "two-big-screens",
        "limit": 2,
        "where": {"deviceType": ["tv"]},
        "per": None,
        "distinct": None,
        "message": "Two big screens are playing.",
    }


def test_a_suspension_ends_streams_immediately(viewer: Viewer) -> None:
    started = viewer.started(deviceId="tv")
    answer = viewer.api.put(limit_url(viewer), json={"limit": 0, "endSurplus": True})

    assert answer.json()["ended"] == ["tv"]

    answered = viewer.heartbeat("tv", started["token"])

    assert answered.status_code == 410
    assert answered.json()["reason"] == "suspended"
    assert viewer.start().status_code == 409


def test_a_paused_stream_keeps_its_slot_as_long_as_the_plan_allows(
    family: Viewer,
) -> None:
    started = family.started(deviceId="tv")
    beat = f"{family.url}/tv/heartbeat"
    paused = family.api.post(
        beat, json={"token": started["token"], "state": "paused"}
    ).json()

    assert paused["state"] == "paused"
    assert paused["pausedAt"] is not None
    assert paused["leaseSeconds"] == 600
    assert 170 < paused["heartbeatSeconds"] <= 200, (
        "a paused stream has a longer interval"
    )
    assert family.list()["streams"][0]["state"] == "paused"

    playing = family.api.post(
        beat, json={"token": paused["token"], "state": "playing"}
    ).json()

    assert playing["state"] == "playing"
    assert playing["pausedAt"] is None
    assert playing["expiresAt"] == paused["expiresAt"], "an expiry does not decrease"


@pytest.mark.parametrize("remaining_ms", [60_000, 6000, 1500, 10])
def test_near_the_end_of_a_pause_the_next_heartbeat_is_due_before_it(
    remaining_ms: int,
) -> None:
    now = 1_800_000_000_000
    paused = Lease(
        id="tv",
        stream_id="film",
        started_at=now - 600_000,
        paused_at=now - 600_000 + remaining_ms,
        expires_at=now + remaining_ms,
        epoch=1,
    )
    shown = StreamSerializer().to_representation(Shown(paused, "ana", now))

    assert 0 < shown["heartbeatSeconds"] < shown["leaseSeconds"]


def test_an_unknown_state_is_rejected(viewer: Viewer) -> None:
    token = viewer.started(deviceId="tv")["token"]
    answer = viewer.api.post(
        f"{viewer.url}/tv/heartbeat", json={"token": token, "state": "asleep"}
    )

    assert answer.json()["errors"] == {"state": ["Must be one of playing, paused."]}


@pytest.mark.parametrize("path", ["/streams?dryRun=true", "/dry-run", "/dry-run/"])
def test_a_dry_run_reports_the_decision_without_changing_state(
    family: Viewer, path: str
) -> None:
    family.started("film", deviceId="tv", deviceType="tv")
    request = {"streamId": "film", "deviceId": "phone"}
    url = family.url.removesuffix("/streams") + path
    denied = family.api.post(url, json=request)

    assert denied.status_code == 409
    assert denied.json()["rule"]["name"] == "one-per-title"

    would = family.api.post(url, json=request | {"replace": ["tv"]})

    assert would.json() == {
        "isAdmitted": True,
        "plan": "family",
        "limit": 4,
        "ended": ["tv"],
    }
    assert ids_of(family.list()) == ["tv"]


def test_only_true_and_false_are_values_of_dry_run(viewer: Viewer) -> None:
    start = {"streamId": "film"}

    assert viewer.api.post(f"{viewer.url}?dryRun=yes", json=start).status_code == 400
    assert viewer.api.post(f"{viewer.url}?dryRun=false", json=start).status_code == 201


@pytest.mark.parametrize(
    "query",
    ["dryRun=true", "dry%52un=true", "%64%72%79%52%75%6e=true", "a=1&dry%52un=true"],
)
def test_an_encoded_name_of_a_parameter_is_the_same_parameter(
    viewer: Viewer, query: str
) -> None:
    answer = viewer.api.post(f"{viewer.url}?{query}", json={"streamId": "film"})

    assert answer.status_code == 200
    assert answer.json()["isAdmitted"] is True
    assert viewer.list()["active"] == 0


@pytest.fixture
def two_networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Yield a service behind a proxy whose default plan allows two networks."""
    plans = changed(
        settings.PLANS,
        limit=9,
        rules=(Rule(name="two-networks", distinct="network", limit=2),),
    )
    monkeypatch.setattr(settings, "PLANS", plans)
    monkeypatch.setattr(settings, "PLANS_LOOK_AT_NETWORKS", True)
    monkeypatch.setattr(settings, "TRUSTED_PROXIES", 1)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))
    hooks = {"response": [hold_to_the_document]}
    with (
        serving(placed(application)) as url,
        httpx.Client(base_url=url, event_hooks=hooks) as client,
    ):
        yield client


def test_a_caller_can_neither_choose_nor_see_its_network(
    two_networks: httpx.Client, user_id: str
) -> None:
    def start(id: str, forwarded: str, **more: Any) -> httpx.Response:
        body = {"streamId": id, "deviceId": id, **more}
        headers = {
            "X-Forwarded-For": forwarded,
            "Streams-Network": "x",
            "streams.network": "x",
        }
        return two_networks.post(
            f"/users/{user_id}/streams", json=body, headers=headers
        )

    assert start("a", "203.0.113.1", network="mine").status_code == 201
    assert start("b", "203.0.113.99").status_code == 201
    assert start("c", "198.51.100.1").status_code == 201

    denial = start("d", "203.0.113.1, 192.0.2.1", network="203.0.113.0/24")

    assert denial.status_code == 409
    assert denial.json()["rule"]["name"] == "two-networks"
    assert "network" not in denial.json()["streams"][0]
    assert start("e", "192.0.2.1, 198.51.100.77").status_code == 201


def test_a_shadow_plan_records_where_it_would_decide_differently(
    monkeypatch: pytest.MonkeyPatch,
    viewer: Viewer,
    events: list[tuple[str, dict[str, Any]]],
) -> None:
    shadow = changed(
        settings.PLANS,
        limit=9,
        rules=(replace(TITLE, name="candidate"),),
        start_rate=StartRate(interval_ms=0),
    )
    monkeypatch.setattr(settings, "SHADOW_PLANS", shadow)
    monkeypatch.setattr(service, "store", replace(service.store, is_shadowed=True))
    for stream_id in ("one", "two", "one"):
        assert viewer.start(stream_id).status_code == 201

    assert viewer.start("three").status_code == 409

    answered = [
        (kind, attributes["plan"], attributes.get("rule"))
        for kind, attributes in events
        if kind.startswith("shadow-")
    ]

    assert answered == [
        ("shadow-denied", "default", "candidate"),
        ("shadow-admitted", "default", None),
    ]


def test_a_plan_that_was_removed_counts_as_the_default(
    family: Viewer,
    monkeypatch: pytest.MonkeyPatch,
    events: list[tuple[str, dict[str, Any]]],
) -> None:
    fewer = replace(
        settings.PLANS, named={"other": changed(FAMILY, name="other").default}
    )
    monkeypatch.setattr(settings, "PLANS", fewer)
    monkeypatch.setattr(service, "store", replace(service.store, plans=fewer))

    assert family.start().status_code == 201
    assert ("unknown-plan", "family") in [
        (kind, attributes.get("plan")) for kind, attributes in events
    ]
    assert family.list()["plan"] == "default"

"""Tickets: viewers' credentials for URLs that cannot carry a bearer token."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

import httpx
import pytest

from streams import tickets
from streams.authentication import ADMIN, OPERATE, Caller
from streams.errors import StoreDown
from streams.rules import Entitlement
from streams.storage.table import Table
from streams.views import UserView
from tests.builders import changed, plans_of
from tests.http.event_lines import written_events
from tests.http.viewers import ids_of
from tests.viewer import Viewer


def ticket_of(viewer: Viewer, **fields: Any) -> dict[str, str]:
    """Return the headers of a caller with a new ticket of the viewer."""
    response = viewer.api.post(f"/users/{viewer.user_id}/tickets", json=fields)
    assert response.status_code == 201, response.text
    return {"Authorization": f"Bearer {response.json()['ticket']}"}


def start(
    viewer: Viewer, headers: Mapping[str, str], stream_id: str = "film", **fields: Any
) -> httpx.Response:
    """Start a stream of `/me`."""
    body = {"streamId": stream_id, **fields}
    return viewer.api.post("/me/streams", json=body, headers=headers)


def caller(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Let every caller be this one."""
    authenticated = Caller(**fields)
    monkeypatch.setattr(UserView, "caller", authenticated)


# --- what a ticket is accepted for --------------------------------------------------


def test_a_ticket_expires_after_the_seconds_that_were_asked(viewer: Viewer) -> None:
    before = time.time()
    response = viewer.api.post(f"/users/{viewer.user_id}/tickets", json={"seconds": 5})
    expiry = datetime.fromisoformat(response.json()["expiresAt"]).timestamp()

    assert before + 4.9 < expiry < time.time() + 5.1
    assert len(response.json()["ticket"]) <= 300


def test_a_ticket_is_the_credential_of_its_user(viewer: Viewer) -> None:
    headers = ticket_of(viewer)
    id = start(viewer, headers, deviceId="tv").json()["id"]

    streams = viewer.api.get("/me/streams", headers=headers).json()
    assert ids_of(streams) == [id]
    assert viewer.api.get(f"{viewer.url}/{id}", headers=headers).status_code == 200
    assert viewer.api.get("/me/limit", headers=headers).status_code == 200
    assert viewer.api.delete(f"/me/streams/{id}", headers=headers).status_code == 204


def test_a_ticket_is_refused_for_another_user(viewer: Viewer) -> None:
    headers = ticket_of(viewer)
    response = viewer.api.get("/users/another/streams", headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize("path", ["/me/tickets", "/users/{}/tickets"])
def test_a_ticket_cannot_create_another_ticket(viewer: Viewer, path: str) -> None:
    headers = ticket_of(viewer)
    url = path.format(viewer.user_id)
    assert viewer.api.post(url, json={}, headers=headers).status_code == 403


def test_an_expired_or_altered_ticket_is_not_authenticated(viewer: Viewer) -> None:
    earlier = time.time_ns() // 1_000_000 - 60_000
    expired = tickets.issue(viewer.user_id, now=earlier, seconds=60)
    valid = tickets.issue(viewer.user_id, now=earlier, seconds=300)

    for ticket in (expired, f"{valid}A", f"{valid[:-1]}", "tk_", "tk_x.y"):
        headers = {"Authorization": f"Bearer {ticket}"}
        response = start(viewer, headers)
        assert response.status_code == 401, ticket
        assert response.headers["WWW-Authenticate"]


# --- one start per id ---------------------------------------------------------------


def test_a_second_start_with_the_same_id_is_a_repeat_of_the_first(
    viewer: Viewer,
) -> None:
    headers = ticket_of(viewer)
    first, second = (start(viewer, headers, deviceId="tv") for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["epoch"] == second.json()["epoch"]
    assert viewer.list()["active"] == 1
    assert viewer.heartbeat("tv", first.json()["token"]).status_code == 200
    assert viewer.heartbeat("tv", second.json()["token"]).status_code == 200


def test_a_start_without_an_id_uses_one_slot_per_ticket(viewer: Viewer) -> None:
    headers = ticket_of(viewer)
    ids = {start(viewer, headers).json()["id"] for _ in range(3)}
    other = start(viewer, ticket_of(viewer)).json()["id"]

    assert len(ids) == 1
    assert other not in ids


def test_a_ticket_does_not_start_an_id_again_after_its_stop(viewer: Viewer) -> None:
    headers = ticket_of(viewer)
    playing = start(viewer, headers, deviceId="tv").json()
    viewer.stop("tv", playing["token"]).raise_for_status()

    repeat = start(viewer, headers, deviceId="tv")
    assert repeat.status_code == 410
    assert repeat.json()["reason"] == "stopped"
    assert start(viewer, headers, deviceId="phone").status_code == 201
    assert start(viewer, ticket_of(viewer), deviceId="tv").status_code == 201


def test_a_ticket_does_not_start_an_id_again_after_many_endings(
    viewer: Viewer,
) -> None:
    headers = ticket_of(viewer)
    start(viewer, headers, deviceId="tv").raise_for_status()
    viewer.end("tv").raise_for_status()
    for n in range(20):
        viewer.started(deviceId=f"device-{n}")
        viewer.end(f"device-{n}").raise_for_status()

    assert start(viewer, headers, deviceId="tv").status_code in (404, 410)


def test_a_ticket_takes_over_the_slot_of_its_device(viewer: Viewer) -> None:
    earlier = viewer.started(deviceId="tv")
    taken_over = start(viewer, ticket_of(viewer), deviceId="tv")

    assert taken_over.status_code == 200
    assert viewer.heartbeat("tv", earlier["token"]).status_code == 410


def test_starts_by_tickets_are_within_the_limit(viewer: Viewer) -> None:
    viewer.limit(1)
    headers = ticket_of(viewer)
    assert start(viewer, headers, deviceId="tv").status_code == 201
    assert start(viewer, headers, deviceId="phone").status_code == 409


def test_a_dry_run_by_a_used_ticket_is_refused(viewer: Viewer) -> None:
    headers = ticket_of(viewer)
    start(viewer, headers, deviceId="tv").raise_for_status()
    viewer.end("tv").raise_for_status()

    response = viewer.api.post(
        "/me/streams?dryRun=true",
        json={"streamId": "film", "deviceId": "tv"},
        headers=headers,
    )
    assert response.status_code == 410


def test_a_repeat_is_not_recorded_as_another_admission(
    viewer: Viewer, events_on: None, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = ticket_of(viewer)
    for _ in range(2):
        start(viewer, headers, deviceId="tv").raise_for_status()

    assert [event["kind"] for event in written_events(capsys)] == ["admitted"]


# --- what a ticket fixes ------------------------------------------------------------


def test_a_ticket_for_a_content_starts_no_other(viewer: Viewer) -> None:
    headers = ticket_of(viewer, streamId="film")
    assert start(viewer, headers, "news").status_code == 403
    assert start(viewer, headers, "film").status_code == 201


def test_the_attributes_of_a_ticket_replace_those_of_the_player(
    viewer: Viewer,
) -> None:
    attributes = {"deviceType": "tv", "deviceId": "box", "metadata.genre": "news"}
    headers = ticket_of(viewer, attributes=attributes)
    sent = {"genre": "sports", "match": 17}
    stream = start(
        viewer, headers, deviceType="phone", deviceId="phone", metadata=sent
    ).json()

    assert stream["id"] == "box"
    assert stream["deviceType"] == "tv"
    assert stream["metadata"] == {"genre": "news", "match": 17}


def test_the_plan_of_a_ticket_applies_to_its_starts(
    viewer: Viewer, settings: Any
) -> None:
    single = plans_of(name="single", limit=1).default
    settings.PLANS = changed(plans_of(), named={"single": single})
    headers = ticket_of(viewer, plan="single")

    assert start(viewer, headers, deviceId="tv").status_code == 201
    denial = start(viewer, headers, deviceId="phone")
    assert denial.status_code == 409
    assert denial.json()["plan"] == "single"


def test_a_ticket_grants_what_the_viewers_bearer_token_grants(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entitlement = Entitlement(limit=1)
    with monkeypatch.context() as patch:
        caller(patch, user_id=viewer.user_id, entitlement=entitlement)
        headers = ticket_of(viewer)

    assert start(viewer, headers, deviceId="tv").status_code == 201
    assert start(viewer, headers, deviceId="phone").status_code == 409


@pytest.mark.parametrize(
    "fields", [{"plan": "default"}, {"attributes": {"deviceType": "tv"}}], ids=str
)
@pytest.mark.parametrize(
    ("scopes", "status"),
    [((), 403), ((ADMIN,), 403), ((OPERATE,), 201)],
    ids=["viewer", "administrator", "operator"],
)
def test_only_operators_set_plan_and_attributes(
    viewer: Viewer,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    scopes: tuple[str, ...],
    status: int,
) -> None:
    caller(monkeypatch, user_id=viewer.user_id, scopes=frozenset(scopes))
    url = f"/users/{viewer.user_id}/tickets"
    assert viewer.api.post(url, json=fields).status_code == status


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"seconds": 4}, "seconds"),
        ({"seconds": 301}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"streamId": True}, "streamId"),
        ({"plan": "unknown"}, "plan"),
        ({"attributes": []}, "attributes"),
        ({"attributes": {"network": "home"}}, "attributes"),
        ({"attributes": {"deviceId": "a b"}}, "attributes"),
        ({"attributes": {"deviceType": ""}}, "attributes"),
        ({"attributes": {"deviceType": "x" * 33}}, "attributes"),
        ({"attributes": {"metadata.a b": "x"}}, "attributes"),
        ({"attributes": {"metadata.genre": ["x"]}}, "attributes"),
        ({"unknown": 1}, "unknown"),
        ({"streamId": "x" * 256}, "ticket"),
    ],
    ids=str,
)
def test_an_invalid_request_names_the_field(
    viewer: Viewer, fields: dict[str, Any], error: str
) -> None:
    response = viewer.api.post(f"/users/{viewer.user_id}/tickets", json=fields)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [error]


def test_an_invalid_attribute_is_found_after_many_valid_ones(viewer: Viewer) -> None:
    valid = {f"metadata.{n}": n for n in range(30)}
    response = viewer.api.post(
        f"/users/{viewer.user_id}/tickets",
        json={"attributes": valid | {"deviceType": ["tv"]}},
    )
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["attributes"]


def test_an_attribute_of_null_is_not_given(viewer: Viewer) -> None:
    headers = ticket_of(viewer, attributes={"deviceType": None})
    stream = start(viewer, headers, deviceType="phone").json()
    assert stream["deviceType"] == "phone"


def test_a_viewers_unknown_fields_are_ignored(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(monkeypatch, user_id=viewer.user_id)
    response = viewer.api.post("/me/tickets", json={"unknown": 1, "seconds": None})
    assert response.status_code == 201


def test_a_ticket_start_during_an_outage_gets_a_grace_lease_of_its_epoch(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "open"
    headers = ticket_of(viewer)

    def fail(*arguments: Any) -> NoReturn:
        raise StoreDown("silent")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "send", fail)
        playing = start(viewer, headers, deviceId="tv").json()

    assert playing["isGrace"]
    renewed = viewer.heartbeat("tv", playing["token"]).json()
    assert not renewed["isGrace"]
    assert renewed["epoch"] == playing["epoch"]

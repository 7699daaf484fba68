"""Lists of streams and single streams over HTTP."""

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from streams.serializers import iso
from tests.http.viewers import ids_of
from tests.viewer import Viewer


def test_reading_an_expired_stream_says_that_it_ended(viewer: Viewer) -> None:
    viewer.crashed("tv")
    gone = viewer.read("tv")
    assert gone.status_code == 410
    assert gone.json()["reason"] == "expired"


@pytest.mark.parametrize("verb", ["read", "end"])
def test_an_unknown_stream_is_not_found(viewer: Viewer, verb: str) -> None:
    response = getattr(viewer, verb)("nobody")
    assert response.status_code == 404
    assert response.json()["type"] == "stream-not-found"


def test_a_stream_reads_as_it_was_started_without_its_token(viewer: Viewer) -> None:
    started = viewer.started("456", deviceId="tv")
    read = viewer.read("tv").json()
    for changing in ("leaseSeconds", "heartbeatSeconds"):
        del started[changing], read[changing]
    del started["token"], started["isGrace"]

    assert read == started


def test_the_list_has_the_free_slots_and_expires_with_the_first_lease(
    viewer: Viewer,
) -> None:
    viewer.started("1", deviceId="tv")
    viewer.started("2", deviceId="phone")
    response = viewer.api.get(viewer.url)
    body = response.json()

    assert body["userId"] == viewer.user_id
    assert body["limit"] == 3
    assert body["active"] == 2
    assert body["available"] == 1
    assert ids_of(body) == ["tv", "phone"]

    left = parsedate_to_datetime(response.headers["Expires"]) - parsedate_to_datetime(
        response.headers["Date"]
    )

    assert 55 <= left.total_seconds() <= 60


def test_every_slot_of_an_unknown_user_is_free(viewer: Viewer) -> None:
    free = {
        "plan": "default",
        "limit": 3,
        "active": 0,
        "available": 3,
        "streams": [],
        "ended": [],
    }
    assert viewer.list() == {"userId": viewer.user_id, **free}


def test_a_health_check_names_the_version(api: httpx.Client, settings: Any) -> None:
    settings.RELEASE_VERSION = "2.1.0+4f1c2a9b7d3e"
    assert api.get("/healthz").json() == {
        "status": "ok",
        "version": "2.1.0+4f1c2a9b7d3e",
    }


def test_a_readiness_check_succeeds(api: httpx.Client) -> None:
    assert api.get("/readyz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["", "/tv", "/tv/heartbeat"])
def test_a_trailing_slash_is_accepted(viewer: Viewer, path: str) -> None:
    token = viewer.started("456", deviceId="tv")["token"]
    body = {"token": token} if path.endswith("heartbeat") else None
    method = "POST" if body else "GET"

    assert (
        viewer.api.request(method, f"{viewer.url}{path}/", json=body).status_code == 200
    )


def test_answers_are_not_cached(viewer: Viewer) -> None:
    assert viewer.api.get(viewer.url).headers["Cache-Control"] == "no-store"


def test_an_id_may_contain_every_documented_character(api: httpx.Client) -> None:
    viewer = Viewer(api, "Az09._~:@|-")
    stream = viewer.started("456", deviceId="Az09._~:@|-")
    location = api.put(f"{viewer.url}/Az09._~:@|-", json={"streamId": "457"}).headers[
        "Location"
    ]

    assert api.get(location).json()["id"] == stream["id"]
    assert viewer.end(stream["id"]).status_code == 204


def test_text_is_stored_as_it_was_sent(viewer: Viewer) -> None:
    stream = viewer.started(" 4 5 6 ", title="Amélie 🎬 — <b>ñ</b>")
    assert stream["streamId"] == " 4 5 6 "
    assert stream["title"] == "Amélie 🎬 — <b>ñ</b>"


@pytest.mark.parametrize("id", ["streams", "limit", "heartbeat", "users", "healthz"])
def test_a_stream_id_may_equal_a_segment_of_the_path(viewer: Viewer, id: str) -> None:
    started = viewer.api.put(f"{viewer.url}/{id}", json={"streamId": "456"})

    assert started.status_code == 201
    assert viewer.read(id).json()["id"] == id
    assert viewer.heartbeat(id, started.json()["token"]).status_code == 200
    assert viewer.end(id).status_code == 204
    assert viewer.list()["active"] == 0


def test_the_list_has_the_latest_endings_with_their_reasons(viewer: Viewer) -> None:
    ghost = viewer.crashed("ghost")
    viewer.started(deviceId="tv")
    viewer.started(deviceId="web", replace=["tv"])
    viewer.end("web")
    ended = viewer.list()["ended"]

    assert [
        (stream["id"], stream["reason"], stream["endedBy"]) for stream in ended
    ] == [
        ("web", "stopped", None),
        ("tv", "replaced", "web"),
        ("ghost", "expired", None),
    ]
    assert ended[-1]["endedAt"] == iso(ghost.expires_at)
    assert [stream["endedAt"] for stream in ended] == sorted(
        (stream["endedAt"] for stream in ended), reverse=True
    )

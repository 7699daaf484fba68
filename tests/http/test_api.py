"""The API over HTTP, as a player sees it."""

from email.utils import parsedate_to_datetime

import httpx
import pytest

from streams import tokens
from streams.serializers import iso
from tests.viewer import Viewer


def test_the_seeds_own_request_is_admitted_three_times_and_then_denied(
    viewer: Viewer,
) -> None:
    statuses = [viewer.start("456").status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 409]


def test_a_start_answers_with_the_stream_its_token_and_its_place(
    viewer: Viewer,
) -> None:
    response = viewer.start(
        "456",
        deviceId="tv-1",
        deviceName="Living room",
        deviceType="tv",
        title="The Great Escape",
    )
    body = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"{viewer.url}/tv-1"
    assert {
        name: body[name]
        for name in ("id", "userId", "streamId", "deviceId", "deviceName", "title")
    } == {
        "id": "tv-1",
        "userId": viewer.user_id,
        "streamId": "456",
        "deviceId": "tv-1",
        "deviceName": "Living room",
        "title": "The Great Escape",
    }
    assert body["leaseSeconds"] == 60
    assert 18 <= body["heartbeatSeconds"] <= 20
    left = parsedate_to_datetime(response.headers["Expires"]) - parsedate_to_datetime(
        response.headers["Date"]
    )
    assert left.total_seconds() == 60
    assert (
        tokens.verify(body["token"], user_id=viewer.user_id, id="tv-1").hold.epoch
        == body["epoch"]
    )


def test_a_start_by_put_takes_the_id_of_the_url(viewer: Viewer) -> None:
    url = f"{viewer.url}/kitchen"
    first = viewer.api.put(url, json={"streamId": "456"})
    again = viewer.api.put(url, json={"streamId": "457", "deviceId": "other"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == "kitchen"
    assert viewer.list()["active"] == 1


def test_the_same_device_starting_again_keeps_its_one_slot(viewer: Viewer) -> None:
    first = viewer.started("456", deviceId="tv")
    again = viewer.start("457", deviceId="tv")
    assert again.status_code == 200
    assert again.json()["epoch"] > first["epoch"]
    assert [stream["streamId"] for stream in viewer.list()["streams"]] == ["457"]


@pytest.mark.parametrize("key", ["b7c1-retry", '"b7c1-retry"'])
def test_a_retry_with_the_same_idempotency_key_keeps_its_one_slot(
    viewer: Viewer, key: str
) -> None:
    for _ in range(3):
        response = viewer.api.post(
            viewer.url, json={"streamId": "456"}, headers={"Idempotency-Key": key}
        )
    assert response.status_code == 200
    assert viewer.list()["active"] == 1


def test_the_device_goes_before_the_idempotency_key(viewer: Viewer) -> None:
    response = viewer.api.post(
        viewer.url,
        json={"streamId": "456", "deviceId": "tv"},
        headers={"Idempotency-Key": "k1"},
    )
    assert response.json()["id"] == "tv"


def test_without_an_identity_every_start_takes_a_slot(viewer: Viewer) -> None:
    assert viewer.started("456")["id"] != viewer.started("456")["id"]
    assert viewer.list()["active"] == 2


def test_a_denial_lists_who_holds_the_slots_and_when_one_may_free(
    viewer: Viewer,
) -> None:
    for device in ("tv", "phone", "web"):
        viewer.started("456", deviceId=device, deviceName=f"Ana's {device}")
    response = viewer.start("789")
    body = response.json()
    assert response.status_code == 409
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (body["type"], body["limit"]) == ("stream-limit-reached", 3)
    assert [stream["deviceName"] for stream in body["streams"]] == [
        "Ana's tv",
        "Ana's phone",
        "Ana's web",
    ]
    assert not any("token" in stream for stream in body["streams"])
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_a_viewer_picks_a_stream_to_replace_and_its_player_learns_it(
    viewer: Viewer,
) -> None:
    tv = viewer.started("1", deviceId="tv")
    viewer.started("2", deviceId="phone")
    viewer.started("3", deviceId="web")
    assert viewer.start("4", deviceId="car", replace=["tv"]).status_code == 201
    assert viewer.start("4", deviceId="car", replace=["tv"]).status_code == 200
    ended = viewer.heartbeat("tv", tv["token"])
    assert ended.status_code == 410
    assert {name: ended.json()[name] for name in ("type", "reason", "endedBy")} == {
        "type": "stream-ended",
        "reason": "replaced",
        "endedBy": "car",
    }
    assert [stream["id"] for stream in viewer.list()["streams"]] == [
        "phone",
        "web",
        "car",
    ]


def test_evict_oldest_lets_the_newest_play(viewer: Viewer) -> None:
    viewer.api.put(
        f"/users/{viewer.user_id}/limit", json={"limit": 2, "whenFull": "evict-oldest"}
    )
    first = viewer.started("1", deviceId="tv")
    viewer.started("2", deviceId="phone")
    assert viewer.start("3", deviceId="web").status_code == 201
    assert viewer.heartbeat("tv", first["token"]).json()["reason"] == "evicted"


def test_a_heartbeat_renews_with_a_new_token(viewer: Viewer) -> None:
    stream = viewer.started("456")
    response = viewer.heartbeat(stream["id"], stream["token"])
    body = response.json()
    assert response.status_code == 200
    assert body["expiresAt"] >= stream["expiresAt"]
    assert body["leaseSeconds"] == 60
    assert viewer.heartbeat(stream["id"], body["token"]).status_code == 200


def test_a_heartbeat_succeeds_at_the_limit_and_over_a_lowered_one(
    viewer: Viewer,
) -> None:
    streams = [viewer.started("456") for _ in range(3)]
    viewer.limit(1)
    assert [viewer.heartbeat(s["id"], s["token"]).status_code for s in streams] == [
        200,
        200,
        200,
    ]
    assert viewer.list()["available"] == 0


def test_a_player_whose_device_started_elsewhere_is_fenced_off(viewer: Viewer) -> None:
    old = viewer.started("456", deviceId="tv")
    new = viewer.started("457", deviceId="tv")
    refused = viewer.heartbeat("tv", old["token"])
    assert (refused.status_code, refused.json()["reason"]) == (410, "taken-over")
    assert viewer.stop("tv", old["token"]).status_code == 410
    assert viewer.heartbeat("tv", new["token"]).status_code == 200


def test_a_stop_frees_the_slot_and_may_be_repeated(viewer: Viewer) -> None:
    stream = viewer.started("456")
    assert [
        viewer.stop(stream["id"], stream["token"]).status_code for _ in range(2)
    ] == [204, 204]
    assert viewer.list()["active"] == 0
    gone = viewer.read(stream["id"])
    assert (gone.status_code, gone.json()["reason"], gone.json()["endedBy"]) == (
        410,
        "stopped",
        None,
    )


def test_a_stop_with_its_token_stops(viewer: Viewer) -> None:
    stream = viewer.started("456")
    assert viewer.stop(stream["id"], stream["token"]).status_code == 204
    assert viewer.list()["active"] == 0


def test_a_crashed_player_frees_its_slot_after_its_lease(viewer: Viewer) -> None:
    for id in ("a", "b", "c"):
        viewer.crashed(id)
    assert viewer.list()["available"] == 3
    assert viewer.start("456").status_code == 201


def test_a_late_heartbeat_is_revived_while_its_slot_is_free(viewer: Viewer) -> None:
    token = tokens.issue(viewer.user_id, viewer.crashed("tv"))
    assert viewer.heartbeat("tv", token).status_code == 200
    assert viewer.list()["active"] == 1


def test_a_late_heartbeat_finds_its_slot_taken(viewer: Viewer) -> None:
    token = tokens.issue(viewer.user_id, viewer.crashed("tv"))
    for _ in range(3):
        viewer.started("456")
    response = viewer.heartbeat("tv", token)
    assert (response.status_code, response.json()["reason"]) == (410, "expired")


def test_an_expired_stream_reads_as_ended(viewer: Viewer) -> None:
    viewer.crashed("tv")
    gone = viewer.read("tv")
    assert (gone.status_code, gone.json()["reason"]) == (410, "expired")


@pytest.mark.parametrize("verb", ["read", "end"])
def test_a_stream_nobody_knows_is_not_found(viewer: Viewer, verb: str) -> None:
    response = getattr(viewer, verb)("nobody")
    assert (response.status_code, response.json()["type"]) == (404, "stream-not-found")


def test_one_stream_reads_like_it_was_started_but_for_its_token(viewer: Viewer) -> None:
    started = viewer.started("456", deviceId="tv")
    read = viewer.read("tv").json()
    for changing in ("leaseSeconds", "heartbeatSeconds"):
        del started[changing], read[changing]
    del started["token"], started["isGrace"]
    assert read == started


def test_the_list_says_what_is_left_and_when_the_first_lease_ends(
    viewer: Viewer,
) -> None:
    viewer.started("1", deviceId="tv")
    viewer.started("2", deviceId="phone")
    response = viewer.api.get(viewer.url)
    body = response.json()
    assert (body["userId"], body["limit"], body["active"], body["available"]) == (
        viewer.user_id,
        3,
        2,
        1,
    )
    assert [stream["id"] for stream in body["streams"]] == ["tv", "phone"]
    left = parsedate_to_datetime(response.headers["Expires"]) - parsedate_to_datetime(
        response.headers["Date"]
    )
    assert 55 <= left.total_seconds() <= 60


def test_a_user_nobody_knows_has_every_slot_free(viewer: Viewer) -> None:
    free = {
        "plan": "default",
        "limit": 3,
        "active": 0,
        "available": 3,
        "streams": [],
        "ended": [],
    }
    assert viewer.list() == {"userId": viewer.user_id, **free}


def test_an_operator_sets_reads_and_clears_a_limit(viewer: Viewer) -> None:
    url = f"/users/{viewer.user_id}/limit"
    user = {"userId": viewer.user_id, "plan": "default"}
    default = {**user, "limit": 3, "whenFull": "deny", "isDefault": True}
    own = {**user, "limit": 5, "whenFull": "evict-oldest", "isDefault": False}
    assert viewer.api.get(url).json() == default
    assert (
        viewer.api.put(url, json={"limit": 5, "whenFull": "evict-oldest"}).json() == own
    )
    assert viewer.api.get(url).json() == own
    assert [viewer.api.delete(url).status_code for _ in range(2)] == [204, 204]
    assert viewer.api.get(url).json() == default


def test_a_limit_without_when_full_denies(viewer: Viewer) -> None:
    assert (
        viewer.api.put(f"/users/{viewer.user_id}/limit", json={"limit": 1}).json()[
            "whenFull"
        ]
        == "deny"
    )


def test_a_whole_number_is_a_limit_however_json_writes_it(viewer: Viewer) -> None:
    assert (
        viewer.api.put(f"/users/{viewer.user_id}/limit", json={"limit": 4.0}).json()[
            "limit"
        ]
        == 4
    )


def test_a_limit_of_zero_denies_without_naming_a_wait(viewer: Viewer) -> None:
    viewer.limit(0)
    response = viewer.start("456")
    assert (response.status_code, response.json()["streams"]) == (409, [])
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("path", ["healthz", "readyz"])
def test_the_service_says_that_it_is_well(api: httpx.Client, path: str) -> None:
    assert api.get(f"/{path}").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["", "/tv", "/tv/heartbeat"])
def test_a_trailing_slash_is_accepted(viewer: Viewer, path: str) -> None:
    token = viewer.started("456", deviceId="tv")["token"]
    body = {"token": token} if path.endswith("heartbeat") else None
    method = "POST" if body else "GET"
    assert (
        viewer.api.request(method, f"{viewer.url}{path}/", json=body).status_code == 200
    )


def test_answers_are_never_cached(viewer: Viewer) -> None:
    assert viewer.api.get(viewer.url).headers["Cache-Control"] == "no-store"


def test_ids_may_hold_every_character_of_the_contract(api: httpx.Client) -> None:
    viewer = Viewer(api, "Az09._~:@|-")
    stream = viewer.started("456", deviceId="Az09._~:@|-")
    location = api.put(f"{viewer.url}/Az09._~:@|-", json={"streamId": "457"}).headers[
        "Location"
    ]
    assert api.get(location).json()["id"] == stream["id"]
    assert viewer.end(stream["id"]).status_code == 204


def test_text_is_kept_as_it_was_sent(viewer: Viewer) -> None:
    stream = viewer.started(" 4 5 6 ", title="Amélie 🎬 — <b>ñ</b>")
    assert (stream["streamId"], stream["title"]) == (" 4 5 6 ", "Amélie 🎬 — <b>ñ</b>")


@pytest.mark.parametrize("id", ["streams", "limit", "heartbeat", "users", "healthz"])
def test_a_stream_may_be_named_like_a_part_of_the_path(viewer: Viewer, id: str) -> None:
    started = viewer.api.put(f"{viewer.url}/{id}", json={"streamId": "456"})
    assert started.status_code == 201
    assert viewer.read(id).json()["id"] == id
    assert viewer.heartbeat(id, started.json()["token"]).status_code == 200
    assert viewer.end(id).status_code == 204
    assert viewer.list()["active"] == 0


def test_a_list_has_the_last_streams_that_are_over_and_why(viewer: Viewer) -> None:
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

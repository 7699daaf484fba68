"""Heartbeats, stops and leases over HTTP, as a player sees them."""

from streams import tokens
from tests.viewer import Viewer


def test_a_heartbeat_renews_with_a_new_token(viewer: Viewer) -> None:
    stream = viewer.started("456")
    response = viewer.heartbeat(stream["id"], stream["token"])
    body = response.json()

    assert response.status_code == 200
    assert body["expiresAt"] >= stream["expiresAt"]
    assert body["leaseSeconds"] == 60
    assert viewer.heartbeat(stream["id"], body["token"]).status_code == 200


def test_a_heartbeat_succeeds_at_the_limit_and_above_a_lowered_limit(
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


def test_a_takeover_fences_off_the_earlier_player(viewer: Viewer) -> None:
    old = viewer.started("456", deviceId="tv")
    new = viewer.started("457", deviceId="tv")
    refused = viewer.heartbeat("tv", old["token"])

    assert refused.status_code == 410
    assert refused.json()["reason"] == "taken-over"
    assert viewer.stop("tv", old["token"]).status_code == 410
    assert viewer.heartbeat("tv", new["token"]).status_code == 200


def test_a_stop_frees_the_slot_and_is_idempotent(viewer: Viewer) -> None:
    stream = viewer.started("456")

    assert [
        viewer.stop(stream["id"], stream["token"]).status_code for _ in range(2)
    ] == [204, 204]
    assert viewer.list()["active"] == 0

    gone = viewer.read(stream["id"])

    assert gone.status_code == 410
    assert gone.json()["reason"] == "stopped"
    assert gone.json()["endedBy"] is None


def test_a_player_stops_its_stream_with_its_token(viewer: Viewer) -> None:
    stream = viewer.started("456")
    assert viewer.stop(stream["id"], stream["token"]).status_code == 204
    assert viewer.list()["active"] == 0


def test_the_slot_of_a_crashed_player_is_free_after_its_lease(viewer: Viewer) -> None:
    for id in ("a", "b", "c"):
        viewer.crashed(id)
    assert viewer.list()["available"] == 3
    assert viewer.start("456").status_code == 201


def test_a_late_heartbeat_revives_a_stream_whose_slot_is_free(viewer: Viewer) -> None:
    token = tokens.issue(viewer.user_id, viewer.crashed("tv"))
    assert viewer.heartbeat("tv", token).status_code == 200
    assert viewer.list()["active"] == 1


def test_a_late_heartbeat_fails_if_its_slot_is_taken(viewer: Viewer) -> None:
    token = tokens.issue(viewer.user_id, viewer.crashed("tv"))
    for _ in range(3):
        viewer.started("456")
    response = viewer.heartbeat("tv", token)

    assert response.status_code == 410
    assert response.json()["reason"] == "expired"

"""A player continues with a token that another release has signed."""

from typing import Any

import pytest
from django.core.signing import Signer

from streams import tokens
from streams.conf import settings
from tests.viewer import Viewer


def signed_again(token: str, **changes: Any) -> str:
    """Return a token with another pace, or with more elements."""
    signer = Signer(key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT)
    user_id, id, epoch, expires_at, stream_id, pace = signer.unsign_object(token)
    pace = changes.get("pace", pace)
    more = changes.get("more", [])
    content = [user_id, id, epoch, expires_at, stream_id, pace, *more]
    return signer.sign_object(content)


ADDITIONS: dict[str, dict[str, Any]] = {
    "an element": {"more": [{"region": "eu"}]},
    "two elements": {"more": [None, [1, 2]]},
    "a pace as text": {"pace": "relaxed"},
    "a pace as an object": {"pace": {"leaseMs": 300_000}},
    "a pace of one number": {"pace": [300_000]},
    "a pace with a fraction": {"pace": [0.5, 1]},
}


@pytest.mark.parametrize("changes", ADDITIONS.values(), ids=ADDITIONS)
def test_a_player_with_a_longer_token_renews_pauses_and_stops(
    viewer: Viewer, changes: dict[str, Any]
) -> None:
    tv = viewer.started(deviceId="tv")

    renewed = viewer.heartbeat("tv", signed_again(tv["token"], **changes))
    assert renewed.status_code == 200, renewed.text
    assert 59 < renewed.json()["leaseSeconds"] <= 60

    token = signed_again(renewed.json()["token"], **changes)
    body = {"token": token, "state": "paused"}
    paused = viewer.api.post(f"{viewer.url}/tv/heartbeat", json=body)
    assert paused.json()["state"] == "paused"

    token = signed_again(paused.json()["token"], **changes)
    assert viewer.stop("tv", token).status_code == 204


def test_a_token_in_a_form_that_is_not_known_names_the_field(viewer: Viewer) -> None:
    viewer.started(deviceId="tv")
    signer = Signer(key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT)
    token = signer.sign_object({"version": 3, "user": viewer.user_id, "id": "tv"})

    for answer in (viewer.heartbeat("tv", token), viewer.stop("tv", token)):
        assert answer.status_code == 400
        assert "start the stream again" in answer.json()["errors"]["token"][0]

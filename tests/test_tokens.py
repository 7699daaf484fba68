"""Lease tokens."""

from typing import Any

import jwt
import pytest
from django.conf import settings

from streams import tokens
from streams.rules import Lease

LEASE = Lease(id="tv", stream_id="film", started_at=0, expires_at=1_800_000_060_000, epoch=7)
KEY_ID = jwt.get_unverified_header(tokens.issue("ana", LEASE))["kid"]


def test_a_token_stands_for_the_epoch_of_its_lease() -> None:
    assert tokens.verify(tokens.issue("ana", LEASE), user_id="ana", id="tv") == 7


def test_anyone_with_the_key_can_check_a_token_without_asking_the_service() -> None:
    claims = jwt.decode(
        tokens.issue("ana", LEASE), settings.LEASE_TOKEN_KEYS[0], algorithms=["HS256"], options={"verify_exp": False}
    )
    grace = settings.LEASE_SECONDS // 3
    assert claims == {"sub": "ana", "jti": "tv", "epoch": 7, "exp": 1_800_000_060 + grace}


@pytest.mark.parametrize(("user_id", "id"), [("bob", "tv"), ("ana", "phone")])
def test_a_token_of_another_user_or_stream_is_refused(user_id: str, id: str) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(tokens.issue("ana", LEASE), user_id=user_id, id=id)


def test_keys_rotate_without_ending_live_streams(settings: Any) -> None:
    token, old = tokens.issue("ana", LEASE), settings.LEASE_TOKEN_KEYS[0]
    settings.LEASE_TOKEN_KEYS = ["n" * 48, old]
    assert tokens.verify(token, user_id="ana", id="tv") == 7
    settings.LEASE_TOKEN_KEYS = ["n" * 48]
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(token, user_id="ana", id="tv")


def forged(**header: str) -> str:
    return jwt.encode({"sub": "ana", "jti": "tv", "epoch": 7}, "x" * 32, algorithm="HS256", headers=header)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a.b.c",
        "ä.b.c",
        tokens.issue("ana", LEASE) + "=",
        tokens.issue("ana", LEASE).partition(".")[2],
        forged(),
        forged(kid="unknown"),
        forged(kid=KEY_ID),
        jwt.encode({"sub": "ana", "jti": "tv", "epoch": 7}, "", algorithm="none", headers={"kid": "x"}),
        jwt.encode(
            {"sub": "ana", "jti": "tv", "epoch": 7},
            None,
            algorithm="none",
            headers={"kid": KEY_ID},
        ),
        jwt.encode(
            {"sub": "ana", "jti": "tv", "epoch": "7"},
            settings.LEASE_TOKEN_KEYS[0],
            headers={"kid": KEY_ID},
        ),
        jwt.encode(
            {"sub": "ana", "jti": "tv"}, settings.LEASE_TOKEN_KEYS[0], headers={"kid": KEY_ID}
        ),
    ],
    ids=[
        "empty", "no token", "not base64", "not ASCII", "padded", "no header", "no key id", "unknown key",
        "another's key", "unsigned, unknown key", "unsigned", "epoch as text", "no epoch",
    ],
)  # fmt: skip
def test_what_is_not_our_token_is_refused(token: str) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(token, user_id="ana", id="tv")

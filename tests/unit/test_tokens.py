"""The tokens of players."""

from dataclasses import replace
from typing import Any

import pytest
from django.core.signing import Signer

from streams import tokens
from streams.conf import settings
from streams.errors import InvalidToken
from streams.fields import MAX_KEY_BYTES
from streams.rules import Entitlement, Hold, Lease, StartRequest
from streams.serializers import MAX_TOKEN_CHARACTERS

LEASE = Lease(
    id="tv",
    stream_id="film",
    started_at=0,
    expires_at=1_800_000_060_000,
    epoch=7,
)


REQUEST = StartRequest(id="tv", stream_id="film", epoch=7, nonce="")
CLAIMS = tokens.TokenClaims("ana", REQUEST, LEASE.expires_at)


@pytest.mark.parametrize("user_id", ["ana", None], ids=["its user", "any user"])
def test_a_token_names_its_user_and_its_playback(
    user_id: str | None,
) -> None:
    assert tokens.verify(tokens.issue("ana", LEASE), user_id=user_id, id="tv") == CLAIMS


def test_the_token_of_the_previous_release_is_valid() -> None:
    token = Signer(key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT).sign_object(
        ["ana", "tv", 7, LEASE.expires_at]
    )
    assert tokens.verify(token, user_id="ana", id="tv").hold == CLAIMS.hold


def test_the_token_of_a_grace_lease_contains_its_start_without_replace() -> None:
    asked = replace(
        REQUEST,
        nonce="n",
        title="ü" * 64,
        metadata={"match": 17},
        entitlement=Entitlement(limit=2),
        replace={"phone": None},
    )
    play = tokens.verify(
        tokens.issue("ana", LEASE, grace=asked), user_id="ana", id="tv"
    )

    assert play.request == replace(asked, replace={}, is_grace=True)
    assert play.hold == Hold(epoch=7, expires_at=LEASE.expires_at, is_grace=True)


def test_a_heartbeat_accepts_the_longest_token_of_a_grace_lease() -> None:
    def text(size: int) -> str:
        return "".join(
            chr(0x10000 + number * 7919 % 60_000) for number in range(size // 4)
        )

    full: dict[str, Any] = {
        "device_name": text(64),
        "device_type": text(32),
        "title": text(128),
        "stream_id": text(256),
    }
    asked = replace(
        REQUEST,
        **full,
        id="i" * 128,
        device_id="i" * 128,
        metadata={"m": text(255)},
    )
    lease = replace(LEASE, id="i" * 128, stream_id=asked.stream_id)

    assert (
        len(tokens.issue(text(MAX_KEY_BYTES), lease, grace=asked))
        <= MAX_TOKEN_CHARACTERS
    )
    assert len(tokens.issue(text(MAX_KEY_BYTES), lease)) <= MAX_TOKEN_CHARACTERS


@pytest.mark.parametrize(("user_id", "id"), [("bob", "tv"), ("ana", "phone")])
def test_a_token_of_another_user_or_stream_is_refused(user_id: str, id: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify(tokens.issue("ana", LEASE), user_id=user_id, id=id)


def test_keys_rotate_without_ending_live_streams(settings: Any) -> None:
    token, old = (
        tokens.issue("ana", LEASE),
        settings.LEASE_TOKEN_KEYS[0],
    )
    settings.LEASE_TOKEN_KEYS = ["n" * 48, old]

    assert tokens.verify(token, user_id="ana", id="tv") == CLAIMS
    settings.LEASE_TOKEN_KEYS = ["n" * 48]
    with pytest.raises(InvalidToken):
        tokens.verify(token, user_id="ana", id="tv")


def signed(value: Any, **changes: Any) -> str:
    options = {
        "key": settings.LEASE_TOKEN_KEYS[0],
        "salt": tokens.SALT,
    } | changes
    return Signer(**options).sign_object(value)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a:b",
        "ä:b",
        tokens.issue("ana", LEASE) + "=",
        tokens.issue("ana", LEASE)[:-1],
        tokens.issue("ana", LEASE).partition(":")[0],
        signed(["ana", "tv", 7], key="x" * 48),
        signed(["ana", "tv", 7], salt="another purpose"),
    ],
    ids=[
        "empty",
        "no token",
        "not signed",
        "not ASCII",
        "padded",
        "cut short",
        "no signature",
        "another's key",
        "of another purpose",
    ],
)
def test_a_text_that_is_not_a_token_of_this_service_is_rejected(
    token: str,
) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify(token, user_id="ana", id="tv")

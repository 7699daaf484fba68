"""The tokens of players."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from django.core.signing import JSONSerializer, Signer

from streams import tokens
from streams.conf import settings
from streams.errors import InvalidToken
from streams.fields import MAX_KEY_BYTES
from streams.rules import (
    JUDGED_PACE,
    Entitlement,
    Hold,
    Lease,
    Pace,
    StartRequest,
)
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


# --- tokens of a later release ------------------------------------------------------

PACE = Pace(lease_ms=300_000, max_stored_leases=2)
ADDED: dict[str, Any] = {
    "a number": 3,
    "a text": "eu-west-1",
    "a flag": True,
    "null": None,
    "a list": [1, "b", None],
    "an object": {"region": "eu-west-1"},
    "an object that looks like a grace start": {"id": "phone", "is_grace": False},
}
GRACE = replace(
    REQUEST,
    nonce="n",
    metadata={"match": 17},
    entitlement=Entitlement(limit=2, plan="family"),
    is_grace=True,
)


@pytest.mark.parametrize(
    "content",
    [
        ["ana", "tv", 2**62, 1, 'a "film"\\', None],
        ["ana", "tv", 1, 1, "control \x00\x1f", Pace(60_000, 3)],
        ["日本", "tv", 1, 1, "a 🎬", None],
        ["ana", "tv", 1, 1, "", None, {"metadata": {"a": True, "b": 0.5}}],
    ],
    ids=["ASCII", "a pace", "other letters", "a grace start"],
)
def test_a_content_is_written_as_django_writes_it(content: list[Any]) -> None:
    assert tokens.CompactJSON().dumps(content) == JSONSerializer().dumps(content)


def test_a_content_in_utf_8_is_read() -> None:
    content = ["日本", "tv", 1, 1, "a 🎬", None]
    assert tokens.CompactJSON().loads(orjson.dumps(content)) == content


def content_of(token: str) -> list[Any]:
    """Return the signed content of a token."""
    content: list[Any] = Signer(
        key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT
    ).unsign_object(token)
    return content


def verify(content: Any) -> tokens.TokenClaims:
    """Sign a content as this service does, and verify the token."""
    return tokens.verify(signed(content), user_id="ana", id="tv")


@pytest.mark.parametrize("element", ADDED.values(), ids=ADDED)
def test_elements_that_this_release_does_not_know_are_ignored(element: Any) -> None:
    plain = content_of(tokens.issue("ana", replace(LEASE, pace=PACE)))

    assert verify([*plain, element]) == CLAIMS._replace(pace=PACE)
    assert verify([*plain, element, element]) == CLAIMS._replace(pace=PACE)


@pytest.mark.parametrize("element", ADDED.values(), ids=ADDED)
@pytest.mark.parametrize("position", [6, 7], ids=["before", "after"])
def test_a_grace_start_is_found_by_its_content(position: int, element: Any) -> None:
    content = content_of(tokens.issue("ana", LEASE, grace=GRACE))
    content.insert(position, element)

    assert verify(content).request == GRACE


def test_fields_of_a_grace_start_that_this_release_does_not_know_are_ignored() -> None:
    content = content_of(tokens.issue("ana", LEASE, grace=GRACE))
    content[6] |= {"region": "eu", "entitlement": [2, "family", "until"]}

    assert verify(content).request == GRACE


def test_a_pace_with_more_elements_is_read() -> None:
    content = ["ana", "tv", 7, LEASE.expires_at, "film", [*PACE, "more"]]
    assert verify(content).pace == PACE


@pytest.mark.parametrize(
    "pace", ["relaxed", {"lease_ms": 300_000}, [300_000], [], 0, [1.5, 2], [None, 2]]
)
def test_the_rule_determines_a_pace_that_this_release_cannot_read(pace: Any) -> None:
    content = ["ana", "tv", 7, LEASE.expires_at, "film", pace]
    assert verify(content).pace == JUDGED_PACE


def test_a_content_id_that_is_no_text_is_empty() -> None:
    claims = verify(["ana", "tv", 7, LEASE.expires_at, {"id": "film"}])
    assert claims.request.stream_id == ""


UNREADABLE: dict[str, Any] = {
    "an object": {"v": 2, "user": "ana", "id": "tv"},
    "a text": "ana tv 7",
    "a number": 7,
    "null": None,
    "an empty list": [],
    "a version first": [2, "ana", "tv", 7, LEASE.expires_at],
    "an epoch as text": ["ana", "tv", "7", LEASE.expires_at],
    "no expiry": ["ana", "tv", 7],
    "an expiry as text": ["ana", "tv", 7, "2027-01-01"],
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_signed_token_that_this_release_cannot_read_is_invalid(content: Any) -> None:
    with pytest.raises(InvalidToken):
        verify(content)


@pytest.mark.parametrize(
    "text", ["", ".", "v2", "v2.abc", ".AAAA", "e30", "gA", "bm8ganNvbg"]
)
def test_a_signed_text_that_is_no_object_is_invalid(text: str) -> None:
    signer = Signer(key=settings.LEASE_TOKEN_KEYS[0], salt=tokens.SALT)
    with pytest.raises(InvalidToken):
        tokens.verify(signer.sign(text), user_id="ana", id="tv")


GRACE_FAULTS: dict[str, dict[str, Any]] = {
    "the id of another stream": {"id": "phone"},
    "a content id as a number": {"stream_id": 7},
    "an epoch as text": {"epoch": "7"},
    "metadata as text": {"metadata": "match"},
    "metadata with a list": {"metadata": {"match": [17]}},
    "an entitlement as text": {"entitlement": "2"},
    "an entitlement as an object": {"entitlement": {"limit": 2}},
    "an entitlement with another limit": {"entitlement": ["two", None]},
    "an empty entitlement": {"entitlement": []},
}


@pytest.mark.parametrize("changes", GRACE_FAULTS.values(), ids=GRACE_FAULTS)
def test_a_grace_start_that_this_release_cannot_read_is_invalid(
    changes: dict[str, Any],
) -> None:
    """A start without its entitlement could be judged by a higher limit."""
    content = content_of(tokens.issue("ana", LEASE, grace=GRACE))
    content[6] |= changes

    with pytest.raises(InvalidToken):
        verify(content)


@pytest.mark.parametrize("field", ["id", "stream_id", "nonce", "epoch", "entitlement"])
def test_a_grace_start_that_lacks_a_field_is_invalid(field: str) -> None:
    content = content_of(tokens.issue("ana", LEASE, grace=GRACE))
    del content[6][field]

    with pytest.raises(InvalidToken):
        verify(content)


# --- grace leases -------------------------------------------------------------------


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

"""Tokens: a player's credential for the heartbeats and the stop of one stream.

Only this service reads them, and they contain no secret. `django.core.signing`
signs them with the first of `LEASE_TOKEN_KEYS` and verifies them with all keys.

Two releases serve the same players during a canary and after a roll-back. So a
token may contain more than this release writes: it ignores elements and fields
that it does not know.
"""

import zlib
from dataclasses import asdict, replace
from types import NoneType
from typing import Any, NamedTuple, override

import orjson
from django.core.signing import BadSignature, JSONSerializer

from streams.errors import InvalidToken
from streams.rules import (
    JUDGED_PACE,
    Entitlement,
    Hold,
    Lease,
    Pace,
    StartRequest,
)
from streams.signing import signer

SALT = "streams.token"

OPTIONAL_TEXT = (str, NoneType)
GRACE_TYPES: dict[str, Any] = {
    "id": str,
    "stream_id": str,
    "device_id": OPTIONAL_TEXT,
    "device_name": OPTIONAL_TEXT,
    "device_type": OPTIONAL_TEXT,
    "title": OPTIONAL_TEXT,
    "metadata": dict,
    "network": OPTIONAL_TEXT,
    "epoch": int,
    "nonce": str,
    "entitlement": list,
    "is_grace": bool,
}
"""Types of a grace lease's start in a token. `replace` is not in it."""
REQUIRED_IN_GRACE = {"id", "stream_id", "metadata", "epoch", "nonce"}
SCALARS = (str, int, float)


class CompactJSON(JSONSerializer):
    """The JSON of Django's signed objects, written and read by orjson.

    Text outside ASCII is escaped, as every release reads it.
    """

    @override
    def dumps(self, obj: Any) -> bytes:
        content = orjson.dumps(obj, default=list)  # a pace is a named tuple
        return content if content.isascii() else super().dumps(obj)

    @override
    def loads(self, data: bytes) -> Any:
        return orjson.loads(data)


class TokenClaims(NamedTuple):
    """The content of a verified token: one playback of a user's stream.

    `request` is the start. For a grace lease it is complete, because the start
    must still be judged; otherwise it has the id, the content and the epoch.
    `expires_at` (ms) is the end of the lease that the token was issued for.
    """

    user_id: str
    request: StartRequest
    expires_at: int
    pace: Pace | None = None

    @property
    def hold(self) -> Hold:
        """The claim to the playback, as the rule examines it."""
        return Hold(
            epoch=self.request.epoch,
            expires_at=self.expires_at,
            pace=self.pace,
            is_grace=self.request.is_grace,
        )


def issue(user_id: str, lease: Lease, *, grace: StartRequest | None = None) -> str:
    """Return the token of a lease.

    The token of a grace lease contains its start, without the streams that the
    start was to replace.
    """
    content: list[Any] = [
        user_id,
        lease.id,
        lease.epoch,
        lease.expires_at,
        lease.stream_id,
        lease.pace,
    ]
    if grace is not None:
        start = asdict(replace(grace, replace={}, is_grace=True))
        del start["network_aliases"]  # the release before this one cannot read it
        del start["is_by_ticket"]  # nor this: it is judged like any grace lease
        content.append(start)

    return signer(salt=SALT).sign_object(
        content, serializer=CompactJSON, compress=grace is not None
    )


def verify(token: str, *, user_id: str | None, id: str) -> TokenClaims:
    """Verify a token and return its claims.

    A token does not expire by itself. The store knows whether the lease is live
    and whether newer tokens have replaced this one.

    Raises:
        InvalidToken: the token belongs to another stream or, when `user_id` is
            given, to another user; the signature is wrong; or another release
            wrote it in a form that this one cannot read. The player starts again.
    """
    claims = _claims_in(_content_of(token))
    if claims.request.id != id or user_id not in (None, claims.user_id):
        raise InvalidToken
    return claims


def _content_of(token: str) -> Any:
    """Return the signed content of a token.

    Raises:
        InvalidToken: the signature is wrong, or the content is not JSON.
    """
    try:
        return signer(salt=SALT).unsign_object(token, serializer=CompactJSON)
    except (BadSignature, ValueError, zlib.error) as exc:
        raise InvalidToken from exc


def _claims_in(content: Any) -> TokenClaims:
    """Return the claims in a signed content.

    A grace lease's start is found by its content: other releases may write other
    elements before it.

    Raises:
        InvalidToken: another release wrote it in a form that this one cannot read.
    """
    match content:
        case [str(user_id), str(id), int(epoch), int(expires_at), *optional]:
            pass
        case _:
            raise InvalidToken

    # The release before last signed only the first four elements.
    stream_id, pace, *_ = [*optional, None, None]
    request = StartRequest(id=id, stream_id=_text_or_empty(stream_id), epoch=epoch)
    for element in optional:
        if isinstance(element, dict) and element.get("is_grace") is True:
            request = _grace_request(element)
            if request.id != id:
                raise InvalidToken

    return TokenClaims(
        user_id=user_id,
        request=request,
        expires_at=expires_at,
        pace=_pace(pace),
    )


def _text_or_empty(content: Any) -> str:
    return content if isinstance(content, str) else ""


def _pace(content: Any) -> Pace | None:
    """Return the pace in a token. The rule replaces one that this release cannot read.

    A later release may add elements to it.
    """
    match content:
        case None:
            return None
        case [int(lease_ms), int(max_stored_leases), *_]:
            return Pace(lease_ms, max_stored_leases)
    return JUDGED_PACE


def _grace_request(content: dict[str, Any]) -> StartRequest:
    """Return the start in a grace lease's token.

    Raises:
        InvalidToken: a field is missing or has another type. Without it, the start
            could be judged by another limit.
    """
    fields = {name: content[name] for name in GRACE_TYPES if name in content}
    for name, value in fields.items():
        if not isinstance(value, GRACE_TYPES[name]):
            raise InvalidToken

    match content.get("entitlement"):
        case [int() | None as limit, str() | None as plan, *_]:
            fields["entitlement"] = Entitlement(limit, plan)
        case _:
            raise InvalidToken
    if REQUIRED_IN_GRACE - fields.keys():
        raise InvalidToken

    metadata = fields["metadata"].values()
    if not all(isinstance(value, SCALARS) for value in metadata):
        raise InvalidToken
    return StartRequest(**fields)

"""Tokens: a player's credential for the heartbeats and the stop of one stream.

Only this service reads them, and they contain no secret. `django.core.signing`
signs them with the first of `LEASE_TOKEN_KEYS` and verifies them with all keys.
"""

from dataclasses import asdict, replace
from typing import Any, NamedTuple

from django.core.signing import BadSignature, Signer

from streams.conf import settings
from streams.errors import InvalidToken
from streams.rules import Entitlement, Hold, Lease, Pace, StartRequest

SALT = "streams.token"


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
        start = replace(grace, replace={}, is_grace=True)
        content.append(asdict(start))

    return _signer().sign_object(content, compress=grace is not None)


def verify(token: str, *, user_id: str | None, id: str) -> TokenClaims:
    """Verify a token and return its claims.

    A token does not expire by itself. The store knows whether the lease is live
    and whether newer tokens have replaced this one.

    Raises:
        InvalidToken: the token belongs to another stream or, when `user_id` is
            given, to another user; or the signature is wrong.
    """
    try:
        content: Any = _signer().unsign_object(token)
    except BadSignature as exc:
        raise InvalidToken from exc

    token_user_id, token_id, epoch, expires_at, *optional = content
    # The release before last signed only the first four elements.
    stream_id, pace, *grace = optional or ("", None)

    if token_id != id or user_id not in (None, token_user_id):
        raise InvalidToken

    if grace:
        request = _grace_request(grace[0])
    else:
        request = StartRequest(id=id, stream_id=stream_id, epoch=epoch)
    return TokenClaims(
        user_id=token_user_id,
        request=request,
        expires_at=expires_at,
        pace=Pace(*pace) if pace else None,
    )


def _grace_request(fields: dict[str, Any]) -> StartRequest:
    entitlement = Entitlement(*fields["entitlement"])
    return StartRequest(**fields | {"entitlement": entitlement})


def _signer() -> Signer:
    signing_key, *fallback_keys = settings.LEASE_TOKEN_KEYS
    return Signer(key=signing_key, fallback_keys=[*fallback_keys], salt=SALT)

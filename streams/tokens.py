"""A player's token: the credential for the heartbeats and the stop of one stream. It is for this service only; nobody
else reads it, and nothing in it is a secret.

Signed by `django.core.signing`: the first of `LEASE_TOKEN_KEYS` signs, all verify."""

from dataclasses import asdict, replace
from typing import Any, NamedTuple

from django.conf import settings
from django.core.signing import BadSignature, Signer

from streams.errors import InvalidToken
from streams.rules import Entitlement, Hold, Lease, Pace, StartRequest

SALT = "streams.token"


class Play(NamedTuple):
    """What a token stands for: a playback of a user's stream, until `expires_at`. `request` is its start, all of it for
    a grace lease, which is still to be judged."""

    user_id: str
    request: StartRequest
    expires_at: int
    pace: Pace | None = None

    @property
    def hold(self) -> Hold:
        """As the rule has it."""
        is_grace = self.request.is_grace
        return Hold(
            epoch=self.request.epoch,
            expires_at=self.expires_at,
            pace=self.pace,
            is_grace=is_grace,
        )


def issue(user_id: str, lease: Lease, *, grace: StartRequest | None = None) -> str:
    """The token of a lease, and of the pace that it was given; of a grace lease, with all of its start but for the
    streams that it was to replace."""
    start = [] if grace is None else [asdict(replace(grace, replace={}, is_grace=True))]
    signed = [
        user_id,
        lease.id,
        lease.epoch,
        lease.expires_at,
        lease.stream_id,
        lease.pace,
        *start,
    ]
    return _signer().sign_object(signed, compress=grace is not None)


def verify(token: str, *, user_id: str | None, id: str) -> Play:
    """What a token of this stream stands for, or `InvalidToken`. Without a user it may be any user's.

    A token does not expire by itself: whether the lease still runs, and whether newer tokens have replaced this one, is
    the store's to say.
    """
    try:
        signed: Any = _signer().unsign_object(token)
    except BadSignature as exc:
        raise InvalidToken from exc
    of_user, of_id, epoch, expires_at, *more = signed
    stream_id, pace, *grace = more or (
        "",
        None,
    )  # a release before this one knew no more
    if of_id != id or user_id not in (None, of_user):
        raise InvalidToken
    request = StartRequest(id=id, stream_id=stream_id, epoch=epoch, nonce="")
    if grace:
        request = StartRequest(
            **grace[0] | {"entitlement": Entitlement(*grace[0]["entitlement"])}
        )
    return Play(of_user, request, expires_at, Pace(*pace) if pace else None)


def _signer() -> Signer:
    return Signer(
        key=settings.LEASE_TOKEN_KEYS[0],
        fallback_keys=[*settings.LEASE_TOKEN_KEYS[1:]],
        salt=SALT,
    )

"""A player's token: the credential for the heartbeats and the stop of one stream. It is for this service only; nobody
else reads it, and nothing in it is a secret.

Signed by `django.core.signing`: the first of `LEASE_TOKEN_KEYS` signs, all verify."""

from typing import Any, NamedTuple

from django.conf import settings
from django.core.signing import BadSignature, Signer

from streams.errors import InvalidToken
from streams.rules import Hold, Lease, Pace

SALT = "streams.token"


class Play(NamedTuple):
    """What a token stands for: a playback of a user's stream."""

    user_id: str
    id: str
    hold: Hold


def issue(user_id: str, lease: Lease) -> str:
    """The token of a lease, and of the pace that it was given."""
    return _signer().sign_object([user_id, lease.id, lease.epoch, lease.expires_at, *(lease.pace or ())])


def verify(token: str, *, user_id: str | None, id: str) -> Play:
    """What a token of this stream stands for, or `InvalidToken`. Without a user it may be any user's.

    A token does not expire by itself: whether the lease still runs, and whether newer tokens have replaced this one, is
    the store's to say.
    """
    try:
        signed: Any = _signer().unsign_object(token)
    except BadSignature as exc:
        raise InvalidToken from exc
    of_user, of_id, epoch, expires_at, *pace = signed
    if of_id != id or user_id not in (None, of_user):
        raise InvalidToken
    return Play(of_user, of_id, Hold(epoch=epoch, expires_at=expires_at, pace=Pace(*pace) if pace else None))


def _signer() -> Signer:
    return Signer(key=settings.LEASE_TOKEN_KEYS[0], fallback_keys=[*settings.LEASE_TOKEN_KEYS[1:]], salt=SALT)

"""A player's token: the credential for the heartbeats and the stop of one stream. It is for this service only; nobody
else reads it, and nothing in it is a secret.

Signed by `django.core.signing`: the first of `LEASE_TOKEN_KEYS` signs, all verify."""

from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, Signer

from streams.errors import InvalidToken
from streams.rules import Lease

SALT = "streams.token"


def issue(user_id: str, lease: Lease) -> str:
    """The token of a lease."""
    return _signer().sign_object([user_id, lease.id, lease.epoch])


def verify(token: str, *, user_id: str, id: str) -> int:
    """The epoch that a token of this user's stream stands for, or `InvalidToken`.

    A token does not expire: whether the lease still runs is the store's to say, and a late heartbeat may be revived.
    """
    try:
        signed: Any = _signer().unsign_object(token)
    except BadSignature as exc:
        raise InvalidToken from exc
    of_user, of_id, epoch = signed
    if (of_user, of_id) != (user_id, id):
        raise InvalidToken
    return int(epoch)


def _signer() -> Signer:
    return Signer(key=settings.LEASE_TOKEN_KEYS[0], fallback_keys=[*settings.LEASE_TOKEN_KEYS[1:]], salt=SALT)

"""Lease tokens: signed proof that a player holds a slot, which a CDN or licence server can check by itself.

A compact JWT (RFC 7519), HS256: `sub` the user, `jti` the stream's id, `epoch` the slot's epoch, `exp` the lease's
end plus a grace of one heartbeat (seconds). Its header's `kid` names the key."""

import hashlib

import jwt
from django.conf import settings

from streams.rules import Lease

ALGORITHM = "HS256"


class InvalidToken(Exception):
    """Not a lease token of this stream: not ours, altered, or another user's or stream's."""


def _key_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]


SIGNING_KEY = settings.LEASE_TOKEN_KEYS[0]
KEY_ID = _key_id(SIGNING_KEY)


def issue(user_id: str, lease: Lease) -> str:
    """The token of a lease."""
    claims = {
        "sub": user_id,
        "jti": lease.id,
        "epoch": lease.epoch,
        "exp": lease.expires_at // 1000 + settings.LEASE_SECONDS // 3,
    }
    return jwt.encode(claims, SIGNING_KEY, algorithm=ALGORITHM, headers={"kid": KEY_ID})


def verify(token: str, *, user_id: str, id: str) -> int:
    """The epoch a token of this user's stream stands for, or `InvalidToken`.

    `exp` is not looked at: whether the lease still runs is the store's to say, and a late heartbeat may be revived.
    """
    for key in settings.LEASE_TOKEN_KEYS:
        try:
            claims = jwt.decode(token, key, algorithms=[ALGORITHM], options={"verify_exp": False})
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError as exc:
            raise InvalidToken from exc
        epoch = claims.get("epoch")
        if claims.get("sub") == user_id and claims.get("jti") == id and type(epoch) is int:
            return epoch
        break
    raise InvalidToken

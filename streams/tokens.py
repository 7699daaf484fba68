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


_KEYS = {_key_id(key): key for key in settings.LEASE_TOKEN_KEYS}
_SIGNING_KEY_ID, _SIGNING_KEY = next(iter(_KEYS.items()))


def issue(user_id: str, lease: Lease) -> str:
    """The token of a lease."""
    claims = {
        "sub": user_id,
        "jti": lease.id,
        "epoch": lease.epoch,
        "exp": lease.expires_at // 1000 + settings.LEASE_SECONDS // 3,
    }
    return jwt.encode(claims, _SIGNING_KEY, algorithm=ALGORITHM, headers={"kid": _SIGNING_KEY_ID})


def verify(token: str, *, user_id: str, id: str) -> int:
    """The epoch a token of this user's stream stands for, or `InvalidToken`.

    `exp` is not looked at: whether the lease still runs is the store's to say, and a late heartbeat may be revived.
    """
    try:
        key = _KEYS[jwt.get_unverified_header(token).get("kid", "")]
        options: jwt.types.Options = {"verify_exp": False, "require": ["sub", "jti", "epoch"]}
        claims = jwt.decode(token, key, algorithms=[ALGORITHM], subject=user_id, options=options)
    except (jwt.InvalidTokenError, KeyError, TypeError) as exc:
        raise InvalidToken from exc
    if claims["jti"] != id or type(claims["epoch"]) is not int:
        raise InvalidToken
    return int(claims["epoch"])

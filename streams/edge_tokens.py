"""Edge tokens: short-lived JWTs (RFC 7519) that a CDN or a licence server verifies.

They say that a stream may play, and are verified offline. This service never
accepts one.
"""

import base64
import secrets
from typing import Any

import jwt
from django.utils.crypto import salted_hmac

from streams.conf import settings
from streams.networks import UNREADABLE
from streams.rules import Lease

SUBJECT_BYTES = 12


def issue(
    user_id: str, lease: Lease, *, now: int, network: str | None = None
) -> str | None:
    """Return the edge token of a lease.

    The token is valid until shortly after the next heartbeat is due, and never
    beyond the lease. If `network` is given, it is valid from that network only.
    Returns None if no keys are configured, while the stream is paused, and for a
    network that no edge can recognise.
    """
    if not settings.EDGE_TOKEN_KEYS or lease.paused_at or network == UNREADABLE:
        return None

    claims = {
        "iss": settings.EDGE_TOKEN_ISSUER,
        "aud": settings.EDGE_TOKEN_AUDIENCE,
        "sub": _subject(user_id),
        "jti": secrets.token_urlsafe(8),
        "epoch": lease.epoch,
        "streamId": lease.stream_id,
        "exp": _expires_at_ms(lease, now=now) // 1000,
    }
    if network:
        claims["network"] = network

    key = settings.EDGE_TOKEN_KEYS[0]
    return jwt.encode(
        claims,
        key.private,
        algorithm=key.algorithm,
        headers={"kid": key.kid, "typ": "lease+jwt"},
    )


def public_keys() -> list[Any]:
    """Return the public keys as JWKs (RFC 7517). A secret has no public key."""
    return [key.public for key in settings.EDGE_TOKEN_KEYS if key.public]


def _expires_at_ms(lease: Lease, *, now: int) -> int:
    lease_ms = min(lease.expires_at - now, settings.LONGEST_LEASE_MS)
    next_heartbeat_at = now + lease_ms // 3
    grace_ms = settings.EDGE_TOKEN_GRACE_SECONDS * 1000
    return int(min(next_heartbeat_at + grace_ms, lease.expires_at))


def _subject(user_id: str) -> str:
    """Return the user as a CDN's logs may show it: a keyed hash.

    The hash stays the same while the keys of tokens change.
    """
    if settings.EDGE_TOKEN_SUBJECT == "plain":  # noqa: S105
        return user_id

    digest = salted_hmac(
        "streams.edge",
        user_id,
        secret=settings.HASH_KEY,
        algorithm="sha256",
    ).digest()
    return base64.urlsafe_b64encode(digest[:SUBJECT_BYTES]).decode()

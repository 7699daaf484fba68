"""Edge tokens: short-lived JWTs (RFC 7519), by which a CDN, an origin or a licence server checks by itself that a
stream may play. They are no credential for this service, which never reads one."""

import base64
import secrets
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from streams.rules import Lease

SUBJECT_BYTES = 12


def issue(
    user_id: str, lease: Lease, *, now: int, network: str | None = None
) -> str | None:
    """The edge token of a lease, None where no keys are set, and while it is paused. It is good until the next
    heartbeat is due, and a while longer, but not beyond the lease; and from that network, if one is given."""
    if not settings.EDGE_TOKEN_KEYS or lease.paused_at:
        return None
    key = settings.EDGE_TOKEN_KEYS[0]
    heartbeat_at = now + min(lease.expires_at - now, settings.LONGEST_LEASE_MS) // 3
    claims = {
        "iss": settings.EDGE_TOKEN_ISSUER,
        "aud": settings.EDGE_TOKEN_AUDIENCE,
        "sub": _subject(user_id),
        "jti": secrets.token_urlsafe(8),
        "epoch": lease.epoch,
        "streamId": lease.stream_id,
        "exp": min(
            heartbeat_at + settings.EDGE_TOKEN_GRACE_SECONDS * 1000, lease.expires_at
        )
        // 1000,
        **({"network": network} if network else {}),
    }
    return jwt.encode(
        claims,
        key.private,
        algorithm=key.algorithm,
        headers={"kid": key.kid, "typ": "lease+jwt"},
    )


def published() -> list[Any]:
    """The public parts of the keys, as JWKs (RFC 7517). A secret has none."""
    return [key.public for key in settings.EDGE_TOKEN_KEYS if key.public]


def _subject(user_id: str) -> str:
    """The user as a CDN's logs may show it: a keyed hash, the same until the first of `LEASE_TOKEN_KEYS` changes."""
    if settings.EDGE_TOKEN_SUBJECT == "plain":  # noqa: S105
        return user_id
    digest = salted_hmac(
        "streams.edge", user_id, secret=settings.LEASE_TOKEN_KEYS[0], algorithm="sha256"
    ).digest()
    return base64.urlsafe_b64encode(digest[:SUBJECT_BYTES]).decode()

"""Who is calling: viewers by a bearer token of the identity provider, back ends by an API key."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, override

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from streams.errors import IssuerUnavailable

OPERATE = "streams:operate"
"""The scope to start, read and end streams of any user."""
ADMIN = "streams:admin"
"""The scope to set limits."""

TOKEN_AT_MOST_CHARACTERS = 8192
TOKEN_LEEWAY_SECONDS = 10
"""For clocks that disagree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: a viewer has a `user_id`, a back end has none. `stream_limit` is an entitlement of the viewer."""

    user_id: str | None = None
    scopes: frozenset[str] = frozenset()
    stream_limit: int | None = None
    is_authenticated: bool = True


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer` with a JWT (RFC 7519) of the configured issuer and audience.

    Claims: `sub` the user, `exp`, optionally `nbf`, `scope` (words with blanks between), and `stream_limit` where the
    issuer is trusted with it. The algorithms are those of the configured keys and no others.
    """

    @override
    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if len(token) > TOKEN_AT_MOST_CHARACTERS:
            raise AuthenticationFailed("The bearer token is too long.")
        try:
            return _caller(_claims(token)), None
        except jwt.PyJWKClientConnectionError as exc:
            raise IssuerUnavailable(str(exc)) from exc
        except jwt.PyJWTError as exc:
            raise AuthenticationFailed("The bearer token is not valid: expired, or not for this service.") from exc

    @override
    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="streams"'


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key` of a back end. Only hashes of keys are configured."""

    @override
    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        key = request.META.get("HTTP_X_API_KEY")
        if key is None:
            return None
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        for known in settings.API_KEYS:
            if hmac.compare_digest(digest, known.sha256):
                return Caller(scopes=known.scopes), None
        raise AuthenticationFailed("The API key is not known.")

    @override
    def authenticate_header(self, request: Request) -> str:
        return "X-API-Key"


def _caller(claims: Mapping[str, Any]) -> Caller:
    """The caller that checked claims stand for, or `jwt.PyJWTError`."""
    scope, limit = claims.get("scope", ""), claims.get("stream_limit")
    if not isinstance(scope, str):
        raise jwt.InvalidTokenError("scope is not text")
    if not settings.AUTH_TRUST_STREAM_LIMIT:
        limit = None
    elif limit is not None and (type(limit) is not int or not 0 <= limit <= settings.HIGHEST_LIMIT):
        raise jwt.InvalidTokenError("stream_limit is not a limit")
    return Caller(user_id=claims["sub"], scopes=frozenset(scope.split()), stream_limit=limit)


def _claims(token: str) -> dict[str, Any]:
    failure = jwt.InvalidSignatureError()
    for key in _keys_for(token):
        try:
            return jwt.decode(
                token,
                key,
                algorithms=settings.AUTH_ALGORITHMS,
                issuer=settings.AUTH_ISSUER,
                audience=settings.AUTH_AUDIENCE,
                leeway=TOKEN_LEEWAY_SECONDS,
                options={"require": ["sub", "exp", "iss", "aud"]},
            )
        except jwt.InvalidSignatureError as exc:
            failure = exc
    raise failure


def _keys_for(token: str) -> list[Any]:
    """The keys a token may be signed with: every shared secret, or the one key of the issuer's set that it names."""
    if settings.AUTH_JWT_SECRETS:
        return list(settings.AUTH_JWT_SECRETS)
    if "://" in settings.AUTH_JWKS:
        return [_published_keys().get_signing_key_from_jwt(token)]
    try:
        return [_keys_in_file(Path(settings.AUTH_JWKS).stat().st_mtime_ns)[jwt.get_unverified_header(token)["kid"]]]
    except KeyError as exc:
        raise jwt.InvalidKeyError("unknown key") from exc


@cache
def _published_keys() -> jwt.PyJWKClient:
    """The issuer's keys, read again every five minutes, and for an unknown key at most every thirty seconds."""
    return jwt.PyJWKClient(settings.AUTH_JWKS, timeout=3)


@lru_cache(maxsize=1)
def _keys_in_file(modified: int) -> jwt.PyJWKSet:
    """The keys in the file, as it was when it was last changed."""
    return jwt.PyJWKSet.from_json(Path(settings.AUTH_JWKS).read_text())

"""Who is calling: viewers by a bearer token of the identity provider, back ends by an API key."""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, override

import jwt
from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from streams.rules import NOTHING_GRANTED, Entitlement

OPERATE = "streams:operate"
"""The scope to start, read and end streams of any user."""
ADMIN = "streams:admin"
"""The scope to set limits."""

MAX_TOKEN_CHARACTERS = 8192
MAX_PLAN_CHARACTERS = 64
TOKEN_LEEWAY_SECONDS = 10
"""For clocks that disagree."""
MAX_TOKEN_SECONDS = 365 * 86_400 + TOKEN_LEEWAY_SECONDS
"""A token that is good for longer was made by mistake, and could never be withdrawn."""
CREDENTIALS = re.compile(r"bearer ([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
"""The one spelling of a token: other blanks or padding would make it another one to a limit that counts by header."""
TOKENS = jwt.PyJWT(options={"require": ["sub", "exp", "iss", "aud"]})


class UnknownKey(jwt.InvalidKeyError):
    """The token names no key of the issuer's."""


KINDS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not-yet-valid",
    jwt.InvalidAlgorithmError: "wrong-algorithm",
    jwt.InvalidAudienceError: "wrong-audience",
    jwt.InvalidIssuerError: "wrong-issuer",
    jwt.InvalidSignatureError: "wrong-signature",
    UnknownKey: "unknown-key",
}
"""What refused tokens are counted as; every other one is malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: a viewer has a `user_id`, a back end the `key_name` of its key."""

    user_id: str | None = None
    key_name: str | None = None
    scopes: frozenset[str] = frozenset()
    entitlement: Entitlement = NOTHING_GRANTED
    is_authenticated: bool = True

    @property
    def operator(self) -> str | None:
        """The caller's name in the audit; None for a viewer, who reaches nothing but their own."""
        if self.scopes.isdisjoint((OPERATE, ADMIN)):
            return None
        return (
            f"key {self.key_name}"
            if self.user_id is None
            else f"subject {self.user_id}"
        )


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer` with a JWT (RFC 7519) of the configured issuer and audience.

    Claims: `sub` the user, `exp`, optionally `nbf`, scopes in `AUTH_SCOPE_CLAIMS` (text with blanks between, or
    a list), and `stream_limit` and `stream_plan` where the issuer is trusted with them. The algorithms are those of the
    configured keys and no others.
    """

    @override
    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if header.partition(" ")[0].lower() != "bearer":
            return None
        found = (
            CREDENTIALS.fullmatch(header)
            if len(header) <= MAX_TOKEN_CHARACTERS
            else None
        )
        if not found:
            raise AuthenticationFailed(
                "Send one token: Authorization: Bearer <JWT>.", code="malformed"
            )
        try:
            return _caller(_claims(found[1])), None
        except jwt.PyJWTError as exc:
            kind = next(
                (KINDS[base] for base in type(exc).__mro__ if base in KINDS),
                "malformed",
            )
            raise AuthenticationFailed(
                "The bearer token is not valid: expired, or not for this service.",
                code=kind,
            ) from exc

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
                return Caller(key_name=known.name, scopes=known.scopes), None
        raise AuthenticationFailed("The API key is not known.", code="unknown-api-key")

    @override
    def authenticate_header(self, request: Request) -> str:
        return "X-API-Key"


def _caller(claims: Mapping[str, Any]) -> Caller:
    """The caller that checked claims stand for, or `jwt.PyJWTError`."""
    user_id, expires_at = claims["sub"], claims["exp"]
    if (
        not user_id or user_id.encode(errors="ignore").decode() != user_id
    ):  # JSON can hold half a character
        raise jwt.InvalidTokenError("sub is not text")
    if (
        not isinstance(expires_at, int | float)
        or expires_at > time.time() + MAX_TOKEN_SECONDS
    ):
        raise jwt.InvalidTokenError("exp is not within a year")
    limit = claims.get("stream_limit") if settings.AUTH_TRUST_STREAM_LIMIT else None
    if limit is not None and (
        type(limit) is not int or not 0 <= limit <= settings.MAX_LIMIT
    ):
        raise jwt.InvalidTokenError("stream_limit is not a limit")
    plan = claims.get("stream_plan") if settings.AUTH_TRUST_STREAM_PLAN else None
    if plan is not None and not (
        isinstance(plan, str)
        and 0 < len(plan) <= MAX_PLAN_CHARACTERS
        and plan.isascii()
    ):
        raise jwt.InvalidTokenError("stream_plan is not a plan")
    scopes = frozenset(
        word for name in settings.AUTH_SCOPE_CLAIMS for word in _words(claims.get(name))
    )
    return Caller(user_id=user_id, scopes=scopes, entitlement=Entitlement(limit, plan))


def _words(claim: Any) -> list[str]:
    """Scopes as providers write them: text with blanks between, a list, or nothing."""
    texts = claim if isinstance(claim, list) else [] if claim is None else [claim]
    if not all(isinstance(text, str) for text in texts):
        raise jwt.InvalidTokenError("scopes are not text")
    return [word for text in texts for word in text.split()]


def _claims(token: str) -> dict[str, Any]:
    failure = jwt.InvalidSignatureError()
    keys: list[Any] = settings.AUTH_JWT_SECRETS or [_key_of(token)]
    for key in keys:
        try:
            return TOKENS.decode(
                token,
                key,
                algorithms=settings.AUTH_ALGORITHMS,
                issuer=settings.AUTH_ISSUER,
                audience=settings.AUTH_AUDIENCE,
                leeway=TOKEN_LEEWAY_SECONDS,
            )
        except jwt.InvalidSignatureError as exc:
            failure = exc
    raise failure


def _key_of(token: str) -> Any:
    """The one published key that a token names. Who could not be let in with any key asks for none."""
    # The header alone: the signature is checked, and the rest read, once the key is known.
    header = jwt.get_unverified_header(f"{token.partition('.')[0]}..")
    if header.get("alg") not in settings.AUTH_ALGORITHMS:
        raise jwt.InvalidAlgorithmError
    key = _published_keys().get(header["kid"]) if "kid" in header else None
    if key is None:
        raise UnknownKey
    return key


@cache
def _published_keys() -> Any:
    return import_string(settings.AUTH_KEY_SOURCE)(settings.AUTH_JWKS)

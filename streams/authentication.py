"""Authenticates viewers by a bearer token of the identity provider or by a ticket,
and back ends by an API key.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, override

import jwt
from django.core.signing import BadSignature, SignatureExpired
from django.utils.module_loading import import_string
from jwt.algorithms import HMACAlgorithm
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from streams import tickets
from streams.conf import settings
from streams.rules import NOTHING_GRANTED, Entitlement, immutable

OPERATE = "streams:operate"
"""Scope to start, read and end streams of any user."""
ADMIN = "streams:admin"
"""Scope to set limits."""

MAX_TOKEN_CHARACTERS = 8192
MAX_PLAN_CHARACTERS = 64
TOKEN_LEEWAY_SECONDS = 10
"""Tolerance for clocks that differ."""
MAX_TOKEN_SECONDS = 365 * 86_400 + TOKEN_LEEWAY_SECONDS
"""A token with a longer life is a mistake, and cannot be revoked."""
TICKET = re.compile(rf"bearer {tickets.PREFIX}", re.IGNORECASE)
"""The beginning of a header with a ticket."""
CANONICAL_ENDS = {2: "AQgw", 3: "AEIMQUYcgkosw048"}
"""The last characters of base64url whose unused bits are 0, by the length modulo 4."""
CREDENTIALS = re.compile(r"bearer ([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
"""The only accepted form of the header. With other spaces or padding, the same token
would pass a rate limit per header value as another one.
"""
LEASE_TOKEN_TYPE = "lease+jwt"  # noqa: S105
"""Type of the tokens that this service issues for a CDN or a licence server."""


class BearerTokens(jwt.PyJWT):
    """Decodes bearer tokens, also those of Amazon Cognito.

    Cognito's access tokens have no `aud` and name the app in `client_id`. As in API
    Gateway's authorizer, `client_id` stands for the audience if there is no `aud`.
    """

    @override
    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of a token whose signature is verified."""
        if _type_of(decoded["header"]) == LEASE_TOKEN_TYPE:
            raise jwt.InvalidTokenError("an edge token is not a bearer token")

        claims = super()._decode_payload(decoded)
        if claims.get("aud") is None:
            claims["aud"] = _client_of(claims)
        return claims


TOKENS = BearerTokens(options={"require": ["sub", "exp", "iss", "aud"]})


class UnknownKey(jwt.InvalidKeyError):
    """The issuer has no key with the id that the token contains."""


KINDS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not-yet-valid",
    jwt.InvalidAlgorithmError: "wrong-algorithm",
    jwt.InvalidAudienceError: "wrong-audience",
    jwt.InvalidIssuerError: "wrong-issuer",
    jwt.InvalidSignatureError: "wrong-signature",
    UnknownKey: "unknown-key",
}
"""Kinds of rejected tokens in events. Every other rejected token is `malformed`."""


@immutable
class Caller:
    """The caller: a viewer has a `user_id`, a back end the `key_name` of its key.

    `ticket` is the one that authenticated a viewer, if any.
    """

    user_id: str | None = None
    key_name: str | None = None
    scopes: frozenset[str] = frozenset()
    entitlement: Entitlement = NOTHING_GRANTED
    ticket: tickets.Ticket | None = None
    is_authenticated: bool = True

    @property
    def operator(self) -> str | None:
        """The caller's name in the audit log, or None for a viewer."""
        if self.scopes.isdisjoint((OPERATE, ADMIN)):
            return None

        if self.user_id is None:
            return f"key {self.key_name}"
        return f"subject {self.user_id}"


class BearerAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer` with a JWT (RFC 7519).

    The token must come from a configured issuer, for a configured audience, signed
    with an algorithm of the configured keys. Its claims are `sub` (the user), `exp`,
    optionally `nbf`, scopes in `AUTH_SCOPE_CLAIMS` (text separated by spaces, or a
    list), and `stream_limit` and `stream_plan` if the issuer is trusted with them.
    """

    @override
    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        header: str = request.META.get("HTTP_AUTHORIZATION", "")
        scheme = header.partition(" ")[0]
        if scheme.lower() != "bearer" or TICKET.match(header):
            return None

        token = _token(header)
        try:
            return _caller(_claims(token)), None
        except jwt.PyJWTError as exc:
            raise AuthenticationFailed(
                "The bearer token expired or is not valid for this service.",
                code=_kind(exc),
            ) from exc

    @override
    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="streams"'


class ApiKeyAuthentication(BaseAuthentication):
    """Authenticates a back end by `X-API-Key`. Only hashes of keys are configured."""

    @override
    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        key = request.META.get("HTTP_X_API_KEY")
        if key is None:
            return None

        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        for known in settings.API_KEYS:
            if hmac.compare_digest(digest, known.sha256):
                return Caller(key_name=known.name, scopes=known.scopes), None

        raise AuthenticationFailed("The API key is not valid.", code="unknown-api-key")

    @override
    def authenticate_header(self, request: Request) -> str:
        return "X-API-Key"


class TicketAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer` with a ticket of this service."""

    @override
    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        header: str = request.META.get("HTTP_AUTHORIZATION", "")
        if not TICKET.match(header):
            return None

        now = time.time_ns() // 1_000_000
        try:
            ticket = tickets.verify(header.partition(" ")[2], now=now)
        except BadSignature as exc:
            is_expired = isinstance(exc, SignatureExpired)
            raise AuthenticationFailed(
                "The ticket expired or is not valid. Request another ticket.",
                code="expired" if is_expired else "wrong-signature",
            ) from exc

        caller = Caller(
            user_id=ticket.user_id,
            entitlement=ticket.entitlement,
            ticket=ticket,
        )
        return caller, None

    @override
    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="streams"'


def _token(header: str) -> str:
    match = (
        CREDENTIALS.fullmatch(header) if len(header) <= MAX_TOKEN_CHARACTERS else None
    )
    if match is None or not _is_canonical(match[1]):
        raise AuthenticationFailed(
            "Send one token as Authorization: Bearer <JWT>.", code="malformed"
        )
    return match[1]


def _is_canonical(token: str) -> bool:
    """Return whether the signature has its only spelling in base64url.

    Bits of its last character that do not count would give one token up to 16
    spellings, each of which a rate limit per header value counts by itself.
    """
    signature = token.rpartition(".")[2]
    last_characters = CANONICAL_ENDS.get(len(signature) % 4)
    return last_characters is None or signature[-1] in last_characters


def _type_of(header: Mapping[str, Any]) -> str:
    """Return the type of a token, in the shortest form of RFC 7515, 4.1.9."""
    media_type = header.get("typ", "")
    if not isinstance(media_type, str):
        raise jwt.InvalidTokenError("typ must be text")

    essence = media_type.partition(";")[0].strip().lower()
    return essence.removeprefix("application/")


def _client_of(claims: Mapping[str, Any]) -> str | None:
    """Return the client of an access token, or None for any other token."""
    client_id = claims.get("client_id")
    is_for_access = claims.get("token_use", "access") == "access"
    return client_id if is_for_access and isinstance(client_id, str) else None


def _kind(error: jwt.PyJWTError) -> str:
    """Return the kind of a rejected token, of its error or the nearest base class."""
    kinds = (KINDS[base] for base in type(error).__mro__ if base in KINDS)
    return next(kinds, "malformed")


def _caller(claims: Mapping[str, Any]) -> Caller:
    """Return the caller that verified claims describe.

    Raises:
        jwt.InvalidTokenError: if a claim has another type or range
    """
    user_id = _user_id(claims)
    _check_expiry(claims)
    entitlement = Entitlement(_limit(claims), _plan(claims))
    return Caller(user_id=user_id, scopes=_scopes(claims), entitlement=entitlement)


def _user_id(claims: Mapping[str, Any]) -> str:
    user_id: str = claims["sub"]
    encodable = user_id.encode(errors="ignore").decode()
    # JSON can contain an unpaired surrogate, which is not text.
    if not user_id or encodable != user_id:
        raise jwt.InvalidTokenError("sub must be text")
    return user_id


def _check_expiry(claims: Mapping[str, Any]) -> None:
    expires_at = claims["exp"]
    latest = time.time() + MAX_TOKEN_SECONDS
    if not isinstance(expires_at, int | float) or expires_at > latest:
        raise jwt.InvalidTokenError("exp must be within a year")


def _limit(claims: Mapping[str, Any]) -> int | None:
    limit = claims.get("stream_limit")
    if limit is None or not settings.AUTH_TRUST_STREAM_LIMIT:
        return None

    if type(limit) is not int or not 0 <= limit <= settings.MAX_LIMIT:
        raise jwt.InvalidTokenError(
            f"stream_limit must be an integer from 0 to {settings.MAX_LIMIT}"
        )
    return limit


def _plan(claims: Mapping[str, Any]) -> str | None:
    plan = claims.get("stream_plan")
    if plan is None or not settings.AUTH_TRUST_STREAM_PLAN:
        return None

    is_name = isinstance(plan, str) and plan.isascii()
    if not is_name or not 1 <= len(plan) <= MAX_PLAN_CHARACTERS:
        raise jwt.InvalidTokenError(
            "stream_plan must be ASCII text of "
            f"at most {MAX_PLAN_CHARACTERS} characters"
        )
    return str(plan)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    scopes: set[str] = set()
    for name in settings.AUTH_SCOPE_CLAIMS:
        scopes.update(_words(claims.get(name)))

    return frozenset(scopes)


def _words(claim: Any) -> list[str]:
    """Return the scopes of a claim: text separated by spaces, a list, or absent."""
    if claim is None:
        return []

    texts = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(text, str) for text in texts):
        raise jwt.InvalidTokenError("scopes must be text")
    return [word for text in texts for word in text.split()]


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token that one of the configured keys signed."""
    failure = jwt.InvalidSignatureError()
    for key in _secrets() or [_key_of(token)]:
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


class CheckedSecrets(HMACAlgorithm):
    """PyJWT's HMAC, for secrets that it has checked before.

    It parses a secret again for each token, to refuse public keys and JWKs, which takes
    2 % of a start.
    """

    @override
    def prepare_key(self, key: str | bytes) -> bytes:
        assert isinstance(key, bytes), "the key of a PyJWK"
        return key


def _secrets() -> list[Any]:
    """Return the configured secrets, as keys of PyJWT.

    A PyJWK has one algorithm. With several, PyJWT chooses it for each token.
    """
    algorithms = settings.AUTH_ALGORITHMS
    if len(algorithms) > 1:
        return settings.AUTH_JWT_SECRETS
    return [_checked(secret, *algorithms) for secret in settings.AUTH_JWT_SECRETS]


@cache
def _checked(secret: str, algorithm: str) -> jwt.PyJWK:
    encoded = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    key = jwt.PyJWK({"kty": "oct", "k": encoded}, algorithm)
    assert isinstance(key.Algorithm, HMACAlgorithm), "kty is oct"
    key.Algorithm.prepare_key(secret)
    key.Algorithm = CheckedSecrets(key.Algorithm.hash_alg)
    return key


def _key_of(token: str) -> Any:
    """Return the published key that a token names.

    A token with another algorithm causes no request to the issuer. A token without a
    key id means the only key of the issuer, whose id is "".
    """
    # The payload is read after its signature is verified, so only the header is parsed.
    header_only = f"{token.partition('.')[0]}.."
    header = jwt.get_unverified_header(header_only)
    if header.get("alg") not in settings.AUTH_ALGORITHMS:
        raise jwt.InvalidAlgorithmError

    key = _published_keys().get(header.get("kid", ""))
    if key is None:
        raise UnknownKey
    return key


@cache
def _published_keys() -> Any:
    return import_string(settings.AUTH_KEY_SOURCE)(settings.AUTH_JWKS)

"""Verifies edge tokens in front of a WSGI or ASGI application: a licence server, say.

Needs PyJWT, and its extra `crypto` for public keys.

    keys = keys_at("https://streams.example.com/.well-known/jwks.json")
    tokens = EdgeTokens(keys, issuer=…, audience=…)
    application = EdgeTokensWSGI(application, tokens)

A request without a valid token is answered 403, with the reason in
`X-Edge-Token-Refused`. The application receives the token's claims in
`environ["edge.claims"]` or `scope["edge.claims"]`, and the path without the token.
"""

import re
import time
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import quote

import jwt

TOKEN_IN_PATH = re.compile(r"/edge-token/([^/]+)(/.*)", re.DOTALL)
TOKEN_IN_QUERY = "edgeToken="  # noqa: S105  # a parameter's name
TOKEN_HEADER = "x-edge-token"  # noqa: S105  # a header's name
KEPT_SECONDS = 300
"""Caches may keep the service's keys for this long."""
RETRY_SECONDS = 5
FETCH_SECONDS = 2
NETWORK_GROUPS = 4

REASONS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.InvalidAlgorithmError: "wrong-algorithm",
    jwt.InvalidSignatureError: "bad-signature",
    jwt.InvalidIssuerError: "wrong-issuer",
    jwt.InvalidAudienceError: "wrong-audience",
    jwt.ExpiredSignatureError: "expired",
}

type Keys = Callable[[], Mapping[str, jwt.PyJWK]]


class Refused(Exception):
    """A request without a valid token. `reason` names the fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Passed(NamedTuple):
    """A request with a valid token: its path and query without it, and the claims."""

    path: str
    query: str
    claims: Mapping[str, Any]


def keys_in(jwks: Mapping[str, Any]) -> Keys:
    """Return the keys of a JWK Set: published keys, or `oct` keys for HMAC secrets."""
    keys = {}
    for key in jwks["keys"]:
        is_secret = key["kty"] == "oct"
        keys[key["kid"]] = jwt.PyJWK({"alg": "HS256", **key} if is_secret else key)
    return lambda: keys


def keys_at(url: str, *, kept_seconds: float = KEPT_SECONDS) -> Keys:
    """Return the keys that a service publishes.

    They are read again after five minutes, and not for every unknown `kid`. While the
    service does not answer, the last known keys are used.
    """
    client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS)
    known: dict[str, jwt.PyJWK] = {}
    read_again_at = 0.0

    def keys() -> Mapping[str, jwt.PyJWK]:
        nonlocal known, read_again_at
        now = time.monotonic()
        if now < read_again_at:
            return known

        # A service that does not answer is not asked for every request.
        read_again_at = now + min(kept_seconds, RETRY_SECONDS)
        with suppress(jwt.PyJWKClientError):
            known = {str(key.key_id): key for key in client.get_signing_keys()}
            read_again_at = time.monotonic() + kept_seconds
        return known

    return keys


@dataclass(frozen=True, slots=True)
class EdgeTokens:
    """The check. The group of `stream_id` is the `streamId` in a path."""

    keys: Keys
    issuer: str
    audience: str
    skew_seconds: int = 0
    stream_id: str = r"/([^/]+)/"

    def check(
        self, *, path: str, query: str, headers: Sequence[str], address: str
    ) -> Passed:
        """Verify the token of a request.

        `path` is decoded. `headers` are all values of the header `X-Edge-Token`.

        Raises:
            Refused
        """
        tokens, path, query = _split(path, query, headers)
        if not tokens:
            raise Refused("missing")
        if len(tokens) > 1:
            raise Refused("two-tokens")

        claims = self._claims(tokens[0])
        self._check_path(path, claims)
        if "network" in claims and claims["network"] != network_of(address):
            raise Refused("wrong-network")
        return Passed(path, query, claims)

    def _check_path(self, path: str, claims: Mapping[str, Any]) -> None:
        """Compare the path with the token's stream."""
        segments = re.split(r"[/\\]", path)
        if "." in segments or ".." in segments or "\\" in path:
            raise Refused("bad-path")

        match = re.match(self.stream_id, path)
        if not match or claims.get("streamId") != match[1]:
            raise Refused("wrong-stream")

    def _claims(self, token: str) -> Mapping[str, Any]:
        """Verify the signature and the standard claims, and return all claims."""
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys().get(header.get("kid", ""))
            if key is None:
                raise Refused("unknown-key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self.issuer,
                audience=self.audience,
                leeway=self.skew_seconds,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as exc:
            raise Refused(_reason_of(exc)) from exc

        if header.get("typ") != "lease+jwt":
            raise Refused("wrong-type")
        return claims


def _split(path: str, query: str, headers: Sequence[str]) -> tuple[list[str], str, str]:
    """Return all tokens of a request, and its path and query without them."""
    tokens = list(headers)
    other_pairs = []
    for pair in query.split("&"):
        if pair.startswith(TOKEN_IN_QUERY):
            tokens.append(pair.removeprefix(TOKEN_IN_QUERY))
        else:
            other_pairs.append(pair)

    in_path = TOKEN_IN_PATH.fullmatch(path)
    if in_path:
        tokens.append(in_path[1])
        path = in_path[2]
    return tokens, path, "&".join(other_pairs)


def _reason_of(exc: jwt.PyJWTError) -> str:
    """Return the reason for an error, or for the nearest of its base classes."""
    for cls in type(exc).__mro__:
        if cls in REASONS:
            return REASONS[cls]
    return "malformed"


def network_of(address: str) -> str:
    """Return the network of an address: the /24 of IPv4, the /64 of IPv6.

    The result is empty for a text that is not an address.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return ""

    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.version == 4:
        first_three, _, _ = str(ip).rpartition(".")
        return f"{first_three}.0/24"

    groups = ip.exploded.split(":")[:NETWORK_GROUPS]
    return ":".join(f"{int(group, 16):x}" for group in groups) + "::/64"


class EdgeTokensWSGI:
    """Checks edge tokens in front of a WSGI application."""

    def __init__(
        self, application: Callable[..., Iterable[bytes]], tokens: EdgeTokens
    ) -> None:
        self.application = application
        self.tokens = tokens

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer 403, or call the application."""
        # A browser sends a preflight without the token.
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return self.application(environ, start_response)

        # WSGI joins headers with the same name.
        header = environ.pop("HTTP_X_EDGE_TOKEN", None)
        try:
            passed = self.tokens.check(
                path=environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
                query=environ.get("QUERY_STRING", ""),
                headers=[] if header is None else header.split(","),
                address=environ["REMOTE_ADDR"],
            )
        except Refused as refused:
            start_response("403 Forbidden", _headers(refused))
            return [b""]

        environ["PATH_INFO"] = passed.path.encode().decode("latin-1")
        environ["QUERY_STRING"] = passed.query
        environ["edge.claims"] = passed.claims
        return self.application(environ, start_response)


type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]
type ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class EdgeTokensASGI:
    """Checks edge tokens in front of an ASGI application."""

    def __init__(self, application: ASGI, tokens: EdgeTokens) -> None:
        self.application = application
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer 403, or call the application."""
        # A browser sends a preflight without the token.
        if scope["type"] != "http" or scope["method"] == "OPTIONS":
            await self.application(scope, receive, send)
            return

        tokens = []
        other_headers = []
        for name, value in scope["headers"]:
            if name.decode() == TOKEN_HEADER:
                tokens.append(value.decode("latin-1"))
            else:
                other_headers.append((name, value))

        try:
            passed = self.tokens.check(
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=tokens,
                address=scope["client"][0],
            )
        except Refused as refused:
            await _send_forbidden(send, refused)
            return

        changes = {
            "path": passed.path,
            "raw_path": quote(passed.path).encode(),
            "query_string": passed.query.encode("latin-1"),
            "headers": other_headers,
            "edge.claims": passed.claims,
        }
        await self.application({**scope, **changes}, receive, send)


async def _send_forbidden(send: Send, refused: Refused) -> None:
    headers = [
        (name.lower().encode(), value.encode()) for name, value in _headers(refused)
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _headers(refused: Refused) -> list[tuple[str, str]]:
    return [
        ("X-Edge-Token-Refused", refused.reason),
        ("Cache-Control", "no-store"),
        ("Content-Length", "0"),
    ]

"""Checks edge tokens in front of a WSGI or an ASGI application: an origin, a licence server. Needs PyJWT, and its extra
`crypto` for keys that are not secrets.

    tokens = EdgeTokens(keys_at("https://streams.example.com/.well-known/jwks.json"), issuer=…, audience=…)
    application = EdgeTokensWSGI(application, tokens)

A request without a good token is answered 403, with the reason in `X-Edge-Token-Refused`. The application finds the
token's claims in `environ["edge.claims"]` or `scope["edge.claims"]`, and the path without the token.
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

IN_PATH = re.compile(r"/edge-token/([^/]+)(/.*)", re.DOTALL)
IN_QUERY = "edgeToken="
IN_HEADER = "x-edge-token"
KEPT_SECONDS, RETRY_SECONDS = 300, 5
"""As long as the service lets caches keep its keys."""
REASONS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.InvalidAlgorithmError: "wrong-algorithm",
    jwt.InvalidSignatureError: "bad-signature",
    jwt.InvalidIssuerError: "wrong-issuer",
    jwt.InvalidAudienceError: "wrong-audience",
    jwt.ExpiredSignatureError: "expired",
}

type Keys = Callable[[], Mapping[str, jwt.PyJWK]]


class Refused(Exception):
    """A request that is not let through. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Passed(NamedTuple):
    """A request that is let through: what it asks for, without the token, and the token's claims."""

    path: str
    query: str
    claims: Mapping[str, Any]


def keys_in(jwks: Mapping[str, Any]) -> Keys:
    """The keys of a JWK Set: what the service publishes, or `oct` keys for HMAC secrets."""
    keys = {
        key["kid"]: jwt.PyJWK({"alg": "HS256", **key} if key["kty"] == "oct" else key)
        for key in jwks["keys"]
    }
    return lambda: keys


def keys_at(url: str, *, kept_seconds: float = KEPT_SECONDS) -> Keys:
    """The keys that a service publishes, read again after five minutes, and not for every `kid` that is made up. While
    it does not answer, those that are known."""
    client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=2)
    known: dict[str, jwt.PyJWK] = {}
    due = 0.0

    def keys() -> Mapping[str, jwt.PyJWK]:
        nonlocal known, due
        if time.monotonic() >= due:
            due = time.monotonic() + min(
                kept_seconds, RETRY_SECONDS
            )  # who does not answer is not asked each time
            with suppress(jwt.PyJWKClientError):
                known = {str(key.key_id): key for key in client.get_signing_keys()}
                due = time.monotonic() + kept_seconds
        return known

    return keys


@dataclass(frozen=True, slots=True)
class EdgeTokens:
    """The check. `stream_id` is a pattern: where the path has the `streamId`."""

    keys: Keys
    issuer: str
    audience: str
    skew_seconds: int = 0
    stream_id: str = r"/([^/]+)/"

    def check(
        self, *, path: str, query: str, headers: Sequence[str], address: str
    ) -> Passed:
        """Let a request through, or raise `Refused`. `path` is decoded; `headers` are all values of the token's."""
        tokens, pairs = [*headers], query.split("&")
        tokens += [
            pair.removeprefix(IN_QUERY) for pair in pairs if pair.startswith(IN_QUERY)
        ]
        if found := IN_PATH.fullmatch(path):
            tokens.append(found[1])
            path = found[2]
        if len(tokens) != 1:
            raise Refused("two-tokens" if tokens else "missing")
        claims = self._claims(tokens[0])
        stream = re.match(self.stream_id, path)
        if {".", ".."} & set(re.split(r"[/\\]", path)) or "\\" in path:
            raise Refused("bad-path")
        if not stream or claims.get("streamId") != stream[1]:
            raise Refused("wrong-stream")
        if "network" in claims and claims["network"] != network_of(address):
            raise Refused("wrong-network")
        return Passed(
            path,
            "&".join(pair for pair in pairs if not pair.startswith(IN_QUERY)),
            claims,
        )

    def _claims(self, token: str) -> Mapping[str, Any]:
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
            raise Refused(
                next(
                    (REASONS[base] for base in type(exc).__mro__ if base in REASONS),
                    "malformed",
                )
            ) from exc
        if header.get("typ") != "lease+jwt":
            raise Refused("wrong-type")
        return claims


def network_of(address: str) -> str:
    """The network that an address belongs to: an IPv4 address's /24, an IPv6 address's /64; none of what is none."""
    try:
        ip = ip_address(address)
    except ValueError:
        return ""
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.version == 4:
        return f"{str(ip).rpartition('.')[0]}.0/24"
    return (
        ":".join(f"{int(group, 16):x}" for group in ip.exploded.split(":")[:4])
        + "::/64"
    )


class EdgeTokensWSGI:
    """In front of a WSGI application."""

    def __init__(
        self, application: Callable[..., Iterable[bytes]], tokens: EdgeTokens
    ) -> None:
        self.application, self.tokens = application, tokens

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer 403, or have the application answer."""
        if (
            environ["REQUEST_METHOD"] == "OPTIONS"
        ):  # a browser asks for leave before it sends the token
            return self.application(environ, start_response)
        header = environ.pop("HTTP_X_EDGE_TOKEN", None)
        try:
            passed = self.tokens.check(
                path=environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
                query=environ.get("QUERY_STRING", ""),
                headers=[]
                if header is None
                else header.split(","),  # WSGI joins headers of one name
                address=environ["REMOTE_ADDR"],
            )
        except Refused as refused:
            start_response(
                "403 Forbidden", [(name, value) for name, value in _headers(refused)]
            )
            return [b""]
        environ |= {
            "PATH_INFO": passed.path.encode().decode("latin-1"),
            "QUERY_STRING": passed.query,
            "edge.claims": passed.claims,
        }
        return self.application(environ, start_response)


type Scope = MutableMapping[str, Any]
type ASGI = Callable[
    [Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]],
    Awaitable[None],
]


class EdgeTokensASGI:
    """In front of an ASGI application."""

    def __init__(self, application: ASGI, tokens: EdgeTokens) -> None:
        self.application, self.tokens = application, tokens

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer 403, or have the application answer."""
        if scope["type"] != "http" or scope["method"] == "OPTIONS":
            await self.application(scope, receive, send)
            return
        try:
            passed = self.tokens.check(
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=[
                    value.decode("latin-1")
                    for name, value in scope["headers"]
                    if name.decode() == IN_HEADER
                ],
                address=scope["client"][0],
            )
        except Refused as refused:
            headers = [
                (name.lower().encode(), value.encode())
                for name, value in _headers(refused)
            ]
            await send(
                {"type": "http.response.start", "status": 403, "headers": headers}
            )
            await send({"type": "http.response.body", "body": b""})
            return
        rest = [
            (name, value)
            for name, value in scope["headers"]
            if name.decode() != IN_HEADER
        ]
        changed = {
            "path": passed.path,
            "raw_path": quote(passed.path).encode(),
            "query_string": passed.query.encode("latin-1"),
            "headers": rest,
        }
        await self.application(
            {**scope, **changed, "edge.claims": passed.claims}, receive, send
        )


def _headers(refused: Refused) -> list[tuple[str, str]]:
    return [
        ("X-Edge-Token-Refused", refused.reason),
        ("Cache-Control", "no-store"),
        ("Content-Length", "0"),
    ]

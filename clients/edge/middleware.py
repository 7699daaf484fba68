"""Verifies edge tokens in front of a WSGI or ASGI application: a licence server, say.

Needs PyJWT, and its extra `crypto` for public keys.

    keys = keys_at("https://streams.example.com/.well-known/jwks.json")
    tokens = EdgeTokens(keys, issuer=…, audience=…)
    application = EdgeTokensWSGI(application, tokens)

A request without a valid token is answered 403, with the reason in
`X-Edge-Token-Refused`. A browser's preflight is answered 204. Neither reaches the
application. It receives the token's claims in `environ["edge.claims"]` or
`scope["edge.claims"]`, and the path without the token.
"""

import asyncio
import base64
import json
import math
import re
import sys
import threading
import time
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import ip_address
from socket import SHUT_RDWR
from typing import Any, NamedTuple, override
from urllib.parse import quote, unquote
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    Request,
    build_opener,
)

import jwt

TOKEN_IN_PATH = re.compile(r"/edge-token/([^/]+)(/.*)", re.DOTALL)
TOKEN_IN_QUERY = "edgeToken"  # noqa: S105  # a parameter's name
TOKEN_HEADER = b"x-edge-token"
MAX_TOKEN_LENGTH = 4096

KEPT_SECONDS = 300
"""Caches may keep the service's keys for this long."""
RETRY_SECONDS = 5
FETCH_SECONDS = 2
MAX_KEYS_BYTES = 65_536
CHUNK_BYTES = 16_384

HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
PRINTABLE = re.compile(r"[\x21-\x7e]*")
UNSAFE_SEGMENT = re.compile(r"[\x00-\x1f\x7f/\\?#%;\ufffd]|[. ]\Z")
"""Servers resolve, decode again or cut off these characters in different ways."""
NETWORK_GROUPS = 4
MAX_NUMBER = sys.float_info.max

ALGORITHMS = {
    ("oct", None): "HS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""The only algorithm for which a key is accepted, by its type and curve."""

REASONS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.InvalidAlgorithmError: "wrong-algorithm",
    jwt.InvalidSignatureError: "bad-signature",
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


# --- keys -----------------------------------------------------------------------


def keys_in(jwks: Mapping[str, Any]) -> Keys:
    """Return the keys of a JWK Set: published keys, or `oct` keys for HMAC secrets."""
    keys = _usable_keys(jwks)
    return lambda: keys


def keys_at(url: str, *, kept_seconds: float = KEPT_SECONDS) -> Keys:
    """Return the keys that a service publishes.

    They are read again after five minutes, within two seconds, and not for every
    unknown `kid`. While the service gives no usable answer, the last known keys are
    used.
    """
    return _PublishedKeys(url, kept_seconds)


@dataclass
class _PublishedKeys:
    """The keys at a URL, which one thread at a time reads again."""

    url: str
    kept_seconds: float
    known: Mapping[str, jwt.PyJWK] = field(default_factory=dict)
    read_again_at: float = -math.inf
    reading: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> Mapping[str, jwt.PyJWK]:
        """Return the known keys, after reading those that are due."""
        if time.monotonic() < self.read_again_at:
            return self.known

        # Without keys, a request waits for those that another thread reads.
        wait_seconds = 0 if self.known else FETCH_SECONDS
        if self.reading.acquire(timeout=wait_seconds):
            try:
                self._read_if_due()
            finally:
                self.reading.release()
        return self.known

    def _read_if_due(self) -> None:
        if time.monotonic() < self.read_again_at:
            return

        keys = _usable_keys(_download(self.url))
        # A service without a usable answer is not asked for every request.
        wait_seconds = min(self.kept_seconds, RETRY_SECONDS)
        if keys:
            self.known = keys
            wait_seconds = self.kept_seconds
        self.read_again_at = time.monotonic() + wait_seconds


def _usable_keys(jwks: Any) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JWK Set that can verify a token, by `kid`."""
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    keys = {}
    for jwk in entries if isinstance(entries, list) else []:
        key = _usable_key(jwk)
        if key is not None:
            keys[str(key.key_id)] = key
    return keys


def _usable_key(jwk: Any) -> jwt.PyJWK | None:
    """Return a key, or None for one of another type or without a `kid`."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return None
    try:
        algorithm = ALGORITHMS[jwk["kty"], jwk.get("crv")]
        return jwt.PyJWK(jwk, algorithm)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None


def _download(url: str) -> Any:
    """Return the content of a JSON document, or None after any fault, and after 2 s."""
    exchange = _Exchange(url)
    thread = threading.Thread(target=exchange.run, daemon=True)
    thread.start()
    thread.join(FETCH_SECONDS)
    exchange.abort()
    return exchange.content


class _NoRedirects(HTTPRedirectHandler):
    """Takes a redirect for a fault: keys come from the configured address only."""

    @override
    def redirect_request(self, *args: Any) -> None:
        return None


class _Exchange(HTTPHandler, HTTPSHandler):
    """One request for keys, which another thread can abort.

    The time-out of a socket limits each read, and not their sum.
    """

    def __init__(self, url: str) -> None:
        # HTTPSHandler would read the system's certificates, which HTTP does not need.
        HTTPHandler.__init__(self)
        self.url = url
        self.ends_at = time.monotonic() + FETCH_SECONDS
        self.connection: HTTPConnection | None = None
        self.content: Any = None

    def run(self) -> None:
        """Read the document into `content`."""
        try:
            opener = build_opener(self, _NoRedirects)
            with opener.open(self.url, timeout=FETCH_SECONDS) as answer:
                content = json.loads(self._body(answer))
        except Exception:  # any fault leaves the known keys
            return
        if time.monotonic() < self.ends_at:
            self.content = content

    def abort(self) -> None:
        """End a read that still waits for the service."""
        sock = self.connection and self.connection.sock
        try:
            if sock:
                sock.shutdown(SHUT_RDWR)
        except OSError:
            return  # The connection has ended.

    def _body(self, answer: Any) -> bytes:
        body = b""
        while chunk := answer.read1(CHUNK_BYTES):
            body += chunk
            is_late = time.monotonic() >= self.ends_at
            if is_late or len(body) > MAX_KEYS_BYTES:
                raise ValueError("the keys are late or too large")
        return body

    @override
    def http_open(self, request: Request) -> Any:
        return self.do_open(self._plain, request)

    @override
    def https_open(self, request: Request) -> Any:
        return self.do_open(self._with_tls, request)

    def _plain(self, host: str, **options: Any) -> HTTPConnection:
        self.connection = HTTPConnection(host, **options)
        return self.connection

    def _with_tls(self, host: str, **options: Any) -> HTTPConnection:
        self.connection = HTTPSConnection(host, **options)
        return self.connection


# --- the check ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EdgeTokens:
    """The check. The group of `stream_id` is the `streamId` in a decoded path.

    `issuer` is one issuer, or several while the service gets another URL.
    """

    keys: Keys
    issuer: str | Sequence[str]
    audience: str
    skew_seconds: int = 0
    stream_id: str = r"/([^/]+)/"

    def check(
        self,
        *,
        path: str,
        query: str,
        headers: Sequence[str],
        address: str,
        raw_path: str | None = None,
    ) -> Passed:
        """Verify the token of a request.

        `path` is decoded, and `raw_path` is the path as it was sent, if the server
        gives it. `headers` are all values of the header `X-Edge-Token`.

        Raises:
            Refused
        """
        sent_path = _sent_path(path, raw_path)
        tokens, sent_path, query = _split(sent_path, query, headers)
        if not tokens:
            raise Refused("missing")
        if len(tokens) > 1:
            raise Refused("two-tokens")

        claims = self._verified(tokens[0])
        self._check_claims(claims)

        path = _decoded(sent_path)
        match = re.match(self.stream_id, path)
        if not match or not match[1] or claims.get("streamId") != match[1]:
            raise Refused("wrong-stream")

        if "network" in claims:
            network = network_of(address)
            if not network or claims["network"] != network:
                raise Refused("wrong-network")
        return Passed(path, query, claims)

    def _verified(self, token: str) -> Mapping[str, Any]:
        """Verify the signature and the type, and return the claims."""
        parts = token.split(".")
        has_size = len(parts) == 3 and len(token) <= MAX_TOKEN_LENGTH
        if not has_size or _bytes_of(parts[2]) is None:
            raise Refused("malformed")

        header = _object_in(parts[0])
        # Extensions are not supported: a critical one is an error (RFC 7515, RFC 7797).
        if "crit" in header or "b64" in header:
            raise Refused("malformed")
        kid = header.get("kid")
        key = self.keys().get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Refused("unknown-key")
        if header.get("alg") != key.algorithm_name:
            raise Refused("wrong-algorithm")

        try:
            jwt.api_jws.decode(token, key, algorithms=[key.algorithm_name])
        except jwt.PyJWTError as exc:
            raise Refused(_reason_of(exc)) from exc
        if header.get("typ") != "lease+jwt":
            raise Refused("wrong-type")
        return _object_in(parts[1])

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        """Verify the claims that do not depend on the request (RFC 7519)."""
        expires_at = _time_of(claims.get("exp"))
        starts_at = _time_of(claims.get("nbf", 0))

        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now = time.time()
        issuers = [self.issuer] if isinstance(self.issuer, str) else self.issuer
        if claims.get("iss") not in issuers:
            raise Refused("wrong-issuer")
        if self.audience not in audiences:
            raise Refused("wrong-audience")
        if expires_at + self.skew_seconds <= now:
            raise Refused("expired")
        if starts_at - self.skew_seconds > now:
            raise Refused("not-yet-valid")


def _split(path: str, query: str, headers: Sequence[str]) -> tuple[list[str], str, str]:
    """Return all tokens of a request, and its path and query without them."""
    # Servers join headers with the same name.
    tokens = [token for header in headers for token in header.split(",")]
    other_pairs = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name == TOKEN_IN_QUERY:
            tokens.append(value)
        else:
            other_pairs.append(pair)

    in_path = TOKEN_IN_PATH.fullmatch(path)
    if in_path:
        tokens.append(in_path[1])
        path = in_path[2]
    return [token for token in tokens if token], path, "&".join(other_pairs)


def _sent_path(path: str, raw_path: str | None) -> str:
    """Return the path as it was sent, or its plain spelling if that is not known."""
    if raw_path is not None and unquote(raw_path) == path:
        return raw_path
    return quote(path, errors="replace")


def _decoded(sent_path: str) -> str:
    """Return a path as every server decodes it.

    Raises:
        Refused: servers could read the path in different ways.
    """
    if not sent_path.startswith("/") or not PRINTABLE.fullmatch(sent_path):
        raise Refused("bad-path")

    segments = [_decoded_segment(text) for text in sent_path[1:].split("/")]
    has_empty_segment = "" in segments[:-1]
    # A server behind this one could take the prefix for that of a token.
    has_prefix = segments[0].lower() == "edge-token"
    if has_empty_segment or has_prefix:
        raise Refused("bad-path")
    return f"/{'/'.join(segments)}"


def _decoded_segment(text: str) -> str:
    try:
        segment = unquote(text, errors="strict")
    except UnicodeDecodeError as exc:
        raise Refused("bad-path") from exc

    # A sign that `unquote` leaves is no escape.
    if UNSAFE_SEGMENT.search(segment):
        raise Refused("bad-path")
    return segment


def _bytes_of(text: str) -> bytes | None:
    """Return the content of base64url, or None if RFC 7515 writes it differently.

    It allows no padding, no other characters, and no bits that do not count.
    """
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    is_canonical = base64.urlsafe_b64encode(content).decode().rstrip("=") == text
    return content if is_canonical else None


def _object_in(part: str) -> dict[str, Any]:
    """Return the object that a part of a token contains."""
    content = _bytes_of(part)
    try:
        value = json.loads((content or b"").decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise Refused("malformed") from exc
    if not isinstance(value, dict):
        raise Refused("malformed")
    return value


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def _time_of(value: Any) -> float:
    """Return a time of a claim, which must be a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise Refused("malformed")
    return float(value)


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


# --- answers --------------------------------------------------------------------


type Headers = list[tuple[str, str]]


def _forbidden(refused: Refused) -> Headers:
    return [
        ("X-Edge-Token-Refused", refused.reason),
        ("Cache-Control", "no-store"),
        ("Content-Length", "0"),
    ]


def _preflight(
    method: str, *, origin: str, requested: str, fields: str
) -> Headers | None:
    """Return the answer to a preflight, or None for another request.

    A browser asks for permission without the token.
    """
    if method != "OPTIONS" or not origin or not requested:
        return None

    is_plain = HEADER_VALUE.fullmatch(requested) and HEADER_VALUE.fullmatch(fields)
    return [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", requested if is_plain else "GET"),
        ("Access-Control-Allow-Headers", fields if is_plain else "X-Edge-Token"),
        ("Access-Control-Max-Age", "7200"),
        ("Cache-Control", "no-store"),
    ]


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
        """Answer 403 or a preflight, or call the application."""
        preflight = _preflight(
            environ["REQUEST_METHOD"],
            origin=environ.get("HTTP_ORIGIN", ""),
            requested=environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", ""),
            fields=environ.get(
                "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", TOKEN_HEADER.decode()
            ),
        )
        if preflight:
            start_response("204 No Content", preflight)
            return []

        mount = environ.get("SCRIPT_NAME", "")
        try:
            passed = self.tokens.check(
                path=_from_wsgi(environ.get("PATH_INFO", "")),
                query=environ.get("QUERY_STRING", ""),
                headers=[environ.pop("HTTP_X_EDGE_TOKEN", "")],
                address=environ.get("REMOTE_ADDR", ""),
                raw_path=_raw_path(environ, mount),
            )
        except Refused as refused:
            start_response("403 Forbidden", _forbidden(refused))
            return [b""]

        environ["PATH_INFO"] = passed.path.encode().decode("latin-1")
        environ["QUERY_STRING"] = passed.query
        environ["edge.claims"] = passed.claims
        for name in environ.keys() & set(RAW_URLS):
            path = quote(_from_wsgi(mount) + passed.path)
            environ[name] = f"{path}?{passed.query}" if passed.query else path
        return self.application(environ, start_response)


RAW_URLS = ("RAW_URI", "REQUEST_URI")
"""The variables in which servers give the URL as it was sent."""


def _from_wsgi(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _raw_path(environ: Mapping[str, Any], mount: str) -> str | None:
    """Return the path as it was sent, below the place where the application is."""
    for name in RAW_URLS:
        if name in environ:
            path = str(environ[name]).partition("?")[0]
            return path.removeprefix(quote(_from_wsgi(mount)))
    return None


type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]
type ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class EdgeTokensASGI:
    """Checks edge tokens in front of an ASGI application: HTTP and websockets."""

    def __init__(self, application: ASGI, tokens: EdgeTokens) -> None:
        self.application = application
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer 403 or a preflight, or call the application."""
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise ValueError(f"no edge token protects {scope['type']!r}")

        preflight = _preflight_of(scope)
        if preflight:
            await _send(send, 204, preflight)
            return

        try:
            # The keys can require a download, which must not block the event loop.
            passed = await asyncio.to_thread(self._check, scope)
        except Refused as refused:
            await _refuse(scope, send, refused)
            return

        path = quote(passed.path).encode()
        query = passed.query.encode("latin-1")
        others = [pair for pair in scope["headers"] if not _is(pair[0], TOKEN_HEADER)]
        changes = {
            "path": passed.path,
            "raw_path": path,
            "query_string": query,
            "headers": others,
            "edge.claims": passed.claims,
        }
        await self.application({**scope, **changes}, receive, send)

    def _check(self, scope: Scope) -> Passed:
        raw_path = (scope.get("raw_path") or b"").decode("latin-1")
        address, *_ = scope.get("client") or [""]
        return self.tokens.check(
            path=scope["path"],
            query=scope.get("query_string", b"").decode("latin-1"),
            headers=_values(scope, TOKEN_HEADER),
            address=address,
            raw_path=raw_path.partition("?")[0] or None,
        )


def _values(scope: Scope, wanted: bytes) -> list[str]:
    """Return all values of a header."""
    pairs = scope["headers"]
    return [value.decode("latin-1") for name, value in pairs if _is(name, wanted)]


def _is(name: bytes, wanted: bytes) -> bool:
    return name.lower() == wanted


def _preflight_of(scope: Scope) -> Headers | None:
    fields = _values(scope, b"access-control-request-headers")
    return _preflight(
        scope.get("method", ""),
        origin=",".join(_values(scope, b"origin")),
        requested=",".join(_values(scope, b"access-control-request-method")),
        fields=",".join(fields) or TOKEN_HEADER.decode(),
    )


async def _refuse(scope: Scope, send: Any, refused: Refused) -> None:
    """Answer 403. A server answers a websocket that is closed unaccepted so too."""
    is_websocket = scope["type"] == "websocket"
    if not is_websocket:
        await _send(send, 403, _forbidden(refused))
    elif "websocket.http.response" in scope.get("extensions", {}):
        await _send(send, 403, _forbidden(refused), kind="websocket.http")
    else:
        await send({"type": "websocket.close", "reason": refused.reason})


async def _send(
    send: Any, status: int, headers: Headers, *, kind: str = "http"
) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
    start = {"type": f"{kind}.response.start", "status": status, "headers": pairs}
    await send(start)
    await send({"type": f"{kind}.response.body", "body": b""})

"""What whoever checks edge tokens has to let through, and what it has to refuse, and why: one table for all of them."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jwt

from deploy.management.commands.keys import new_key
from streams_project.edge_keys import EdgeKey, edge_keys

ISSUER, AUDIENCE, SKEW_SECONDS = "https://streams.example.com", "cdn.example.com", 30
ADDRESS = "127.0.0.1"
HEADER = "X-Edge-Token"


class Vector(NamedTuple):
    """A request, and why it is refused; or None, and what is asked of the origin then."""

    name: str
    refused: str | None
    url: str
    headers: Sequence[tuple[str, str]] = ()
    asked: str = "/film-1/seg-1.ts"
    method: str = "GET"


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "kXb0VYtlIbpXGnGm",
        "jti": "JaSBb31c3Lg",
        "epoch": 1_800_000_000_000_123,
        "streamId": "film-1",
        "exp": int(time.time()) + 40,
    }
    return good | changes


def token(
    key: EdgeKey, *, typ: str = "lease+jwt", kid: str | None = None, **changes: Any
) -> str:
    headers = {"kid": kid or key.kid, "typ": typ}
    return jwt.encode(
        claims(**changes), key.private, algorithm=key.algorithm, headers=headers
    )


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def made_by_hand(
    header: Mapping[str, Any], secret: bytes | None = None, payload: bytes | None = None
) -> str:
    """A token that no library makes: signed by HMAC with whatever text, or not at all."""
    content = json.dumps(claims()).encode() if payload is None else payload
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(content)}"
    mac = (
        b"" if secret is None else hmac.digest(secret, signed.encode(), hashlib.sha256)
    )
    return f"{signed}.{encoded(mac)}"


def signed_text(key: EdgeKey, text: bytes) -> str:
    """A token whose signature is good and whose claims are this text."""
    return jwt.PyJWS().encode(
        text,
        key.private,
        algorithm=key.algorithm,
        headers={"kid": key.kid, "typ": "lease+jwt"},
    )


def vectors(key: EdgeKey) -> list[Vector]:
    """The table, for tokens of this key."""
    good, [stranger] = token(key), edge_keys([new_key(key.algorithm.lower())])
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "lease+jwt"}
    public = json.dumps(dict(key.public)).encode() if key.public else key.kid.encode()
    signature = good.rpartition(".")[2]
    none, guessed = {"alg": "none"}, b"x" * 64
    another = "wrong-algorithm" if key.public else "bad-signature"
    altered = ("A" if signature[9] != "A" else "B").join(
        (signature[:9], signature[10:])
    )
    beside, encoded_path = "/film-1/seg-1.ts", "/Fu%C3%9Fball%201/a.ts"

    def by_header(
        name: str,
        refused: str | None,
        text: str,
        url: str = beside,
        asked: str = beside,
    ) -> Vector:
        return Vector(name, refused, url, [(HEADER, text)], asked)

    return [
        by_header("in a header", None, good),
        Vector("in a query parameter", None, f"{beside}?a=1&edgeToken={good}&b=2", asked=f"{beside}?a=1&b=2"),
        Vector("in the path", None, f"/edge-token/{good}{beside}"),
        Vector("in the path, with a query", None, f"/edge-token/{good}{beside}?a=1", asked=f"{beside}?a=1"),
        Vector("a browser that asks for leave", None, beside, method="OPTIONS"),
        by_header("another streamId", None, token(key, streamId="Fußball 1"), encoded_path, encoded_path),
        by_header("expired a moment ago, within the skew", None, token(key, exp=int(time.time()) - 5)),
        by_header("bound to this network", None, token(key, network="127.0.0.0/24")),
        Vector("no token", "missing", beside),
        by_header("unsigned", "bad-signature", made_by_hand(header)),
        by_header("without the part for a signature", "malformed", good.rpartition(".")[0]),
        by_header("alg: none", "wrong-algorithm", made_by_hand(header | none)),
        by_header("alg: none, signed all the same", "wrong-algorithm", made_by_hand(header | none, guessed)),
        by_header("signed by HMAC with what is public", another, made_by_hand(header | {"alg": "HS256"}, public)),
        by_header("of another algorithm", "wrong-algorithm", made_by_hand(header | {"alg": "HS512"}, guessed)),
        by_header("another's key", "unknown-key", token(stranger)),
        by_header("another's key under a kid that is known", "bad-signature", token(stranger, kid=key.kid)),
        by_header("an altered signature", "bad-signature", f"{good.rpartition('.')[0]}.{altered}"),
        by_header("kid: __proto__", "unknown-key", token(key, kid="__proto__")),
        by_header("kid: constructor", "unknown-key", token(key, kid="constructor")),
        by_header("without a kid", "unknown-key", made_by_hand({"alg": key.algorithm}, guessed)),
        by_header("of another type", "wrong-type", token(key, typ="JWT")),
        by_header("of another issuer", "wrong-issuer", token(key, iss="https://evil.example.com")),
        by_header("for another audience", "wrong-audience", token(key, aud="other.example.com")),
        by_header("expired", "expired", token(key, exp=int(time.time()) - 60)),
        by_header("not JSON", "malformed", signed_text(key, b"film-1")),
        by_header("JSON, but no object", "malformed", signed_text(key, b"null")),
        by_header("a header that is not JSON", "malformed", f"film.{good.partition('.')[2]}"),
        by_header("truncated", "bad-signature", good[: good.rindex(".") + 41]),
        by_header("nonsense", "malformed", "nonsense"),
        by_header("of another stream", "wrong-stream", good, "/film-2/seg-1.ts"),
        by_header("of no stream", "wrong-stream", good, "/film-1"),
        by_header("by way of another stream", "bad-path", good, "/film-1/../film-2/seg-1.ts"),
        by_header("by way of another stream, encoded", "bad-path", good, "/film-1/%2e%2E/film-2/seg-1.ts"),
        by_header("by way of another stream, encoded in one", "bad-path", good, "/film-1/..%2ffilm-2/seg-1.ts"),
        by_header("bound to another network", "wrong-network", token(key, network="203.0.113.0/24")),
        Vector("in two places", "two-tokens", f"{beside}?edgeToken={good}", [(HEADER, good)]),
        Vector("in the path and the query", "two-tokens", f"/edge-token/{good}{beside}?edgeToken={good}"),
        Vector("twice in the query", "two-tokens", f"{beside}?edgeToken={good}&edgeToken={good}"),
        Vector("twice in headers", "two-tokens", beside, [(HEADER, good), (HEADER.lower(), good)]),
    ]  # fmt: skip

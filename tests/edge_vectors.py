"""Requests with edge tokens, and the verdict that every validator must reach."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt

from streams.edge_keys import EdgeKey, edge_keys, new_key

ISSUER = "https://streams.example.com"
AUDIENCE = "cdn.example.com"
SKEW_SECONDS = 30
ADDRESS = "127.0.0.1"
HEADER = "X-Edge-Token"

SEGMENT = "/film-1/seg-1.ts"
ENCODED_SEGMENT = "/Fu%C3%9Fball%201/a.ts"
NO_ALGORITHM = {"alg": "none"}
GUESSED_SECRET = b"x" * 64


class Vector(NamedTuple):
    """A request, and why it is refused.

    `refused` is None for a valid request; `asked` is then the URL for the origin.
    """

    name: str
    refused: str | None
    url: str
    headers: Sequence[tuple[str, str]] = ()
    asked: str = SEGMENT
    method: str = "GET"


def vectors(key: EdgeKey) -> list[Vector]:
    """Return the table for tokens of this key."""
    table = _Table(key)
    return [
        *table.accepted(),
        *table.unsigned(),
        *table.with_other_keys(),
        *table.with_other_claims(),
        *table.malformed(),
        *table.for_other_paths(),
        *table.duplicated(),
    ]


def claims(**changes: Any) -> dict[str, Any]:
    """Return valid claims, with changes."""
    valid = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "kXb0VYtlIbpXGnGm",
        "jti": "JaSBb31c3Lg",
        "epoch": 1_800_000_000_000_123,
        "streamId": "film-1",
        "exp": _seconds_from_now(40),
    }
    return valid | changes


def _seconds_from_now(seconds: int) -> int:
    return int(time.time()) + seconds


def token(
    key: EdgeKey, *, typ: str = "lease+jwt", kid: str | None = None, **changes: Any
) -> str:
    """Return a signed token, with changes of its claims."""
    return jwt.encode(
        claims(**changes),
        key.private,
        algorithm=key.algorithm,
        headers={"kid": kid or key.kid, "typ": typ},
    )


def encoded(content: bytes) -> str:
    """Return content in base64url, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def made_by_hand(header: Mapping[str, Any], secret: bytes | None = None) -> str:
    """Return a token that no library makes: signed with any text, or not signed."""
    signed = ".".join(
        encoded(json.dumps(part).encode()) for part in (dict(header), claims())
    )
    mac = b""
    if secret is not None:
        mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{encoded(mac)}"


def signed_text(key: EdgeKey, text: bytes) -> str:
    """Return a token with a valid signature of any text instead of claims."""
    return jwt.PyJWS().encode(
        text,
        key.private,
        algorithm=key.algorithm,
        headers={"kid": key.kid, "typ": "lease+jwt"},
    )


@dataclass
class _Table:
    key: EdgeKey

    def __post_init__(self) -> None:
        self.token = token(self.key)
        self.header = {
            "alg": self.key.algorithm,
            "kid": self.key.kid,
            "typ": "lease+jwt",
        }

    def accepted(self) -> Iterator[Vector]:
        in_query = f"edgeToken={self.token}"
        in_path = f"/edge-token/{self.token}{SEGMENT}"

        yield in_header("in a header", None, self.token)
        yield Vector(
            "in a query parameter",
            None,
            f"{SEGMENT}?a=1&{in_query}&b=2",
            asked=f"{SEGMENT}?a=1&b=2",
        )
        yield Vector("in the path", None, in_path)
        yield Vector(
            "in the path, with a query",
            None,
            f"{in_path}?a=1",
            asked=f"{SEGMENT}?a=1",
        )
        yield Vector("a browser's preflight", None, SEGMENT, method="OPTIONS")
        yield Vector(
            "a streamId with reserved characters",
            None,
            ENCODED_SEGMENT,
            [(HEADER, token(self.key, streamId="Fußball 1"))],
            asked=ENCODED_SEGMENT,
        )
        yield in_header(
            "expired a moment ago, within the skew",
            None,
            token(self.key, exp=_seconds_from_now(-5)),
        )
        yield in_header(
            "bound to this network",
            None,
            token(self.key, network="127.0.0.0/24"),
        )

    def unsigned(self) -> Iterator[Vector]:
        without_signature = self.token.rpartition(".")[0]
        no_algorithm = self.header | NO_ALGORITHM

        yield Vector("no token", "missing", SEGMENT)
        yield in_header("unsigned", "bad-signature", made_by_hand(self.header))
        yield in_header("without a signature part", "malformed", without_signature)
        yield in_header("alg: none", "wrong-algorithm", made_by_hand(no_algorithm))
        yield in_header(
            "alg: none, with a signature",
            "wrong-algorithm",
            made_by_hand(no_algorithm, GUESSED_SECRET),
        )

    def with_other_keys(self) -> Iterator[Vector]:
        key = self.key
        [other_key] = edge_keys([new_key(key.algorithm.lower())])
        public_text = (
            json.dumps(dict(key.public)).encode() if key.public else key.kid.encode()
        )
        without_kid = {"alg": key.algorithm}

        yield in_header(
            "signed by HMAC with public text",
            "wrong-algorithm" if key.public else "bad-signature",
            made_by_hand(self.header | {"alg": "HS256"}, public_text),
        )
        yield in_header(
            "of another algorithm",
            "wrong-algorithm",
            made_by_hand(self.header | {"alg": "HS512"}, GUESSED_SECRET),
        )
        yield in_header("of another key", "unknown-key", token(other_key))
        yield in_header(
            "of another key under a known kid",
            "bad-signature",
            token(other_key, kid=key.kid),
        )
        yield in_header(
            "an altered signature",
            "bad-signature",
            _with_altered_signature(self.token),
        )
        yield in_header("kid: __proto__", "unknown-key", token(key, kid="__proto__"))
        yield in_header(
            "kid: constructor", "unknown-key", token(key, kid="constructor")
        )
        yield in_header(
            "without a kid",
            "unknown-key",
            made_by_hand(without_kid, GUESSED_SECRET),
        )

    def with_other_claims(self) -> Iterator[Vector]:
        key = self.key
        yield in_header("of another type", "wrong-type", token(key, typ="JWT"))
        yield in_header(
            "of another issuer",
            "wrong-issuer",
            token(key, iss="https://evil.example.com"),
        )
        yield in_header(
            "for another audience",
            "wrong-audience",
            token(key, aud="other.example.com"),
        )
        yield in_header("expired", "expired", token(key, exp=_seconds_from_now(-60)))
        yield in_header(
            "bound to another network",
            "wrong-network",
            token(key, network="203.0.113.0/24"),
        )

    def malformed(self) -> Iterator[Vector]:
        claims_and_signature = self.token.partition(".")[2]
        truncated = self.token[: self.token.rindex(".") + 41]

        yield in_header("not JSON", "malformed", signed_text(self.key, b"film-1"))
        yield in_header(
            "JSON without an object", "malformed", signed_text(self.key, b"null")
        )
        yield in_header(
            "a header that is not JSON",
            "malformed",
            f"film.{claims_and_signature}",
        )
        yield in_header("truncated", "bad-signature", truncated)
        yield in_header("not a token", "malformed", "nonsense")

    def for_other_paths(self) -> Iterator[Vector]:
        for name, refused, url in (
            ("another stream", "wrong-stream", "/film-2/seg-1.ts"),
            ("no stream", "wrong-stream", "/film-1"),
            ("dots to another stream", "bad-path", "/film-1/../film-2/seg-1.ts"),
            ("encoded dots", "bad-path", "/film-1/%2e%2E/film-2/seg-1.ts"),
            ("an encoded slash", "bad-path", "/film-1/..%2ffilm-2/seg-1.ts"),
        ):
            yield Vector(name, refused, url, [(HEADER, self.token)])

    def duplicated(self) -> Iterator[Vector]:
        in_query = f"edgeToken={self.token}"
        in_path = f"/edge-token/{self.token}{SEGMENT}"
        header = (HEADER, self.token)
        lower_case_header = (HEADER.lower(), self.token)

        for name, url, headers in (
            ("in two places", f"{SEGMENT}?{in_query}", [header]),
            ("in the path and the query", f"{in_path}?{in_query}", []),
            ("twice in the query", f"{SEGMENT}?{in_query}&{in_query}", []),
            ("twice in headers", SEGMENT, [header, lower_case_header]),
        ):
            yield Vector(name, "two-tokens", url, headers)


def in_header(name: str, refused: str | None, text: str) -> Vector:
    """Return a request for a segment with a token in its header."""
    return Vector(name, refused, SEGMENT, [(HEADER, text)])


def _with_altered_signature(text: str) -> str:
    """Return a token with one character of its signature changed."""
    signed, _, signature = text.rpartition(".")
    other = "A" if signature[9] != "A" else "B"
    return f"{signed}.{signature[:9]}{other}{signature[10:]}"

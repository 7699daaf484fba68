"""Requests with edge tokens, and the verdict that every validator must reach.

`edge_vectors.json` is the table. A vector names the changes of a valid request, and one
verdict: `refused` with a reason, `answered` with a status, or `asked` with the URL that
the origin receives. Without other values it is a GET of `SEGMENT` with a valid token in
its header. `{token}` and `{kid}` stand for those of the key.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from streams.edge_keys import EdgeKey, edge_keys, new_key
from tests.edge_token_edits import EDITS, Parts, encoded

TABLE = json.loads(Path(__file__).with_suffix(".json").read_text())
ISSUER: str = TABLE["issuer"]
AUDIENCE: str = TABLE["audience"]
SKEW_SECONDS: int = TABLE["skewSeconds"]
ADDRESS: str = TABLE["address"]

HEADER = "X-Edge-Token"
SEGMENT = "/film-1/seg-1.ts"
GUESSED_SECRET = b"x" * 64


class Vector(NamedTuple):
    """A request and its verdict, such as `refused: expired`."""

    name: str
    verdict: str
    url: str = SEGMENT
    headers: Sequence[tuple[str, str]] = ()
    method: str = "GET"


def vectors(key: EdgeKey) -> list[Vector]:
    """Return the table for tokens of this key."""
    return [
        _vector(row, key)
        for row in TABLE["vectors"]
        if key.algorithm in row.get("only", [key.algorithm])
    ]


def _vector(row: Mapping[str, Any], key: EdgeKey) -> Vector:
    text = token(key, **row.get("token", {}))
    headers = row.get("headers", [[HEADER, "{token}"]])
    return Vector(
        name=row["name"],
        verdict=_verdict(row),
        url=row.get("url", SEGMENT).replace("{token}", text),
        headers=[(name, value.replace("{token}", text)) for name, value in headers],
        method=row.get("method", "GET"),
    )


def _verdict(row: Mapping[str, Any]) -> str:
    [verdict] = [
        f"{kind}: {row[kind]}"
        for kind in ("refused", "answered", "asked")
        if kind in row
    ]
    return verdict


def token(
    key: EdgeKey,
    *,
    claims: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    header: Mapping[str, Any] | None = None,
    withoutHeader: Sequence[str] = (),  # noqa: N803  # a member of the table
    payload: str | None = None,
    signedBy: str = "key",  # noqa: N803  # a member of the table
    edit: str | None = None,
) -> str:
    """Return the token that a vector describes: a valid one with changes."""
    signer = SIGNERS[signedBy](key)
    body = _changed(TABLE["claims"], claims or {}, without, key)
    plain = {"alg": key.algorithm, "kid": signer.kid, "typ": "lease+jwt"}
    head = _changed(plain, header or {}, withoutHeader, key)

    parts = Parts(
        header=json.dumps(head).encode(),
        payload=(payload or json.dumps(body)).encode(),
        sign=signer.sign,
    )
    return EDITS[edit](parts) if edit else parts.token()


def _changed(
    plain: Mapping[str, Any],
    changes: Mapping[str, Any],
    without: Sequence[str],
    key: EdgeKey,
) -> dict[str, Any]:
    text = json.dumps({**plain, **changes}).replace("{kid}", key.kid)
    values = {name: _resolved(value) for name, value in json.loads(text).items()}
    return {name: value for name, value in values.items() if name not in without}


def _resolved(value: Any) -> Any:
    """Return a value of the table, with times that are relative to now."""
    is_relative = isinstance(value, dict) and "fromNow" in value
    return int(time.time()) + value["fromNow"] if is_relative else value


class Signer(NamedTuple):
    """A way to sign the text of a token, and the `kid` that the token names."""

    kid: str
    sign: Callable[[bytes], bytes]


def _signer(key: EdgeKey) -> Signer:
    algorithm = jwt.get_algorithm_by_name(key.algorithm)
    private = algorithm.prepare_key(key.private)
    return Signer(key.kid, lambda text: algorithm.sign(text, private))


def _other_signer(key: EdgeKey) -> Signer:
    [other_key] = edge_keys([new_key(key.algorithm.lower())])
    return _signer(other_key)


def _hmac_signer(key: EdgeKey, secret: bytes) -> Signer:
    return Signer(key.kid, lambda text: hmac.digest(secret, text, hashlib.sha256))


def _public_text_signer(key: EdgeKey) -> Signer:
    text = json.dumps(dict(key.public)) if key.public else key.kid
    return _hmac_signer(key, text.encode())


SIGNERS: Mapping[str, Callable[[EdgeKey], Signer]] = {
    "key": _signer,
    "another key": _other_signer,
    "public text": _public_text_signer,
    "a guess": lambda key: _hmac_signer(key, GUESSED_SECRET),
    "nothing": lambda key: Signer(key.kid, lambda text: b""),
}
"""Signers by their name in the table."""


def jwks(*keys: EdgeKey) -> dict[str, Any]:
    """Return the keys for a validator: published keys, and secrets as `oct` keys."""
    return {"keys": [dict(key.public or _secret_jwk(key)) for key in keys]}


def _secret_jwk(key: EdgeKey) -> dict[str, str]:
    return {"kty": "oct", "kid": key.kid, "k": encoded(key.private.encode())}

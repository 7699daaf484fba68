"""Reads the keys that sign edge tokens at start-up.

An error names the position of the key, and contains no part of it.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, override

import jwt
from django.core.exceptions import ImproperlyConfigured

from streams.credentials import check_secrets
from streams.setting_kinds import Kind, comma_separated

IN_A_FILE = "file:"
PEM = "-----BEGIN "

THUMBPRINT_MEMBERS = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "oct": ("k", "kty"),
}
"""The members of a JWK that its thumbprint covers (RFC 7638), by type of key."""


class EdgeKey(NamedTuple):
    """A key with its JWK, which is None for a secret."""

    kid: str
    algorithm: str
    private: Any
    public: Mapping[str, str] | None


class EdgeKeys(Kind[list[EdgeKey]]):
    """A list of keys, as text or as `EdgeKey`."""

    description = (
        "random secrets of at least 32 characters or private keys in PEM, "
        "separated by commas"
    )
    is_secret = True

    @override
    def check(self, value: Any) -> list[EdgeKey]:
        return edge_keys(value)

    @override
    def parse(self, text: str) -> list[EdgeKey]:
        return edge_keys(comma_separated(text))


def edge_keys(entries: Iterable[str | EdgeKey]) -> list[EdgeKey]:
    """Return the keys of `EDGE_TOKEN_KEYS`.

    A key is an HMAC secret (HS256) or a private key in PEM, of P-256 (ES256) or
    Ed25519 (EdDSA). An entry `file:PATH` names a file that contains the key.

    Raises:
        ImproperlyConfigured: an entry is not a key.
    """
    return [_key(number, entry) for number, entry in enumerate(entries, start=1)]


def new_key(kind: str) -> str:
    """Return a new key for `EDGE_TOKEN_KEYS`: `hs256`, `es256` or `eddsa`."""
    if kind == "hs256":
        return secrets.token_urlsafe(48)

    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "es256"
        else ed25519.Ed25519PrivateKey.generate()
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode().strip()


def check(key: EdgeKey, *, issuer: str, audience: str) -> None:
    """Sign a token with a key and verify it as an edge does.

    Raises:
        jwt.PyJWTError: the token does not verify.
    """
    token = jwt.encode(
        {"iss": issuer, "aud": audience},
        key.private,
        algorithm=key.algorithm,
        headers={"kid": key.kid},
    )
    verifying_key = jwt.PyJWK(dict(key.public)) if key.public else key.private
    jwt.decode(token, verifying_key, algorithms=[key.algorithm], audience=audience)


def _text(number: int, entry: str) -> str:
    text = entry
    if entry.startswith(IN_A_FILE):
        path = Path(entry.removeprefix(IN_A_FILE))
        try:
            text = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise _refused(f"the file of key {number} cannot be read") from exc
    return text.replace("\\n", "\n") if text.startswith(PEM) else text


def _key(number: int, entry: str | EdgeKey) -> EdgeKey:
    if isinstance(entry, EdgeKey):
        return entry

    text = _text(number, entry)
    if text.startswith(PEM):
        return _pem_key(number, text)

    check_secrets("EDGE_TOKEN_KEYS", [text], first=number)
    jwk = jwt.get_algorithm_by_name("HS256").to_jwk(text.encode(), as_dict=True)
    return EdgeKey(_thumbprint(jwk), "HS256", text, None)


def _pem_key(number: int, text: str) -> EdgeKey:
    if find_spec("cryptography") is None:
        raise ImproperlyConfigured(
            "EDGE_TOKEN_KEYS: a PEM key requires the package cryptography. "
            "Install requirements-jwks.txt."
        )
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as exc:
        raise _refused(
            f"key {number} is not a private key in PEM without a passphrase"
        ) from exc

    algorithm = _algorithm_of(key)
    if algorithm is None:
        raise _refused(f"key {number} must be P-256 (ES256) or Ed25519 (EdDSA)")

    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    kid = _thumbprint(jwk)
    public = {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}
    return EdgeKey(kid, algorithm, key, public)


def _algorithm_of(key: Any) -> str | None:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        SECP256R1,
        EllipticCurvePrivateKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    return "EdDSA" if isinstance(key, Ed25519PrivateKey) else None


def _thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the thumbprint of a JWK (RFC 7638)."""
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refused(fault: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"EDGE_TOKEN_KEYS: {fault}. Create one: manage.py keys new es256"
    )

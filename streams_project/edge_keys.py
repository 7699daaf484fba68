"""The keys that sign edge tokens, from the environment, checked at start: what is refused is named, and no part of it
is printed."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from django.core.exceptions import ImproperlyConfigured

from streams_project.credentials import check_secrets

IN_A_FILE = "file:"
PEM = "-----BEGIN "
THUMBPRINT_OF = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "oct": ("k", "kty"),
}
"""The members of a JWK that its thumbprint is of (RFC 7638)."""


class EdgeKey(NamedTuple):
    """A key: what signs, and the JWK that may be published, None of a secret."""

    kid: str
    algorithm: str
    private: Any
    public: Mapping[str, str] | None


def texts(listed: Iterable[str]) -> list[str]:
    """The keys as text, those in files (`file:/run/secrets/edge.pem`) read."""
    return [_text(number, text) for number, text in enumerate(listed, start=1)]


def edge_keys(keys: Iterable[str]) -> list[EdgeKey]:
    """The keys of `EDGE_TOKEN_KEYS`: HMAC secrets (HS256), and private keys in PEM, of P-256 (ES256) or Ed25519."""
    return [_key(number, text) for number, text in enumerate(keys, start=1)]


def _text(number: int, text: str) -> str:
    if text.startswith(IN_A_FILE):
        try:
            text = Path(text.removeprefix(IN_A_FILE)).read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise _refused(number, "names a file that cannot be read") from exc
    return text.replace("\\n", "\n") if text.startswith(PEM) else text


def _key(number: int, text: str) -> EdgeKey:
    if not text.startswith(PEM):
        check_secrets("EDGE_TOKEN_KEYS", [text], first=number)
        jwk = jwt.get_algorithm_by_name("HS256").to_jwk(text.encode(), as_dict=True)
        return EdgeKey(_thumbprint(jwk), "HS256", text, None)
    if find_spec("cryptography") is None:
        raise ImproperlyConfigured(
            "EDGE_TOKEN_KEYS with a PEM key needs the package cryptography: install requirements-jwks.txt too."
        )
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import (
        SECP256R1,
        EllipticCurvePrivateKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as exc:
        raise _refused(number, "is no private key in PEM without a passphrase") from exc
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        algorithm = "ES256"
    elif isinstance(key, Ed25519PrivateKey):
        algorithm = "EdDSA"
    else:
        raise _refused(
            number, "is neither of the curve P-256 (ES256) nor Ed25519 (EdDSA)"
        )
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    kid = _thumbprint(public)
    return EdgeKey(
        kid, algorithm, key, {**public, "kid": kid, "alg": algorithm, "use": "sig"}
    )


def _thumbprint(jwk: Mapping[str, str]) -> str:
    members = {name: jwk[name] for name in THUMBPRINT_OF[jwk["kty"]]}
    digest = hashlib.sha256(
        json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    ).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refused(number: int, fault: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"EDGE_TOKEN_KEYS: number {number} {fault}. Make one with: manage.py keys new es256"
    )

"""Bearer tokens of an identity provider, and the callers that they name."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from streams.authentication import BearerAuthentication, Caller

SECRET = "s" * 64
NEXT_SECRET = "n" * 64
ISSUER = "https://id.example.com"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: Any) -> dict[str, Any]:
    """Return valid claims with these changes. Claims of value `None` are omitted."""
    valid = {
        "sub": "ana",
        "iss": ISSUER,
        "aud": "streams",
        "exp": time.time() + 3600,
    }
    changed = valid | changes
    return {name: value for name, value in changed.items() if value is not None}


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **changes: Any
) -> str:
    """Return a signed token whose claims have these changes."""
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def request(**headers: str) -> Request:
    """Return a request with these headers, as WSGI names them."""
    return Request(APIRequestFactory().get("/", **headers))  # type: ignore[arg-type]


def caller_of(bearer: str) -> Caller | None:
    """Return the caller that a bearer token names."""
    with_token = request(HTTP_AUTHORIZATION=f"Bearer {bearer}")
    authenticated = BearerAuthentication().authenticate(with_token)
    return authenticated[0] if authenticated else None


def public_key(key: Any, kid: str) -> dict[str, Any]:
    """Return the public key as an identity provider publishes it."""
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    algorithm = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
    published: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return published | {"kid": kid}

"""Bearer tokens that are verified with the published keys of an identity provider."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.exceptions import AuthenticationFailed

from streams import published_keys
from streams.authentication import Caller
from streams.errors import IssuerUnavailable
from tests.http.bearer_tokens import (
    EC_KEY,
    RSA_KEY,
    SECRET,
    caller_of,
    claims,
    public_key,
    token,
)
from tests.servers import running, runserver
from tests.wsgi_servers import serving


@pytest.mark.usefixtures("key_file")
@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA_KEY, "RS256", "rsa-1"), (EC_KEY, "ES256", "ec-1")],
    ids=["RS256", "ES256"],
)
def test_a_token_signed_with_a_published_key_is_valid(
    key: Any, algorithm: str, kid: str
) -> None:
    assert caller_of(token(key, algorithm, kid)) == Caller(user_id="ana")


@pytest.mark.usefixtures("key_file")
@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA_KEY, "RS256", "unknown"),
        (RSA_KEY, "RS256", None),
        (EC_KEY, "ES256", "rsa-1"),
        (RSA_KEY, "PS256", "rsa-1"),
        (SECRET, "HS256", "rsa-1"),
        ("", "none", "rsa-1"),
        (
            rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "RS256",
            "rsa-1",
        ),
    ],
    ids=[
        "unknown key",
        "no key",
        "another kind of key",
        "another algorithm",
        "shared secret",
        "unsigned",
        "forged",
    ],
)
def test_a_token_signed_with_another_key_is_rejected(
    key: Any, algorithm: str, kid: str | None
) -> None:
    with pytest.raises(AuthenticationFailed):
        caller_of(token(key, algorithm, kid))


@pytest.mark.usefixtures("key_file")
def test_a_public_key_is_not_accepted_as_a_shared_secret() -> None:
    """Sign with HS256 and the text of the public key as the secret."""
    import base64
    import hmac

    pem = RSA_KEY.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}, claims()]
    signed = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in parts
    )
    signature = base64.urlsafe_b64encode(hmac.digest(pem, signed, "sha256")).rstrip(
        b"="
    )

    with pytest.raises(AuthenticationFailed):
        caller_of((signed + b"." + signature).decode())


def test_keys_rotate_when_their_file_changes(key_file: Path) -> None:
    new_key = ec.generate_private_key(ec.SECP256R1())

    assert caller_of(token(EC_KEY, "ES256", "ec-1"))

    key_file.write_text(json.dumps({"keys": [public_key(new_key, "ec-2")]}))

    assert caller_of(token(new_key, "ES256", "ec-2")) == Caller(user_id="ana")
    with pytest.raises(AuthenticationFailed):
        caller_of(token(EC_KEY, "ES256", "ec-1", jti="another"))


def test_keys_at_a_url_are_fetched_once(key_file: Path, settings: Any) -> None:
    reads: list[str] = []

    def publish(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        reads.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [key_file.read_bytes()]

    with serving(publish) as url:
        settings.AUTH_JWKS = f"{url}/jwks.json"
        for number in range(3):
            assert caller_of(token(EC_KEY, "ES256", "ec-1", jti=str(number)))
            with pytest.raises(AuthenticationFailed):
                caller_of(token(EC_KEY, "ES256", f"unknown-{number}"))

    assert reads == ["/jwks.json"]


def test_a_key_that_was_published_after_the_first_fetch_is_valid(
    key_file: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key = ec.generate_private_key(ec.SECP256R1())

    def publish(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [key_file.read_bytes()]

    with serving(publish) as url:
        settings.AUTH_JWKS = f"{url}/jwks.json"
        assert caller_of(token(EC_KEY, "ES256", "ec-1")) == Caller(user_id="ana")
        key_file.write_text(json.dumps({"keys": [public_key(new_key, "ec-2")]}))
        monkeypatch.setattr(published_keys, "PAUSE_SECONDS", 0)  # half a minute later
        assert caller_of(token(new_key, "ES256", "ec-2")) == Caller(user_id="ana")
        with pytest.raises(AuthenticationFailed):
            caller_of(token(EC_KEY, "ES256", "ec-1", jti="withdrawn"))


def test_tokens_are_rejected_if_the_keys_cannot_be_fetched(
    key_file: Path, settings: Any
) -> None:
    settings.AUTH_JWKS = "http://127.0.0.1:9/jwks.json"
    with pytest.raises(IssuerUnavailable):
        caller_of(token(EC_KEY, "ES256", "ec-1"))


def test_a_caller_learns_when_to_retry_if_the_keys_cannot_be_fetched() -> None:
    issuer = {
        "AUTH_JWKS": "http://127.0.0.1:9/jwks.json",
        "AUTH_ISSUER": "https://id.example.com",
    }
    environment = (
        os.environ | issuer | {"AUTH_AUDIENCE": "streams", "PYTHONUNBUFFERED": "1"}
    )
    bearer = {"Authorization": f"Bearer {token(EC_KEY, 'ES256', 'ec-1')}"}
    with running(runserver(), environment) as server, server.client() as client:
        answer = client.get("/users/ana/streams", headers=bearer)

    assert answer.status_code == 503
    assert answer.json()["type"] == "issuer-unavailable"
    assert 1 <= int(answer.headers["Retry-After"]) <= 3

"""API keys and secrets: start-up refuses those that are known or can be guessed."""

import secrets

import pytest

from tests.start_up import (
    API_KEY,
    BEARER,
    OTHER_SECRET,
    PRODUCTION,
    SECRET,
    assert_refused,
    sha256,
    started,
)

PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n"
    "-----END PUBLIC KEY-----"
)

SECRETS = {
    "short": "tiny-7",
    "one letter": "a" * 64,
    "two letters": "ab" * 32,
    "a word over and over": "changeme" * 8,
    "letters in a row": "abcdefghijklmnopqrstuvwxyz012345",
    "PEM": PEM,
    "SSH": f"ssh-rsa {'AAAAB3NzaC1yc2EAAAADAQABAAABgQDV'} ana@laptop",
    "ECDSA for SSH": f"ecdsa-sha2-nistp256 {'AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYA'}",
    "DER": "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + secrets.token_hex(100),
    "DER of an elliptic curve": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
    + secrets.token_hex(30),
    "JWK": '{"kty":"RSA"; "n":"' + secrets.token_urlsafe(256) + '"}',
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("variable", ["LEASE_TOKEN_KEYS", "AUTH_JWT_SECRETS"])
@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_secret_that_can_be_known_or_guessed_stops_the_start(
    variable: str, secret: str, debug: str
) -> None:
    environment = (
        PRODUCTION | BEARER | {"DEBUG": debug, variable: f"{OTHER_SECRET},{secret}"}
    )
    assert_refused(environment, variable, " 2 ", hidden=[secret, secret[:8]])


def test_random_secrets_are_accepted() -> None:
    random_secrets = [
        maker(size)
        for _ in range(500)
        for maker, size in ((secrets.token_hex, 16), (secrets.token_urlsafe, 24))
    ]
    assert (
        random_secrets
        == started(
            PRODUCTION | {"LEASE_TOKEN_KEYS": ",".join(random_secrets)}
        ).LEASE_TOKEN_KEYS
    )


KEYS = {
    "no parts": "hunter2hunter2",
    "the key in the clear": "billing:hunter2hunter2:streams:operate",
    "a key as long as a hash": f"billing:{'hunter2-' * 8}:streams:operate",
    "the hash of an empty key": f"billing:{sha256('')}:streams:operate",
    "the same in capitals": f"billing:{sha256('').upper()}:streams:operate",
    "an empty name": f":{sha256('x')}:streams:operate",
    "a name of two lines": f"bil\nling:{sha256('x')}:streams:operate",
    "no scope": f"billing:{sha256('x')}:",
    "another scope": f"billing:{sha256('x')}:streams:everything",
    "one name twice": f"{API_KEY},billing:{sha256('x')}:streams:admin",
    "one key twice": f"{API_KEY},other:{sha256('the-key').upper()}:streams:admin",
}


@pytest.mark.parametrize("value", KEYS.values(), ids=KEYS)
def test_a_bad_api_key_stops_the_start(value: str) -> None:
    hidden = ["hunter2", sha256("x"), sha256(""), sha256("the-key"), "everything"]
    assert_refused(PRODUCTION | {"API_KEYS": value}, "API_KEYS", hidden=hidden)


@pytest.mark.parametrize(
    "environment",
    [
        {"AUTH_JWT_SECRETS": SECRET},
        {"API_KEYS": f"billing:{sha256(SECRET)}:streams:operate"},
        {"LEASE_TOKEN_KEYS": sha256("the-key")},
        {
            "AUTH_JWT_SECRETS": OTHER_SECRET,
            "API_KEYS": f"billing:{sha256(OTHER_SECRET)}:streams:operate",
        },
    ],
    ids=[
        "lease tokens and bearer tokens",
        "lease tokens and an API key",
        "a key's hash",
        "bearer tokens and an API key",
    ],
)
def test_one_secret_for_two_purposes_stops_the_start(
    environment: dict[str, str],
) -> None:
    message = assert_refused(
        PRODUCTION | BEARER | environment,
        "share a secret",
        hidden=[SECRET, OTHER_SECRET],
    )
    assert all(name in message for name in environment)

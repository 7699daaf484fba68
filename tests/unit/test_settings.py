"""What the process refuses to start with: by the variable's name, and without any part of a secret's value."""

import hashlib
import json
import os
import runpy
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from django.core.exceptions import ImproperlyConfigured

from deploy.management.commands.keys import new_key
from streams_project.edge_keys import edge_keys
from tests.servers import PROJECT


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


SECRET, OTHER = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
API_KEY = f"billing:{sha256('the-key')}:streams:operate"
PRODUCTION = {
    "ALLOWED_HOSTS": "streams.example.com",
    "API_KEYS": API_KEY,
    "LEASE_TOKEN_KEYS": SECRET,
}
BEARER = {"AUTH_ISSUER": "https://id.example.com", "AUTH_AUDIENCE": "streams"}
PEM = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----"
LOCAL_TOKEN_KEY = "local-development-only-local-development-only"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ.keys() & {
        "DEBUG",
        "API_KEYS",
        "LEASE_TOKEN_KEYS",
        *BEARER,
        "ALLOWED_HOSTS",
    }:
        monkeypatch.delenv(name)


def started(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> dict[str, Any]:
    """The settings in this environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(PROJECT / "streams_project" / "settings.py"))


def test_what_production_needs_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = started(
        monkeypatch,
        PRODUCTION
        | BEARER
        | {"AUTH_JWT_SECRETS": OTHER, "AUTH_PERMISSIONS_CLAIM": "roles"},
    )
    assert found["IS_AUTHENTICATED"]
    assert not found["OPEN_ACCESS"]
    assert found["API_KEYS"] == [
        ("billing", sha256("the-key"), frozenset({"streams:operate"}))
    ]
    assert found["AUTH_SCOPE_CLAIMS"] == ["scope", "scp", "roles"]


def test_local_development_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, {"DEBUG": "1", "ALLOWED_HOSTS": "*"})["OPEN_ACCESS"]


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
    monkeypatch: pytest.MonkeyPatch, variable: str, secret: str, debug: str
) -> None:
    environment = PRODUCTION | BEARER | {"DEBUG": debug, variable: f"{OTHER},{secret}"}
    assert_refused(
        monkeypatch, environment, variable, "number 2", hidden=[secret, secret[:8]]
    )


def test_random_secrets_of_every_kind_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [
        maker(size)
        for _ in range(500)
        for maker, size in ((secrets.token_hex, 16), (secrets.token_urlsafe, 24))
    ]
    assert (
        started(monkeypatch, PRODUCTION | {"LEASE_TOKEN_KEYS": ",".join(made)})[
            "LEASE_TOKEN_KEYS"
        ]
        == made
    )


KEYS = {
    "no parts": "hunter2hunter2",
    "the key in the clear": "billing:hunter2hunter2:streams:operate",
    "the key in the clear, as long as a hash": f"billing:{'hunter2-' * 8}:streams:operate",
    "the hash of an empty key": f"billing:{sha256('')}:streams:operate",
    "the hash of an empty key in capitals": f"billing:{sha256('').upper()}:streams:operate",
    "an empty name": f":{sha256('x')}:streams:operate",
    "a name of two lines": f"bil\nling:{sha256('x')}:streams:operate",
    "no scope": f"billing:{sha256('x')}:",
    "another scope": f"billing:{sha256('x')}:streams:everything",
    "one name twice": f"{API_KEY},billing:{sha256('x')}:streams:admin",
    "one key twice": f"{API_KEY},other:{sha256('the-key').upper()}:streams:admin",
}


@pytest.mark.parametrize("value", KEYS.values(), ids=KEYS)
def test_a_bad_api_key_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    hidden = ["hunter2", sha256("x"), sha256(""), sha256("the-key"), "everything"]
    assert_refused(
        monkeypatch, PRODUCTION | {"API_KEYS": value}, "API_KEYS", hidden=hidden
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"AUTH_JWT_SECRETS": SECRET},
        {"API_KEYS": f"billing:{sha256(SECRET)}:streams:operate"},
        {"LEASE_TOKEN_KEYS": sha256("the-key")},
        {
            "AUTH_JWT_SECRETS": OTHER,
            "API_KEYS": f"billing:{sha256(OTHER)}:streams:operate",
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
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    message = assert_refused(
        monkeypatch,
        PRODUCTION | BEARER | environment,
        "share a secret",
        hidden=[SECRET, OTHER],
    )
    assert all(name in message for name in environment)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"DEBUG": "1", "AWS_LAMBDA_FUNCTION_NAME": "stream-limits"}, "DEBUG"),
        ({"LEASE_TOKEN_KEYS": LOCAL_TOKEN_KEY}, "LEASE_TOKEN_KEYS"),
        ({"LEASE_TOKEN_KEYS": f"{SECRET},{LOCAL_TOKEN_KEY}"}, "LEASE_TOKEN_KEYS"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "streams.example.com, *"}, "ALLOWED_HOSTS"),
        ({"AUTH_JWT_SECRETS": OTHER}, "AUTH_ISSUER"),
        (
            {"AUTH_JWT_SECRETS": OTHER, "AUTH_JWKS": "https://id.example.com/jwks"}
            | BEARER,
            "AUTH_JWKS",
        ),
        ({"AUTH_JWKS": "http://ana:hunter2@id.example.com/jwks"} | BEARER, "AUTH_JWKS"),
        ({"AUTH_JWKS": "hunter2"} | BEARER, "AUTH_JWKS"),
    ],
    ids=[
        "DEBUG on Lambda",
        "the local token key",
        "the local token key beside another",
        "every host",
        "every host beside another",
        "no issuer",
        "two ways to know tokens",
        "keys without TLS",
        "no file of keys",
    ],
)
def test_what_is_unsafe_outside_local_development_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], named: str
) -> None:
    assert_refused(
        monkeypatch,
        PRODUCTION | environment,
        named,
        hidden=["hunter2", LOCAL_TOKEN_KEY, SECRET, OTHER],
    )


@pytest.mark.parametrize(
    "origin",
    [
        "https://watch.example.com",
        "https://watch.example.com:8443",
        "http://localhost:3000",
        "http://[::1]:3000",
        "capacitor://localhost",
    ],
)
def test_an_origin_as_a_browser_sends_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    assert started(monkeypatch, PRODUCTION | {"CORS_ALLOWED_ORIGINS": origin})[
        "CORS_ALLOWED_ORIGINS"
    ] == [origin]


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "watch.example.com",
        "https://*.example.com",
        "https://watch.example.com/",
        "https://watch.example.com/app",
        "https://watch.example.com?x",
        "https://ana:hunter2@watch.example.com",
        "https://Watch.example.com",
        "https://watch.example.com:443",
        "http://watch.example.com:80",
        "https://watch.example.com:https",
        "https://",
        "//watch.example.com",
        "https://wätch.example.com",
        "https://watch.example.com https://www.example.com",
    ],
)
def test_what_no_browser_sends_as_an_origin_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    environment = PRODUCTION | {
        "CORS_ALLOWED_ORIGINS": f"https://www.example.com,{origin}"
    }
    assert_refused(
        monkeypatch,
        environment,
        "CORS_ALLOWED_ORIGINS",
        "number 2",
        hidden=["hunter2", "watch", "wätch"],
    )


def assert_refused(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    *said: str,
    hidden: list[str],
) -> str:
    """The message, which holds all that must be said; neither it nor its causes hold what must be hidden."""
    with pytest.raises(ImproperlyConfigured) as refused:
        started(monkeypatch, environment)
    message = str(refused.value)
    assert all(part in message for part in said), message
    shown = repr((refused.value, refused.value.__cause__, refused.value.__context__))
    assert not any(value in shown for value in hidden), shown
    return message


EDGE = {
    "EDGE_TOKEN_ISSUER": "https://streams.example.com",
    "EDGE_TOKEN_AUDIENCE": "cdn.example.com",
}
ES256, EDDSA = new_key("es256"), new_key("eddsa")


def pem(key: Any) -> str:
    text: str = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ).decode()
    return text.strip()


def test_edge_keys_are_secrets_and_private_keys_inline_or_in_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "edge.pem").write_text(f"{EDDSA}\n")
    one_line = ES256.replace("\n", "\\n")
    listed = f"{one_line},{OTHER},file:{tmp_path / 'edge.pem'},{pem(ec.generate_private_key(ec.SECP256R1()))}"
    found = started(monkeypatch, PRODUCTION | EDGE | {"EDGE_TOKEN_KEYS": listed})[
        "EDGE_TOKEN_KEYS"
    ]
    assert [key.algorithm for key in found] == ["ES256", "HS256", "EdDSA", "ES256"]
    assert len({key.kid for key in found}) == 4
    assert all(len(key.kid) == 43 for key in found)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (PEM, "number 2"),
        (ES256[:100], "number 2"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "P-256"),
        ("file:/nowhere/edge.pem", "number 2"),
        ("short", "number 2"),
        (SECRET, "LEASE_TOKEN_KEYS"),
    ],
    ids=[
        "a public key",
        "cut short",
        "another curve",
        "RSA",
        "no such file",
        "a short secret",
        "another purpose",
    ],
)
def test_an_edge_key_that_is_none_or_has_another_purpose_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, key: str, named: str
) -> None:
    environment = PRODUCTION | EDGE | {"EDGE_TOKEN_KEYS": f"{ES256},{key}"}
    message = assert_refused(
        monkeypatch,
        environment,
        "EDGE_TOKEN_KEYS",
        hidden=[key[28:60] or "no part", ES256[28:60]],
    )
    assert named in message


def test_edge_keys_without_an_issuer_and_an_audience_stop_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert_refused(
        monkeypatch,
        PRODUCTION | {"EDGE_TOKEN_KEYS": OTHER},
        "EDGE_TOKEN_ISSUER",
        hidden=[OTHER],
    )


def test_a_key_that_the_identity_provider_publishes_signs_no_edge_tokens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [key] = edge_keys([ES256])
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key.public]}))
    environment = (
        PRODUCTION
        | BEARER
        | EDGE
        | {"AUTH_JWKS": str(tmp_path / "jwks.json"), "EDGE_TOKEN_KEYS": ES256}
    )
    assert_refused(monkeypatch, environment, "AUTH_JWKS", hidden=[ES256])


def test_a_pem_key_without_the_package_that_reads_it_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams_project.edge_keys.find_spec", lambda name: None)
    assert_refused(
        monkeypatch,
        PRODUCTION | EDGE | {"EDGE_TOKEN_KEYS": ES256},
        "requirements-jwks.txt",
        hidden=[ES256],
    )


@pytest.mark.parametrize(
    ("environment", "interval_ms"),
    [
        ({}, 3637),
        ({"LEASE_SECONDS": "30", "EDGE_TOKEN_GRACE_SECONDS": "0"}, 910),
        ({"LEASE_SECONDS": "3600"}, 5000),
        ({"MINT_INTERVAL_SECONDS": "2.5"}, 2500),
        ({"MINT_INTERVAL_SECONDS": "0"}, 0),
    ],
    ids=[
        "default",
        "an eleventh of a token's life",
        "at most five seconds",
        "as set",
        "off",
    ],
)
def test_the_interval_between_starts_is_an_eleventh_of_an_edge_tokens_life(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], interval_ms: int
) -> None:
    assert (
        started(monkeypatch, PRODUCTION | environment)["MINT_INTERVAL_MS"]
        == interval_ms
    )


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (
            {"METRICS": "statsd"},
            "METRICS is 'statsd'. Set it to one of off, emf, prometheus",
        ),
        ({"METRICS": "prometheus", "AWS_LAMBDA_FUNCTION_NAME": "f"}, "Set METRICS=emf"),
        (
            {"METRICS": "prometheus", "PROMETHEUS_MULTIPROC_DIR": "/none"},
            "'/none', which is no folder",
        ),
        ({"EVENTS": "sqlite"}, "EVENTS is 'sqlite'. Set it to one of off, log"),
        (
            {"EVENTS_SAMPLE_RENEWALS": "0"},
            "EVENTS_SAMPLE_RENEWALS is '0'. Set it to a whole number from 1 to 1000",
        ),
    ],
    ids=[
        "unknown metrics",
        "Prometheus on Lambda",
        "no folder",
        "a file outside of local development",
        "no sample",
    ],
)
def test_events_and_metrics_that_cannot_be_told_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], why: str
) -> None:
    monkeypatch.delenv("EVENTS", raising=False)
    assert_refused(monkeypatch, PRODUCTION | environment, why, hidden=[SECRET])


def test_local_development_on_a_local_engine_keeps_its_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EVENTS", raising=False)
    local = {"DEBUG": "1", "DYNAMODB_ENDPOINT": "http://127.0.0.1:9"}
    found = started(monkeypatch, local)
    assert (found["EVENT_SINKS"], found["WHY_PAGE"]) == (
        ["insights.store.append"],
        True,
    )
    found = started(monkeypatch, local | {"EVENTS": "off"})
    assert (found["EVENT_SINKS"], found["WHY_PAGE"]) == ([], False)

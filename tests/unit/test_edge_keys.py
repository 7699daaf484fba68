"""The keys of edge tokens: secrets, and private keys inline or in files."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from streams.edge_keys import edge_keys, new_key
from tests.start_up import (
    BEARER,
    EDGE,
    OTHER_SECRET,
    PRODUCTION,
    SECRET,
    assert_refused,
    started,
)

PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n"
    "-----END PUBLIC KEY-----"
)

ES256, EDDSA = new_key("es256"), new_key("eddsa")


def pem(key: Any) -> str:
    text: str = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ).decode()
    return text.strip()


def test_edge_keys_are_secrets_and_private_keys_inline_or_in_files(
    tmp_path: Path,
) -> None:
    (tmp_path / "edge.pem").write_text(f"{EDDSA}\n")
    one_line = ES256.replace("\n", "\\n")
    other_key = pem(ec.generate_private_key(ec.SECP256R1()))
    in_a_file = f"file:{tmp_path / 'edge.pem'}"
    listed = ",".join([one_line, OTHER_SECRET, in_a_file, other_key])
    keys = started(PRODUCTION | EDGE | {"EDGE_TOKEN_KEYS": listed}).EDGE_TOKEN_KEYS
    assert [key.algorithm for key in keys] == ["ES256", "HS256", "EdDSA", "ES256"]
    assert len({key.kid for key in keys}) == 4
    assert all(len(key.kid) == 43 for key in keys)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (PEM, " 2 "),
        (ES256[:100], " 2 "),
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "P-256"),
        ("file:/nowhere/edge.pem", " 2 "),
        ("short", " 2 "),
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
def test_an_invalid_edge_key_or_one_with_another_purpose_stops_the_start(
    key: str, named: str
) -> None:
    environment = PRODUCTION | EDGE | {"EDGE_TOKEN_KEYS": f"{ES256},{key}"}
    message = assert_refused(
        environment,
        "EDGE_TOKEN_KEYS",
        hidden=[key[28:60] or "no part", ES256[28:60]],
    )
    assert named in message


def test_edge_keys_without_an_issuer_and_an_audience_stop_the_start() -> None:
    assert_refused(
        PRODUCTION | {"EDGE_TOKEN_KEYS": OTHER_SECRET},
        "EDGE_TOKEN_ISSUER",
        hidden=[OTHER_SECRET],
    )


def test_a_key_of_the_identity_provider_cannot_sign_edge_tokens(
    tmp_path: Path,
) -> None:
    [key] = edge_keys([ES256])
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key.public]}))
    environment = (
        PRODUCTION
        | BEARER
        | EDGE
        | {"AUTH_JWKS": str(tmp_path / "jwks.json"), "EDGE_TOKEN_KEYS": ES256}
    )
    assert_refused(environment, "AUTH_JWKS", hidden=[ES256])


def test_a_pem_key_without_the_package_that_reads_it_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.edge_keys.find_spec", lambda name: None)
    assert_refused(
        PRODUCTION | EDGE | {"EDGE_TOKEN_KEYS": ES256},
        "requirements-jwks.txt",
        hidden=[ES256],
    )

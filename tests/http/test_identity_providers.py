"""Bearer tokens as identity providers issue them: Cognito, Auth0, Keycloak, Entra."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from rest_framework.exceptions import AuthenticationFailed

from streams.authentication import Caller
from streams.published_keys import KeysInFile
from tests.http.bearer_tokens import (
    EC_KEY,
    ISSUER,
    RSA_KEY,
    SECRET,
    caller_of,
    claims,
    public_key,
    token,
)

ANA = Caller(user_id="ana")
OTHER_ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a1B2c3D4e"
TV_CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"

COGNITO_ACCESS = {
    "iss": OTHER_ISSUER,
    "aud": None,
    "client_id": TV_CLIENT,
    "token_use": "access",
    "scope": "aws.cognito.signin.user.admin",
}
COGNITO_ID = {
    "iss": OTHER_ISSUER,
    "aud": TV_CLIENT,
    "token_use": "id",
    "cognito:username": "ana",
}
AUTH0 = {
    "aud": ["streams", "https://example.eu.auth0.com/userinfo"],
    "azp": "a-client",
    "gty": "password",
}
KEYCLOAK = {"aud": ["streams", "account"], "azp": "web", "typ": "Bearer"}
RFC_9068 = {"aud": "streams", "client_id": "web"}


@pytest.fixture
def providers(shared_secret: Any) -> Any:
    """Accept two issuers, and one audience per platform."""
    shared_secret.AUTH_ISSUER = [ISSUER, OTHER_ISSUER]
    shared_secret.AUTH_AUDIENCE = ["streams", TV_CLIENT]
    return shared_secret


def signed(header: dict[str, Any], **changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, headers=header)


@pytest.mark.usefixtures("providers")
@pytest.mark.parametrize(
    "issued",
    [
        pytest.param(COGNITO_ACCESS, id="an access token of Cognito"),
        pytest.param(COGNITO_ID, id="an id token of Cognito"),
        pytest.param(AUTH0, id="Auth0"),
        pytest.param(KEYCLOAK, id="Keycloak"),
        pytest.param(RFC_9068, id="an access token of RFC 9068"),
        pytest.param(
            {"aud": None, "client_id": TV_CLIENT}, id="a client without token_use"
        ),
    ],
)
def test_a_token_of_an_identity_provider_is_valid(issued: dict[str, Any]) -> None:
    caller = caller_of(token(**issued))
    assert caller
    assert caller.user_id == "ana"


@pytest.mark.usefixtures("providers")
@pytest.mark.parametrize(
    "issued",
    [
        pytest.param(COGNITO_ACCESS | {"client_id": "other"}, id="another client"),
        pytest.param(COGNITO_ACCESS | {"client_id": [TV_CLIENT]}, id="a list"),
        pytest.param(COGNITO_ACCESS | {"client_id": None}, id="no client"),
        pytest.param(COGNITO_ACCESS | {"token_use": "id"}, id="an id token"),
        pytest.param(COGNITO_ACCESS | {"token_use": "refresh"}, id="a refresh token"),
        pytest.param(COGNITO_ACCESS | {"aud": "other"}, id="another audience"),
        pytest.param(COGNITO_ACCESS | {"aud": []}, id="an empty audience"),
        pytest.param(COGNITO_ACCESS | {"iss": f"{OTHER_ISSUER}/"}, id="a slash"),
        pytest.param({"aud": "streams,streams-tv"}, id="audiences as one text"),
        pytest.param({"iss": f"{ISSUER},{OTHER_ISSUER}"}, id="issuers as one text"),
    ],
)
def test_a_token_for_another_audience_or_client_is_rejected(
    issued: dict[str, Any],
) -> None:
    with pytest.raises(AuthenticationFailed):
        caller_of(token(**issued))


@pytest.mark.usefixtures("providers")
@pytest.mark.parametrize(
    "spelling",
    [
        "lease+jwt",
        "Lease+JWT",
        "application/lease+jwt",
        "APPLICATION/Lease+Jwt",
        "lease+jwt; v=1",
        " lease+jwt",
        ["lease+jwt"],
    ],
    ids=str,
)
def test_a_lease_token_is_never_a_bearer_token(spelling: Any) -> None:
    with pytest.raises(AuthenticationFailed):
        caller_of(signed({"typ": spelling}))


@pytest.mark.usefixtures("providers")
@pytest.mark.parametrize("spelling", ["JWT", "at+jwt", "application/at+JWT", None])
def test_other_types_of_tokens_are_bearer_tokens(spelling: str | None) -> None:
    """PyJWT omits the header for None."""
    assert caller_of(signed({"typ": spelling})) == ANA


def jwk_set(path: Path, *keys: tuple[Any, str | None]) -> str:
    """Write a JWK Set with these keys and ids, and return its path."""
    entries = [public_key(key, kid or "") for key, kid in keys]
    for entry in entries:
        if not entry["kid"]:
            del entry["kid"]
    path.write_text(json.dumps({"keys": entries}))
    return str(path)


@pytest.mark.parametrize("kid", [None, "the-only-one"])
def test_a_token_without_key_id_is_verified_by_the_only_published_key(
    key_file: Path, kid: str | None
) -> None:
    jwk_set(key_file, (RSA_KEY, kid))
    assert caller_of(token(RSA_KEY, "RS256")) == ANA


def test_a_key_without_id_may_be_published_next_to_others(key_file: Path) -> None:
    jwk_set(key_file, (RSA_KEY, None), (EC_KEY, "ec-1"))
    assert caller_of(token(RSA_KEY, "RS256")) == ANA
    assert caller_of(token(EC_KEY, "ES256", "ec-1")) == ANA


def test_a_token_without_key_id_is_rejected_if_it_can_mean_two_keys(
    key_file: Path,
) -> None:
    jwk_set(key_file, (RSA_KEY, "a"), (EC_KEY, "b"))
    with pytest.raises(AuthenticationFailed):
        caller_of(token(RSA_KEY, "RS256"))


def test_a_token_that_names_a_key_is_not_verified_by_one_without_id(
    key_file: Path,
) -> None:
    jwk_set(key_file, (RSA_KEY, None))
    with pytest.raises(AuthenticationFailed):
        caller_of(token(RSA_KEY, "RS256", "another"))


def test_of_two_keys_without_id_none_is_used(tmp_path: Path) -> None:
    path = jwk_set(tmp_path / "keys", (RSA_KEY, None), (EC_KEY, None), (EC_KEY, "a"))
    keys = KeysInFile(path)
    assert keys.get("") is None
    assert keys.get("a")

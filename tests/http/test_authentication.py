"""Bearer tokens: which user and scopes a token gives, and which tokens are rejected."""

import os
import string
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import jwt
import pytest
from rest_framework.exceptions import AuthenticationFailed

from streams.authentication import BearerAuthentication, Caller
from tests.http.bearer_tokens import (
    NEXT_SECRET,
    SECRET,
    caller_of,
    claims,
    request,
    token,
)
from tests.servers import PROJECT


@pytest.mark.usefixtures("shared_secret")
def test_a_valid_token_gives_its_user_and_scopes() -> None:
    assert caller_of(token(scope="streams:operate other")) == Caller(
        user_id="ana", scopes=frozenset({"streams:operate", "other"})
    )


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        "a.b.c",
        token("x" * 64),
        token(algorithm="HS512"),
        jwt.encode(claims(), "", algorithm="none"),
        token(iss="https://evil.example.com"),
        token(iss=None),
        token(aud="another-service"),
        token(aud=None),
        token(sub=None),
        token(sub=7),
        token(exp=None),
        token(exp=time.time() - 60),
        token(exp=time.time() + 366 * 86_400),
        token(exp=str(int(time.time()) + 60)),
        token(iss="https://id.example.com/"),
        token(aud=["another-service"]),
        token(aud=["streams", 7]),
        token(sub=""),
        token(sub="\ud800"),
        token(scope={"streams:admin": True}),
        token(scp=[7]),
        token(nbf=time.time() + 3000),
        token() + "x" * 8192,
        token()[:-4] + "AAAA",
    ],
    ids=[
        "empty",
        "nonsense",
        "not base64",
        "another secret",
        "another algorithm",
        "unsigned",
        "another issuer",
        "no issuer",
        "another audience",
        "no audience",
        "no user",
        "a number as user",
        "no expiry",
        "expired",
        "valid for more than a year",
        "expiry as text",
        "the issuer with a slash",
        "another audience in a list",
        "audiences that are not text",
        "an empty user",
        "half of a surrogate pair as user",
        "scopes as an object",
        "scopes that are not text",
        "not yet valid",
        "oversize",
        "altered",
    ],
)
def test_an_invalid_token_is_rejected(bad: str) -> None:
    with pytest.raises(AuthenticationFailed):
        caller_of(bad)


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    "sub",
    [
        "ana+tv@example.com",
        "c3ViLzEr=",
        "CN=Jo,OU=x",
        "https://id.example.com/users/7",
        "auth0|5f7c",
        "Zoë Müller",
        "名",
    ],
)
def test_the_subject_may_be_any_text(sub: str) -> None:
    assert caller_of(token(sub=sub)) == Caller(user_id=sub)


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    ("granted", "scopes"),
    [
        ({"scope": "streams:operate openid"}, "openid streams:operate"),
        ({"scope": ["streams:operate", "openid"]}, "openid streams:operate"),
        ({"scope": ""}, ""),
        ({"scope": []}, ""),
        ({"scp": "streams:operate"}, "streams:operate"),
        ({"scp": ["streams:operate"], "scope": "openid"}, "openid streams:operate"),
        ({"permissions": ["streams:admin"]}, ""),
        ({"": "streams:admin"}, ""),
    ],
    ids=lambda value: (
        str(value) if isinstance(value, dict) else " ".join(sorted(value))
    ),
)
def test_scopes_are_read_in_the_formats_of_identity_providers(
    granted: dict[str, Any], scopes: str
) -> None:
    assert caller_of(token(**granted)) == Caller(
        user_id="ana", scopes=frozenset(scopes.split())
    )


@pytest.mark.parametrize(
    "algorithms",
    [["HS512"], ["HS256", "HS512"], ["HS512", "HS384"]],
    ids=",".join,
)
def test_the_configured_algorithms_verify(
    shared_secret: Any, algorithms: list[str]
) -> None:
    shared_secret.AUTH_ALGORITHMS = algorithms
    assert caller_of(token(algorithm="HS512")) == Caller(user_id="ana")


def test_a_public_key_is_not_a_secret(shared_secret: Any) -> None:
    shared_secret.AUTH_JWT_SECRETS = ["ssh-rsa " + "A" * 64]
    with pytest.raises(AuthenticationFailed):
        caller_of(token())


@pytest.mark.usefixtures("shared_secret")
def test_a_scope_of_null_grants_no_scope() -> None:
    claimed = jwt.encode(claims() | {"scope": None, "scp": None}, SECRET)
    assert caller_of(claimed) == Caller(user_id="ana")


def test_a_configured_claim_grants_scopes(
    shared_secret: Any,
) -> None:
    shared_secret.AUTH_SCOPE_CLAIMS = ["scope", "scp", "permissions"]
    assert caller_of(token(permissions=["streams:admin"])) == Caller(
        user_id="ana", scopes=frozenset({"streams:admin"})
    )


@pytest.mark.usefixtures("shared_secret")
def test_this_service_may_be_one_of_several_audiences() -> None:
    assert caller_of(token(aud=["another-service", "streams"])) == Caller(user_id="ana")


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER {}"])
def test_the_scheme_is_case_insensitive(spelling: str) -> None:
    authenticated = BearerAuthentication().authenticate(
        request(HTTP_AUTHORIZATION=spelling.format(token()))
    )

    assert authenticated
    assert authenticated[0] == Caller(user_id="ana")


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    "spelling",
    [
        "Bearer  {}",
        "Bearer {} ",
        "Bearer {}=",
        "Bearer {}==",
        "Bearer {},",
        "Bearer {0}, Bearer {0}",
        "Bearer \t{}",
    ],
)
def test_other_spellings_of_a_token_are_rejected(spelling: str) -> None:
    """A limit by header would count each spelling separately."""
    with pytest.raises(AuthenticationFailed):
        BearerAuthentication().authenticate(
            request(HTTP_AUTHORIZATION=spelling.format(token()))
        )


@pytest.mark.usefixtures("shared_secret")
def test_a_signature_has_one_spelling() -> None:
    """The last character of base64url has bits that do not count."""
    characters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    sent = token()
    accepted = []
    for character in characters:
        with suppress(AuthenticationFailed):
            caller_of(sent[:-1] + character)
            accepted.append(character)
    assert accepted == [sent[-1]]


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ("a.b.c", "malformed"),
        (token(exp=None), "malformed"),
        (token(exp=time.time() - 60), "expired"),
        (token(nbf=time.time() + 3000), "not-yet-valid"),
        (token(algorithm="HS512"), "wrong-algorithm"),
        (token("x" * 64), "wrong-signature"),
        (token(iss="https://id.example.com/"), "wrong-issuer"),
        (token(aud="another-service"), "wrong-audience"),
    ],
    ids=[
        "not base64",
        "no expiry",
        "expired",
        "not yet valid",
        "another algorithm",
        "another secret",
        "another issuer",
        "another audience",
    ],
)
def test_a_rejection_has_a_kind(bad: str, kind: str) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        caller_of(bad)
    assert refused.value.get_codes() == kind


def test_shared_secrets_work_without_the_cryptography_package() -> None:
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import django, jwt; django.setup()\n"
        "from streams.authentication import _claims\n"
        "print(jwt.algorithms.has_crypto, _claims(sys.argv[1])['sub'])"
    )
    secret = "a-secret-that-is-shared-0123456789abcdef"
    environment = {
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
        "DEBUG": "1",
        "AUTH_JWT_SECRETS": secret,
        "AUTH_ISSUER": "https://id.example.com",
        "AUTH_AUDIENCE": "streams",
    }
    command = [sys.executable, "-c", program, token(secret)]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )

    assert done.stdout == "False ana\n", done.stderr


def test_both_secrets_are_valid_during_a_rotation(shared_secret: Any) -> None:
    shared_secret.AUTH_JWT_SECRETS = [NEXT_SECRET, SECRET]

    assert (
        caller_of(token(SECRET))
        == caller_of(token(NEXT_SECRET))
        == Caller(user_id="ana")
    )

    shared_secret.AUTH_JWT_SECRETS = [NEXT_SECRET]

    with pytest.raises(AuthenticationFailed):
        caller_of(token(SECRET, jti="another"))


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize("header", ["", "Basic YTpi", "bearer", "Token x"])
def test_another_scheme_is_not_a_bearer_token(header: str) -> None:
    if header == "bearer":
        with pytest.raises(AuthenticationFailed):
            BearerAuthentication().authenticate(request(HTTP_AUTHORIZATION=header))
    else:
        assert (
            BearerAuthentication().authenticate(request(HTTP_AUTHORIZATION=header))
            is None
        )

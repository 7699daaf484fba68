"""Bearer tokens and API keys: who gets in as whom, and who does not."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from streams import authentication, published_keys
from streams.authentication import ApiKeyAuthentication, BearerAuthentication, Caller
from streams.credentials import ApiKey
from streams.errors import IssuerUnavailable
from tests.servers import PROJECT, running, runserver
from tests.wsgi_servers import serving

SECRET, NEXT_SECRET = "s" * 64, "n" * 64
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with changes; None takes one away."""
    good = {
        "sub": "ana",
        "iss": "https://id.example.com",
        "aud": "streams",
        "exp": time.time() + 3600,
    } | changes
    return {name: value for name, value in good.items() if value is not None}


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **changes: Any
) -> str:
    return jwt.encode(
        claims(**changes),
        key,
        algorithm=algorithm,
        headers={"kid": kid} if kid else None,
    )


def request(**headers: str) -> Request:
    return Request(APIRequestFactory().get("/", **headers))  # type: ignore[arg-type]


def caller_of(bearer: str) -> Caller | None:
    found = BearerAuthentication().authenticate(
        request(HTTP_AUTHORIZATION=f"Bearer {bearer}")
    )
    return found[0] if found else None


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    yield
    authentication._published_keys.cache_clear()


@pytest.fixture
def shared_secret(settings: Any) -> Any:
    settings.AUTH_JWT_SECRETS = [SECRET]
    settings.AUTH_ALGORITHMS = ["HS256"]
    settings.AUTH_ISSUER, settings.AUTH_AUDIENCE = "https://id.example.com", "streams"
    return settings


def public_key(key: Any, kid: str) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(key, rsa.RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid}  # type: ignore[no-any-return]


@pytest.fixture
def key_file(shared_secret: Any, tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(
        json.dumps({"keys": [public_key(RSA_KEY, "rsa-1"), public_key(EC_KEY, "ec-1")]})
    )
    shared_secret.AUTH_JWT_SECRETS, shared_secret.AUTH_ALGORITHMS = (
        [],
        ["RS256", "ES256"],
    )
    shared_secret.AUTH_JWKS = str(path)
    return path


@pytest.mark.usefixtures("shared_secret")
def test_a_good_token_is_its_user_with_its_scopes() -> None:
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
        "empty", "nonsense", "not base64", "another's secret", "another algorithm", "unsigned", "another issuer",
        "no issuer", "another audience", "no audience", "no user", "a number for a user", "no expiry", "expired",
        "good for more than a year", "expiry in text", "the issuer with a slash", "another audience in a list",
        "audiences that are no text", "an empty user", "half a character for a user", "scopes in an object",
        "scopes that are no text", "not yet valid", "oversize", "altered",
    ],
)  # fmt: skip
def test_a_bad_token_is_refused(bad: str) -> None:
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
def test_any_text_is_a_user(sub: str) -> None:
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
def test_scopes_are_read_as_providers_write_them(
    granted: dict[str, Any], scopes: str
) -> None:
    assert caller_of(token(**granted)) == Caller(
        user_id="ana", scopes=frozenset(scopes.split())
    )


@pytest.mark.usefixtures("shared_secret")
def test_a_scope_of_null_is_none() -> None:
    claimed = jwt.encode(claims() | {"scope": None, "scp": None}, SECRET)
    assert caller_of(claimed) == Caller(user_id="ana")


def test_permissions_are_scopes_where_their_claim_is_configured(
    shared_secret: Any,
) -> None:
    shared_secret.AUTH_SCOPE_CLAIMS = ["scope", "scp", "permissions"]
    assert caller_of(token(permissions=["streams:admin"])) == Caller(
        user_id="ana", scopes=frozenset({"streams:admin"})
    )


@pytest.mark.usefixtures("shared_secret")
def test_one_audience_of_several_may_be_this_service() -> None:
    assert caller_of(token(aud=["another-service", "streams"])) == Caller(user_id="ana")


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER {}"])
def test_the_scheme_may_be_written_in_any_case(spelling: str) -> None:
    found = BearerAuthentication().authenticate(
        request(HTTP_AUTHORIZATION=spelling.format(token()))
    )
    assert found
    assert found[0] == Caller(user_id="ana")


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
def test_another_spelling_of_a_token_is_refused(spelling: str) -> None:
    """Or a limit that counts by the header would give each spelling a count of its own."""
    with pytest.raises(AuthenticationFailed):
        BearerAuthentication().authenticate(
            request(HTTP_AUTHORIZATION=spelling.format(token()))
        )


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
        "not base64", "no expiry", "expired", "not yet valid", "another algorithm", "another's secret",
        "another issuer", "another audience",
    ],
)  # fmt: skip
def test_a_refusal_has_a_kind(bad: str, kind: str) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        caller_of(bad)
    assert refused.value.get_codes() == kind


def test_shared_secrets_need_no_cryptography() -> None:
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


def test_secrets_rotate_while_both_are_known(shared_secret: Any) -> None:
    shared_secret.AUTH_JWT_SECRETS = [NEXT_SECRET, SECRET]
    assert (
        caller_of(token(SECRET))
        == caller_of(token(NEXT_SECRET))
        == Caller(user_id="ana")
    )
    shared_secret.AUTH_JWT_SECRETS = [NEXT_SECRET]
    with pytest.raises(AuthenticationFailed):
        caller_of(token(SECRET, jti="another"))


@pytest.mark.usefixtures("key_file")
@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA_KEY, "RS256", "rsa-1"), (EC_KEY, "ES256", "ec-1")],
    ids=["RS256", "ES256"],
)
def test_a_token_signed_with_a_published_key_is_taken(
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
def test_a_token_signed_with_anything_else_is_refused(
    key: Any, algorithm: str, kid: str | None
) -> None:
    with pytest.raises(AuthenticationFailed):
        caller_of(token(key, algorithm, kid))


@pytest.mark.usefixtures("key_file")
def test_a_public_key_is_no_shared_secret() -> None:
    """The confusion of algorithms: a token made with HS256 and the published key's own text as the secret."""
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


def test_keys_in_a_file_rotate_when_it_changes(key_file: Path) -> None:
    new_key = ec.generate_private_key(ec.SECP256R1())
    assert caller_of(token(EC_KEY, "ES256", "ec-1"))
    key_file.write_text(json.dumps({"keys": [public_key(new_key, "ec-2")]}))
    assert caller_of(token(new_key, "ES256", "ec-2")) == Caller(user_id="ana")
    with pytest.raises(AuthenticationFailed):
        caller_of(token(EC_KEY, "ES256", "ec-1", jti="another"))


def test_keys_behind_a_url_are_read_once(key_file: Path, settings: Any) -> None:
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


def test_a_key_that_the_issuer_published_since_is_taken(
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


def test_an_issuer_whose_keys_cannot_be_read_lets_nobody_in(
    key_file: Path, settings: Any
) -> None:
    settings.AUTH_JWKS = "http://127.0.0.1:9/jwks.json"
    with pytest.raises(IssuerUnavailable):
        caller_of(token(EC_KEY, "ES256", "ec-1"))


def test_a_caller_is_asked_to_wait_while_the_issuers_keys_cannot_be_read() -> None:
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
    assert (answer.status_code, answer.json()["type"]) == (503, "issuer-unavailable")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3


@pytest.mark.parametrize(
    ("is_trusted", "limit"), [(True, 5), (False, None)], ids=["trusted", "not trusted"]
)
def test_an_entitlement_counts_where_the_issuer_is_trusted_with_it(
    shared_secret: Any, is_trusted: bool, limit: int | None
) -> None:
    shared_secret.AUTH_TRUST_STREAM_LIMIT = is_trusted
    caller = caller_of(token(stream_limit=5))
    assert caller is not None
    assert caller.entitlement.limit == limit


@pytest.mark.parametrize(
    ("is_trusted", "plan"),
    [(True, "family"), (False, None)],
    ids=["trusted", "not trusted"],
)
def test_a_plan_counts_where_the_issuer_is_trusted_with_it(
    shared_secret: Any, is_trusted: bool, plan: str | None
) -> None:
    shared_secret.AUTH_TRUST_STREAM_PLAN = is_trusted
    caller = caller_of(token(stream_plan="family"))
    assert caller is not None
    assert caller.entitlement.plan == plan


@pytest.mark.parametrize("plan", ["", "x" * 65, 5, True, ["family"], "é"], ids=str)
def test_a_plan_that_is_no_name_is_refused(shared_secret: Any, plan: Any) -> None:
    shared_secret.AUTH_TRUST_STREAM_PLAN = True
    with pytest.raises(AuthenticationFailed):
        caller_of(token(stream_plan=plan))


@pytest.mark.parametrize("limit", [-1, 101, "5", 5.0, True, [5]], ids=str)
def test_an_entitlement_that_is_no_limit_is_refused(
    shared_secret: Any, limit: Any
) -> None:
    shared_secret.AUTH_TRUST_STREAM_LIMIT = True
    with pytest.raises(AuthenticationFailed):
        caller_of(token(stream_limit=limit))


@pytest.mark.usefixtures("shared_secret")
@pytest.mark.parametrize("header", ["", "Basic YTpi", "bearer", "Token x"])
def test_another_scheme_is_nobody(header: str) -> None:
    if header == "bearer":
        with pytest.raises(AuthenticationFailed):
            BearerAuthentication().authenticate(request(HTTP_AUTHORIZATION=header))
    else:
        assert (
            BearerAuthentication().authenticate(request(HTTP_AUTHORIZATION=header))
            is None
        )


def test_api_keys_are_known_by_their_hash_and_several_may_be_active(
    settings: Any,
) -> None:
    settings.API_KEYS = [
        ApiKey(
            f"billing-{key}",
            hashlib.sha256(key.encode()).hexdigest(),
            frozenset({"streams:operate"}),
        )
        for key in ("old", "new")
    ]
    for key in ("old", "new"):
        found = ApiKeyAuthentication().authenticate(request(HTTP_X_API_KEY=key))
        assert found
        assert found[0] == Caller(
            key_name=f"billing-{key}", scopes=frozenset({"streams:operate"})
        )


@pytest.mark.parametrize(
    "key", ["", "unknown", hashlib.sha256(b"old").hexdigest(), "ñ", "x" * 9000]
)
def test_an_unknown_api_key_is_refused(settings: Any, key: str) -> None:
    settings.API_KEYS = [
        ApiKey(
            "billing",
            hashlib.sha256(b"old").hexdigest(),
            frozenset({"streams:operate"}),
        )
    ]
    with pytest.raises(AuthenticationFailed):
        ApiKeyAuthentication().authenticate(request(HTTP_X_API_KEY=key))

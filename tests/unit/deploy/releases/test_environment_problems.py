"""Problems of an environment that an upload would reveal too late."""

import hashlib

import pytest

from deploy.releases.environment import Environment
from deploy.releases.environment_problems import environment_problems

KEY = "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe"
OTHER_KEY = "a9Xc2Vb7Nm4Qw1Er6Ty3Ui8Op5As0DfG"
KEY_HASH = hashlib.sha256(KEY.encode()).hexdigest()
ZEROS = "0" * 64
REFERENCE = "ssm:/stream-limits-production/lease-token-keys"


def environment(**variables: str) -> Environment:
    return Environment(of_lambda=variables, effective=variables)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param(
            {"LEASE_TOKEN_KEYS": "k" * 40},
            "LEASE_TOKEN_KEYS holds a key that can be guessed",
            id="one character",
        ),
        pytest.param(
            {"LEASE_TOKEN_KEYS": "local-development-only-local-development-only"},
            "can be guessed",
            id="a key from the documentation",
        ),
        pytest.param(
            {"LEASE_TOKEN_KEYS": KEY, "AUTH_JWT_SECRETS": KEY},
            "are equal",
            id="one key for two purposes",
        ),
        pytest.param(
            {"LEASE_TOKEN_KEYS": f"{KEY},{KEY}"}, "are equal", id="a key twice"
        ),
        pytest.param(
            {"LEASE_TOKEN_KEYS": f"{KEY},{REFERENCE}"},
            "lists a reference",
            id="a reference in a list",
        ),
        pytest.param(
            {"API_KEYS": f"a:{ZEROS}:streams:operate,b:{ZEROS}:streams:admin"},
            "the same hash",
            id="one API key for two back ends",
        ),
        pytest.param(
            {"LEASE_TOKEN_KEYS": KEY, "API_KEYS": f"a:{KEY_HASH}:streams:operate"},
            "is also a key of",
            id="an API key that signs tokens",
        ),
    ],
)
def test_an_unsafe_key_is_a_problem(variables: dict[str, str], message: str) -> None:
    assert_one_problem(variables, message)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AUTH_JWKS": "jwks.json"}, "does not ship"),
        ({"AUTH_JWKS": "streams/browsable/static/streams/README.md"}, "does not ship"),
        ({"AUTH_JWKS": "/etc/hostname"}, "does not ship"),
        (
            {"PLANS": "docs/faq.md"},
            "PLANS names the file 'docs/faq.md', which does not ship",
        ),
        (
            {"SHADOW_PLANS": "plans.toml"},
            "SHADOW_PLANS names the file 'plans.toml', which does not ship",
        ),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_file_that_does_not_ship_is_a_problem(
    variables: dict[str, str], message: str
) -> None:
    assert_one_problem(variables, message)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param({"DEBUG": "1"}, "DEBUG is set", id="debug"),
        pytest.param(
            {"AWS_LAMBDA_FUNCTION_NAME": "x"},
            "AWS_LAMBDA_FUNCTION_NAME cannot be set",
            id="a reserved name",
        ),
        pytest.param(
            {"NOT-A-NAME": "x"}, "NOT-A-NAME cannot be set", id="an invalid name"
        ),
        pytest.param(
            {"CORS_ALLOWED_ORIGINS": "x" * 4096}, "of at most 4096", id="too many bytes"
        ),
    ],
)
def test_a_variable_that_lambda_or_the_service_refuses_is_a_problem(
    variables: dict[str, str], message: str
) -> None:
    assert_one_problem(variables, message)


def assert_one_problem(variables: dict[str, str], message: str) -> None:
    (problem,) = environment_problems(environment(**variables))
    assert message in problem
    assert KEY not in problem


def test_an_edge_key_in_a_file_is_a_problem() -> None:
    problems = environment_problems(environment(EDGE_TOKEN_KEYS="file:edge.pem"))

    assert any("EDGE_TOKEN_KEYS" in problem for problem in problems)


def test_safe_keys_and_files_that_ship_are_accepted() -> None:
    variables = environment(
        LEASE_TOKEN_KEYS=f"{KEY},{OTHER_KEY}",
        AUTH_JWKS="https://id.example/jwks",
        PLANS="docs/plans/family.toml",
    )

    assert list(environment_problems(variables)) == []


def test_a_reference_is_judged_by_its_secret() -> None:
    variables = environment(LEASE_TOKEN_KEYS="ssm:/limits/keys")
    unsafe = {"LEASE_TOKEN_KEYS": "k" * 40}

    assert list(environment_problems(variables)) == []
    assert list(environment_problems(variables, resolved=unsafe))

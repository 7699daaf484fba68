"""The environment of a function after an update."""

import hashlib

import pytest

from deploy.releases.environment import (
    FROM_THE_SHELL,
    changes,
    merged_environment,
    needs_cryptography,
    shell_variables,
    unset_problems,
)
from deploy.releases.environment_problems import KEY_VARIABLES
from deploy.releases.rotation import token_loss
from stages import Stage

KEY = "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe"
OTHER_KEY = "a9Xc2Vb7Nm4Qw1Er6Ty3Ui8Op5As0DfG"
PEM_KEY = "-----BEGIN EC " + "PRIVATE KEY-----"
STAGE = Stage(
    "test",
    {
        "aws_region": "eu-west-1",
        "environment_variables": {"DYNAMODB_TABLE": "T", "LEASE_SECONDS": "30"},
        "aws_environment_variables": {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1"},
    },
)


def test_variables_that_the_update_does_not_name_stay() -> None:
    environment = merged_environment(
        STAGE,
        remote={"AUTH_JWKS": "https://x", "LEASE_TOKEN_KEYS": OTHER_KEY},
        shell={"LEASE_TOKEN_KEYS": KEY},
    )

    assert environment.of_lambda == {
        "AUTH_JWKS": "https://x",
        "LEASE_TOKEN_KEYS": KEY,
        "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",
    }


def test_variables_of_the_package_take_precedence_over_lambdas() -> None:
    environment = merged_environment(STAGE, remote={"LEASE_SECONDS": "60"}, shell={})

    assert environment.effective["LEASE_SECONDS"] == "30"
    assert environment.effective["AWS_REGION"] == "eu-west-1"


def test_an_unset_variable_is_removed() -> None:
    environment = merged_environment(
        STAGE,
        remote={"AUTH_JWT_SECRETS": KEY},
        shell={},
        unset=["AUTH_JWT_SECRETS"],
    )

    assert "AUTH_JWT_SECRETS" not in environment.of_lambda


def test_the_shell_contributes_its_non_empty_settings_of_the_service_only() -> None:
    shell = {"LEASE_TOKEN_KEYS": KEY, "PATH": "/bin", "API_KEYS": ""}

    assert shell_variables(shell) == {"LEASE_TOKEN_KEYS": KEY}


def test_every_variable_with_keys_comes_from_the_shell() -> None:
    assert set(KEY_VARIABLES) <= set(FROM_THE_SHELL)


def test_changes_show_the_names_and_hide_the_values() -> None:
    before = {"A": KEY, "B": "same", "C": "x"}
    after = {"A": OTHER_KEY, "B": "same", "D": "y"}

    lines = list(changes(before, after))

    digest = hashlib.sha256(KEY.encode()).hexdigest()[:8]
    assert [line.split(":")[0] for line in lines] == ["A", "C", "D"]
    assert lines[0].startswith(f"A: sha256 {digest} -> sha256 ")
    assert KEY not in lines[0]
    assert OTHER_KEY not in lines[0]


@pytest.mark.parametrize(
    ("before", "after", "is_invalid"),
    [
        pytest.param(KEY, OTHER_KEY, True, id="another key"),
        pytest.param(KEY, f"{OTHER_KEY},{KEY}", False, id="a rotation"),
        pytest.param(KEY, KEY, False, id="the same key"),
        pytest.param("", KEY, False, id="the first key"),
    ],
)
def test_token_keys_without_a_common_key_invalidate_every_token(
    before: str, after: str, is_invalid: bool
) -> None:
    old, new = {"LEASE_TOKEN_KEYS": before}, {"LEASE_TOKEN_KEYS": after}

    assert bool(token_loss(old, new)) == is_invalid


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("LEASE_TOKEN_KEYS", "the shell sets it", id="in the shell"),
        pytest.param(
            "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT",
            "aws_environment_variables set it",
            id="in the stage",
        ),
        pytest.param(
            "AUTH_JWT_SECRET",
            "the function has only DEBUG, LEASE_TOKEN_KEYS",
            id="unknown",
        ),
    ],
)
def test_a_variable_that_cannot_be_unset_is_a_problem(name: str, message: str) -> None:
    (problem,) = problems_of_unsetting(name)

    assert message in problem


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("DEBUG", id="set in the function"),
        pytest.param("AUTH_JWT_SECRETS", id="removed before"),
    ],
)
def test_a_variable_of_the_function_or_of_the_service_can_be_unset(name: str) -> None:
    assert problems_of_unsetting(name) == []


def problems_of_unsetting(name: str) -> list[str]:
    remote = {"DEBUG": "1", "LEASE_TOKEN_KEYS": KEY}
    shell = {"LEASE_TOKEN_KEYS": KEY}
    return list(unset_problems([name], STAGE, remote=remote, shell=shell))


@pytest.mark.parametrize(
    ("variables", "is_needed"),
    [
        pytest.param({}, False, id="no keys"),
        pytest.param(
            {"AUTH_JWKS": "https://id.example.com/jwks.json"},
            True,
            id="published keys of viewers' tokens",
        ),
        pytest.param({"EDGE_TOKEN_KEYS": KEY}, False, id="a secret"),
        pytest.param({"EDGE_TOKEN_KEYS": f"{KEY},{PEM_KEY}"}, True, id="a PEM key"),
        pytest.param(
            {"EDGE_TOKEN_KEYS": "secretsmanager:edge"}, True, id="a key in AWS"
        ),
    ],
)
def test_cryptography_ships_if_tokens_can_have_public_key_signatures(
    variables: dict[str, str], is_needed: bool
) -> None:
    assert needs_cryptography(variables) is is_needed

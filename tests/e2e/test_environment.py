"""The environment that a function will have, and what is wrong with it before anything is uploaded."""

import hashlib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy import environment, hooks
from deploy.environment import (
    Environment,
    changes,
    given,
    logs_everyone_out,
    needs_cryptography,
    problems,
    stays,
    will_have,
)
from stages import Stage
from stages.references import statements

KEY = "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe"
OTHER = "a9Xc2Vb7Nm4Qw1Er6Ty3Ui8Op5As0DfG"
STAGE = Stage(
    "test",
    {
        "aws_region": "eu-west-1",
        "environment_variables": {"DYNAMODB_TABLE": "T", "LEASE_SECONDS": "30"},
        "aws_environment_variables": {"INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1"},
    },
)


def merged(**variables: str) -> Environment:
    return Environment(of_lambda=variables, effective=variables)


def test_what_is_there_and_not_said_anew_stays() -> None:
    found = will_have(
        STAGE,
        remote={"AUTH_JWKS": "https://x", "LEASE_TOKEN_KEYS": OTHER},
        shell={"LEASE_TOKEN_KEYS": KEY},
    )
    assert found.of_lambda == {
        "AUTH_JWKS": "https://x",
        "LEASE_TOKEN_KEYS": KEY,
        "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",
    }


def test_what_travels_in_the_package_goes_before_what_lambda_has() -> None:
    found = will_have(STAGE, remote={"LEASE_SECONDS": "60"}, shell={})
    assert found.effective["LEASE_SECONDS"] == "30"
    assert found.effective["AWS_REGION"] == "eu-west-1"


def test_what_is_unset_goes() -> None:
    found = will_have(
        STAGE, remote={"AUTH_JWT_SECRETS": KEY}, shell={}, unset=["AUTH_JWT_SECRETS"]
    )
    assert "AUTH_JWT_SECRETS" not in found.of_lambda


def test_the_shell_gives_what_it_holds_of_the_services_settings_and_nothing_else() -> (
    None
):
    assert given({"LEASE_TOKEN_KEYS": KEY, "PATH": "/bin", "API_KEYS": ""}) == {
        "LEASE_TOKEN_KEYS": KEY
    }


def test_changes_are_named_and_their_values_are_not() -> None:
    said = list(
        changes({"A": KEY, "B": "same", "C": "x"}, {"A": OTHER, "B": "same", "D": "y"})
    )
    prefix = hashlib.sha256(KEY.encode()).hexdigest()[:8]
    assert [line.split(":")[0] for line in said] == ["A", "C", "D"]
    assert said[0].startswith(f"A: sha256 {prefix} -> sha256 ")
    assert KEY not in said[0]
    assert OTHER not in said[0]


@pytest.mark.parametrize(
    ("before", "after", "is_logged_out"),
    [
        (KEY, OTHER, True),
        (KEY, f"{OTHER},{KEY}", False),
        (KEY, KEY, False),
        ("", KEY, False),
    ],
    ids=["another", "rotated", "same", "first"],
)
def test_keys_that_share_none_with_what_is_there_log_everyone_out(
    before: str, after: str, is_logged_out: bool
) -> None:
    assert (
        logs_everyone_out({"LEASE_TOKEN_KEYS": before}, {"LEASE_TOKEN_KEYS": after})
        == is_logged_out
    )


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"LEASE_TOKEN_KEYS": "k" * 40},
            "LEASE_TOKEN_KEYS holds a key that can be guessed",
        ),
        (
            {"LEASE_TOKEN_KEYS": "local-development-only-local-development-only"},
            "can be guessed",
        ),
        ({"LEASE_TOKEN_KEYS": KEY, "AUTH_JWT_SECRETS": KEY}, "are equal"),
        ({"LEASE_TOKEN_KEYS": f"{KEY},{KEY}"}, "are equal"),
        (
            {
                "LEASE_TOKEN_KEYS": f"{KEY},ssm:/stream-limits-production/lease-token-keys"
            },
            "lists a reference",
        ),
        (
            {"API_KEYS": f"a:{'0' * 64}:streams:operate,b:{'0' * 64}:streams:admin"},
            "the same hash",
        ),
        (
            {
                "LEASE_TOKEN_KEYS": KEY,
                "API_KEYS": f"a:{hashlib.sha256(KEY.encode()).hexdigest()}:streams:operate",
            },
            "is also a key of",
        ),
        ({"DEBUG": "1"}, "DEBUG is set"),
        ({"AUTH_JWKS": "jwks.json"}, "does not ship"),
        ({"AUTH_JWKS": "streams/browsable/static/streams/README.md"}, "does not ship"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "x"}, "AWS_LAMBDA_FUNCTION_NAME cannot be set"),
        ({"NOT-A-NAME": "x"}, "NOT-A-NAME cannot be set"),
        ({"AUTH_JWKS": "/etc/hostname"}, "does not ship"),
        (
            {"PLANS": "docs/faq.md"},
            "PLANS names the file 'docs/faq.md', which does not ship",
        ),
        (
            {"SHADOW_PLANS": "plans.toml"},
            "SHADOW_PLANS names the file 'plans.toml', which does not ship",
        ),
        ({"CORS_ALLOWED_ORIGINS": "x" * 4096}, "of at most 4096"),
    ],
)
def test_what_is_wrong_is_named(variables: dict[str, str], said: str) -> None:
    (problem,) = problems(merged(**variables))
    assert said in problem
    assert KEY not in problem


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LEASE_TOKEN_KEYS", "the shell sets it"),
        ("INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT", "aws_environment_variables set it"),
        ("AUTH_JWT_SECRET", "the function has only DEBUG, LEASE_TOKEN_KEYS"),
        ("DEBUG", None),
        ("AUTH_JWT_SECRETS", None),
    ],
    ids=[
        "in the shell",
        "in the stage",
        "unknown",
        "there, whoever set it",
        "gone already",
    ],
)
def test_what_would_not_go_when_it_is_unset_is_named(
    name: str, said: str | None
) -> None:
    remote = {"DEBUG": "1", "LEASE_TOKEN_KEYS": KEY}
    found = list(stays([name], STAGE, remote=remote, shell={"LEASE_TOKEN_KEYS": KEY}))
    assert [said in line for line in found if said] == [True] * bool(said)
    assert len(found) == bool(said)


def test_good_keys_are_taken() -> None:
    good = {"AUTH_JWKS": "https://id.example/jwks", "PLANS": "docs/plans/family.toml"}
    assert list(problems(merged(LEASE_TOKEN_KEYS=f"{KEY},{OTHER}", **good))) == []


def test_a_reference_is_judged_by_what_it_stands_for() -> None:
    variables = merged(LEASE_TOKEN_KEYS="ssm:/limits/keys")
    assert list(problems(variables)) == []
    assert list(problems(variables, resolved={"LEASE_TOKEN_KEYS": "k" * 40}))


def test_the_role_may_read_the_references_and_no_other_secret() -> None:
    variables = {
        "LEASE_TOKEN_KEYS": "ssm:/limits/keys",
        "AUTH_JWT_SECRETS": "secretsmanager:limits/jwt",
        "API_KEYS": "ssm:arn:aws:ssm:eu-west-1:1:parameter/keys",
    }
    found = statements(variables, region="eu-west-1", account="1")
    assert {statement["Action"][0]: statement["Resource"] for statement in found} == {
        "ssm:GetParameter": [
            "arn:aws:ssm:eu-west-1:1:parameter/keys",
            "arn:aws:ssm:eu-west-1:1:parameter/limits/keys",
        ],
        "secretsmanager:GetSecretValue": [
            "arn:aws:secretsmanager:eu-west-1:1:secret:limits/jwt-??????"
        ],
    }
    assert statements({"API_KEYS": "x"}, region="eu-west-1", account="1") == []


def test_every_setting_that_is_a_secret_comes_from_the_shell() -> None:
    assert set(environment.KEYS) <= set(environment.FROM_THE_SHELL)


@pytest.mark.parametrize(
    ("values", "is_needed"),
    [
        ({}, False),
        ({"AUTH_JWKS": "https://id.example.com/jwks.json"}, True),
        ({"EDGE_TOKEN_KEYS": KEY}, False),
        ({"EDGE_TOKEN_KEYS": f"{KEY},-----BEGIN EC " + "PRIVATE KEY-----"}, True),
        ({"EDGE_TOKEN_KEYS": "secretsmanager:edge"}, True),
    ],
    ids=[
        "no keys",
        "published keys of viewers' tokens",
        "a secret",
        "a PEM key",
        "a key that AWS keeps",
    ],
)
def test_cryptography_ships_where_tokens_may_be_signed_with_public_keys(
    values: dict[str, str], is_needed: bool
) -> None:
    assert needs_cryptography(values) is is_needed


def test_an_edge_key_in_a_file_does_not_ship() -> None:
    assert any(
        "EDGE_TOKEN_KEYS" in said
        for said in problems(merged(EDGE_TOKEN_KEYS="file:edge.pem"))
    )


@pytest.mark.parametrize(
    ("key", "is_told"),
    [("-----BEGIN EC " + "PRIVATE KEY-----", True), (KEY, False)],
    ids=["PEM", "a secret"],
)
def test_a_deployment_that_signs_with_a_pem_key_is_told_that_cloudfront_functions_cannot_check_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    key: str,
    is_told: bool,
) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        archive.writestr("zappa_settings.py", "")
    for step in ("build", "report", "check_that_it_starts"):
        monkeypatch.setattr(hooks, step, lambda *given, **more: "done")
    monkeypatch.setattr(Stage, "client", lambda *given: None)
    deployment = hooks.Deployment(STAGE, merged(EDGE_TOKEN_KEYS=key))
    hooks.zip(
        SimpleNamespace(
            zip_path=tmp_path / "package.zip", deployment=deployment, command="update"
        )
    )
    assert ("CloudFront Functions cannot check" in capsys.readouterr().out) is is_told

"""References to secrets in AWS."""

import pytest
from click import ClickException

from stages import resolve
from stages.references import statements


def test_the_role_may_read_the_referenced_secrets_and_no_others() -> None:
    variables = {
        "LEASE_TOKEN_KEYS": "ssm:/limits/keys",
        "AUTH_JWT_SECRETS": "secretsmanager:limits/jwt",
        "API_KEYS": "ssm:arn:aws:ssm:eu-west-1:1:parameter/keys",
    }

    allowed = statements(variables, region="eu-west-1", account="1")

    resources = {entry["Action"][0]: entry["Resource"] for entry in allowed}
    assert resources == {
        "ssm:GetParameter": [
            "arn:aws:ssm:eu-west-1:1:parameter/keys",
            "arn:aws:ssm:eu-west-1:1:parameter/limits/keys",
        ],
        "secretsmanager:GetSecretValue": [
            "arn:aws:secretsmanager:eu-west-1:1:secret:limits/jwt-??????"
        ],
    }


def test_without_references_the_role_needs_no_permission() -> None:
    assert statements({"API_KEYS": "x"}, region="eu-west-1", account="1") == []


def test_a_secret_that_cannot_be_read_is_an_error_with_the_variable() -> None:
    def no_client(service: str) -> object:
        raise KeyError(service)

    with pytest.raises(ClickException, match="LEASE_TOKEN_KEYS refers to ssm:/none"):
        resolve({"LEASE_TOKEN_KEYS": "ssm:/none"}, no_client)

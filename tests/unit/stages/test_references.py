"""References to secrets in AWS."""

import pytest
from click import ClickException

from stages import resolve
from stages.references import secret_arns


def test_the_secrets_are_those_that_the_variables_refer_to() -> None:
    variables = {
        "LEASE_TOKEN_KEYS": "ssm:/limits/keys",
        "AUTH_JWT_SECRETS": "secretsmanager:limits/jwt",
        "API_KEYS": "ssm:arn:aws:ssm:eu-west-1:1:parameter/keys",
        "LOG_LEVEL": "INFO",
    }

    assert secret_arns(variables, region="eu-west-1", account="1") == {
        "arn:aws:ssm:eu-west-1:1:parameter/keys",
        "arn:aws:ssm:eu-west-1:1:parameter/limits/keys",
        "arn:aws:secretsmanager:eu-west-1:1:secret:limits/jwt-??????",
    }


def test_without_references_there_is_no_secret() -> None:
    assert secret_arns({"API_KEYS": "x"}, region="eu-west-1", account="1") == set()


def test_a_secret_that_cannot_be_read_is_an_error_with_the_variable() -> None:
    def no_client(service: str) -> object:
        raise KeyError(service)

    with pytest.raises(ClickException, match="LEASE_TOKEN_KEYS refers to ssm:/none"):
        resolve({"LEASE_TOKEN_KEYS": "ssm:/none"}, no_client)

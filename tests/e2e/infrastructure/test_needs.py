"""Tables and secrets that the function's role must reach."""

import pytest

from deploy.infrastructure.needs import secrets_of, tables_of
from deploy.infrastructure.provisioning import Provisioning, stack_of
from deploy.infrastructure.stage_file import StageFile
from stages import Stage
from tests.e2e.infrastructure.conftest import Provision

STAGE = Stage(
    "test",
    {
        "aws_region": "eu-west-1",
        "environment_variables": {"DYNAMODB_TABLE": "New"},
    },
)
PREFIX = "arn:aws:dynamodb:eu-west-1:1:table/"


@pytest.mark.parametrize(
    ("environments", "prune", "expected"),
    [
        pytest.param([], False, ["New", "Old"], id="the previous table stays"),
        pytest.param([{"DYNAMODB_TABLE": "New"}], True, ["New"], id="pruned"),
        pytest.param(
            [{"DYNAMODB_TABLE": "Old"}], True, ["New", "Old"], id="an earlier version"
        ),
        pytest.param([{}], True, ["New", "Old"], id="a version that names no table"),
    ],
)
def test_the_tables_are_those_of_each_version(
    environments: list[dict[str, str]], prune: bool, expected: list[str]
) -> None:
    previous = {"Tables": f"{PREFIX}Old"}
    tables = tables_of(STAGE, environments, previous, account="1", prune=prune)
    assert tables == [f"{PREFIX}{name}" for name in expected]


def test_the_secrets_are_those_of_each_version_and_no_others() -> None:
    environments = [
        {"LEASE_TOKEN_KEYS": "ssm:/limits/keys", "LOG_LEVEL": "INFO"},
        {"AUTH_JWT_SECRETS": "secretsmanager:limits/jwt"},
        {"API_KEYS": "ssm:arn:aws:ssm:eu-west-1:1:parameter/keys"},
    ]
    expected = [
        "arn:aws:secretsmanager:eu-west-1:1:secret:limits/jwt-??????",
        "arn:aws:ssm:eu-west-1:1:parameter/keys",
        "arn:aws:ssm:eu-west-1:1:parameter/limits/keys",
    ]
    assert secrets_of(STAGE, environments, {}, account="1") == expected

    previous = {"Secrets": "arn:aws:ssm:eu-west-1:1:parameter/old"}
    assert len(secrets_of(STAGE, environments, previous, account="1")) == 4
    assert secrets_of(STAGE, environments, previous, account="1", prune=True) == (
        expected
    )


def test_the_role_reads_the_new_secret_and_keeps_the_old_one(
    stage: Stage, provision: Provision
) -> None:
    provision(variables={"LEASE_TOKEN_KEYS": "ssm:/limits/old"})
    new = {"LEASE_TOKEN_KEYS": "ssm:/limits/new"}
    provisioning = Provisioning(stage, StageFile(), variables=new)
    assert not provisioning.is_ready()

    provision(variables=new)
    assert provisioning.is_ready()
    secrets = stack_of(stage).parameters()["Secrets"]
    assert "parameter/limits/old" in secrets
    assert "parameter/limits/new" in secrets

    provision(variables=new, prune=True)
    assert "parameter/limits/old" not in stack_of(stage).parameters()["Secrets"]


def test_the_role_gets_additional_policies(stage: Stage, provision: Provision) -> None:
    policy = "arn:aws:iam::aws:policy/SecurityAudit"
    provision(managed_policies=[policy])
    iam = stage.client("iam")
    attached = iam.list_attached_role_policies(RoleName=stage.role)["AttachedPolicies"]
    assert [item["PolicyArn"] for item in attached] == [policy]


def test_without_secrets_and_policies_the_role_has_neither(
    stage: Stage, provision: Provision
) -> None:
    """A condition on the first item of a list is false for the default `none`."""
    provision()
    iam = stage.client("iam")
    role = {"RoleName": stage.role}
    assert iam.list_attached_role_policies(**role)["AttachedPolicies"] == []
    policy = iam.get_role_policy(**role, PolicyName="stream-limits")
    sids = [statement["Sid"] for statement in policy["PolicyDocument"]["Statement"]]
    assert sids == ["Items", "InvokeByApiGateway", "Logs", "TracesHaveNoResource"]


def test_the_role_has_the_boundary_of_the_account(
    stage: Stage, provision: Provision
) -> None:
    boundary = "arn:aws:iam::aws:policy/SecurityAudit"
    provision(boundary=boundary)
    iam = stage.client("iam")
    role = iam.get_role(RoleName=stage.role)["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert provision(boundary=boundary) == []


def test_a_role_that_was_deleted_is_missed_before_a_release_and_made_again(
    stage: Stage, provision: Provision
) -> None:
    provision()
    iam = stage.client("iam")
    for policy in iam.list_role_policies(RoleName=stage.role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=stage.role, PolicyName=policy)
    iam.delete_role(RoleName=stage.role)
    assert not Provisioning(stage, StageFile(reserve=False)).is_ready()

    assert "create Role again, which was deleted" in provision()
    assert iam.get_role(RoleName=stage.role)

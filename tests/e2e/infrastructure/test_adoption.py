"""Adoption of a stage that was created without a CloudFormation stack."""

import json
from typing import Any

import pytest

from deploy.infrastructure.alarms import alarm_names
from deploy.infrastructure.provisioning import Provisioning, stack_of
from deploy.infrastructure.stage_file import Consumer, StageFile
from stages import Stage
from tests.e2e.infrastructure.conftest import Provision

BILLING = Consumer(name="billing", rate=50, burst=100)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
ZAPPAS_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}],
}


def make_table(stage: Stage, key: str = "user_id", **more: Any) -> None:
    stage.client("dynamodb").create_table(
        TableName=stage.table,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        **({"BillingMode": "PAY_PER_REQUEST"} | more),
    )


def make_role(stage: Stage) -> None:
    iam = stage.client("iam")
    iam.create_role(
        RoleName=stage.role,
        AssumeRolePolicyDocument=json.dumps(TRUST),
    )
    iam.put_role_policy(
        RoleName=stage.role,
        PolicyName="zappa-permissions",
        PolicyDocument=json.dumps(ZAPPAS_POLICY),
    )


def make_key(stage: Stage) -> str:
    """Create a key in a usage plan, and return its value."""
    apigateway = stage.client("apigateway")
    name = key_name(stage)
    key = apigateway.create_api_key(name=name, enabled=True)
    plan = apigateway.create_usage_plan(
        name=name, throttle={"rateLimit": 10, "burstLimit": 20}
    )
    apigateway.create_usage_plan_key(
        usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY"
    )
    return str(key["value"])


def key_name(stage: Stage) -> str:
    return f"{stage.function}-billing"


def key_values(stage: Stage) -> list[str]:
    keys = stage.client("apigateway").get_api_keys(includeValues=True)["items"]
    name = key_name(stage)
    return [key["value"] for key in keys if key["name"] == name]


def test_an_existing_table_keeps_its_items_and_is_protected(
    stage: Stage, provision: Provision
) -> None:
    dynamodb = stage.client("dynamodb")
    make_table(stage, OnDemandThroughput={"MaxWriteRequestUnits": 700})
    item = {"user_id": {"S": "ana"}}
    dynamodb.put_item(TableName=stage.table, Item=item)

    lines = provision()
    assert f"adopt the table {stage.table}" in lines
    table = dynamodb.describe_table(TableName=stage.table)["Table"]
    assert table["DeletionProtectionEnabled"]
    assert table["OnDemandThroughput"]["MaxWriteRequestUnits"] == 700, "not named"
    assert dynamodb.scan(TableName=stage.table)["Count"] == 1
    assert provision() == []


def test_an_adoption_can_wait_for_the_confirmation_of_a_reduction(
    stage: Stage, provision: Provision
) -> None:
    make_table(stage, OnDemandThroughput={"MaxWriteRequestUnits": 700})
    provision(max_write_units=100, confirm_all=False)
    dynamodb = stage.client("dynamodb")
    table = dynamodb.describe_table(TableName=stage.table)["Table"]
    assert table["OnDemandThroughput"]["MaxWriteRequestUnits"] == 700


def test_a_provisioned_table_stays_provisioned(
    stage: Stage, provision: Provision
) -> None:
    units = {"ReadCapacityUnits": 40, "WriteCapacityUnits": 40}
    make_table(stage, BillingMode="PROVISIONED", ProvisionedThroughput=units)
    provision()
    parameters = stack_of(stage).parameters()
    assert parameters["Billing"] == "PROVISIONED"
    assert parameters["Units"] == "40"


def test_a_table_of_another_service_is_refused(
    stage: Stage, provision: Provision
) -> None:
    make_table(stage, key="order_id")
    message = f"The table {stage.table} has another key"
    with pytest.raises(LookupError, match=message):
        provision()


def test_the_role_keeps_its_name_and_loses_zappas_policy(
    stage: Stage, provision: Provision
) -> None:
    make_role(stage)
    assert f"adopt the role {stage.role}" in provision()
    provision()
    policies = stage.client("iam").list_role_policies(RoleName=stage.role)
    assert policies["PolicyNames"] == ["stream-limits"]


def test_a_back_end_keeps_the_value_of_its_key(
    stage: Stage, provision: Provision
) -> None:
    value = make_key(stage)
    provision(consumers=(BILLING,))
    assert key_values(stage) == [value]

    plans = stage.client("apigateway").get_usage_plans()["items"]
    name = key_name(stage)
    (plan,) = [item for item in plans if item["name"] == name]
    assert plan["throttle"] == {"rateLimit": 50, "burstLimit": 100}


def test_a_back_end_that_the_file_names_later_keeps_its_key(
    stage: Stage, provision: Provision
) -> None:
    value = make_key(stage)
    provision()
    assert f"adopt the API key {stage.function}-billing" in provision(
        consumers=(BILLING,)
    )
    assert key_values(stage) == [value]
    assert provision(consumers=(BILLING,)) == []


def test_an_alarm_keeps_the_threshold_and_the_topic_that_an_operator_set(
    stage: Stage, provision: Provision
) -> None:
    topic = "arn:aws:sns:eu-west-1:000000000000:operators"
    cloudwatch = stage.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=f"{stage.function}-function-slow",
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=9000,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    cloudwatch.put_dashboard(
        DashboardName=stage.function, DashboardBody='{"widgets": []}'
    )

    lines = provision()
    assert f"delete and create 1 alarms {stage.function}-…" in lines
    assert f"delete and create the dashboard {stage.function}" in lines
    assert len(alarm_names(stage, cloudwatch)) == 17
    (slow,) = cloudwatch.describe_alarms(
        AlarmNames=[f"{stage.function}-function-slow"]
    )["MetricAlarms"]
    assert slow["Threshold"] == 9000
    assert slow["AlarmActions"] == [topic]


def test_the_log_keeps_its_retention(stage: Stage, provision: Provision) -> None:
    logs = stage.client("logs")
    name = f"/aws/lambda/{stage.function}"
    logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=365)
    assert f"adopt the log group {name}" in provision()
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert group["retentionInDays"] == 365


def test_a_deleted_stack_leaves_the_data_and_is_adopted_again(
    stage: Stage, provision: Provision
) -> None:
    provision(consumers=(BILLING,))
    stack_of(stage).delete()
    assert stage.table in stage.client("dynamodb").list_tables()["TableNames"]
    assert alarm_names(stage, stage.client("cloudwatch")) == []

    lines = provision(consumers=(BILLING,))
    for subject in (
        f"table {stage.table}",
        f"role {stage.role}",
        f"API key {stage.function}-billing",
    ):
        assert f"adopt the {subject}" in lines
    assert provision(consumers=(BILLING,)) == []


def test_a_stage_moves_to_a_restored_table_and_the_role_reaches_both(
    stage: Stage, provision: Provision
) -> None:
    provision()
    restored = f"{stage.table}-restored"
    variables = {"DYNAMODB_TABLE": restored}
    moved = Stage("test", {**stage.settings, "environment_variables": variables})
    make_table(moved)

    provisioning = Provisioning(moved, StageFile())
    changes = provisioning.changes()
    assert f"adopt the table {restored}" in [str(change) for change in changes]
    provisioning.apply(changes, lambda text: None)

    dynamodb = stage.client("dynamodb")
    table = dynamodb.describe_table(TableName=restored)["Table"]
    assert table["DeletionProtectionEnabled"]
    assert stage.table in dynamodb.list_tables()["TableNames"]
    tables = stack_of(stage).parameters()["Tables"].split(",")
    assert len(tables) == 2, "the role serves the live version and the next one"

"""The stack of a stage: its resources, its drift, and the reductions of its values."""

import json
from typing import Any

import pytest

from deploy.infrastructure.alarms import alarm_names
from deploy.infrastructure.provisioning import Provisioning, stack_of
from deploy.infrastructure.stage_file import Consumer, StageFile
from stages import Stage
from tests.e2e.infrastructure.conftest import Provision, make_api

BILLING = Consumer(name="billing", rate=50, burst=100)


def table_of(stage: Stage) -> dict[str, Any]:
    answer = stage.client("dynamodb").describe_table(TableName=stage.table)
    table: dict[str, Any] = answer["Table"]
    return table


def max_units(stage: Stage) -> int:
    throughput = table_of(stage)["OnDemandThroughput"]
    return int(throughput["MaxWriteRequestUnits"])


def tables(stage: Stage) -> list[str]:
    dynamodb = stage.client("dynamodb")
    names: list[str] = dynamodb.list_tables()["TableNames"]
    return names


def retention_of(stage: Stage) -> int:
    logs = stage.client("logs")
    answer = logs.describe_log_groups(logGroupNamePrefix=log_group(stage))
    (group,) = answer["logGroups"]
    return int(group["retentionInDays"])


def log_group(stage: Stage) -> str:
    return f"/aws/lambda/{stage.function}"


# --- a new stage ----------------------------------------------------------------------


def test_a_second_run_finds_no_change(provision: Provision) -> None:
    assert provision(viewers=20_000)
    assert provision(viewers=20_000) == []


def test_a_new_table_is_protected(stage: Stage, provision: Provision) -> None:
    provision(max_write_units=4000)
    table = table_of(stage)
    dynamodb = stage.client("dynamodb")
    name = {"TableName": str(stage.table)}

    assert table["KeySchema"] == [{"AttributeName": "user_id", "KeyType": "HASH"}]
    assert table["DeletionProtectionEnabled"]
    assert table["SSEDescription"]["SSEType"] == "KMS"
    assert max_units(stage) == 4000

    answer = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])
    tags = answer["Tags"]
    own = [tag for tag in tags if not tag["Key"].startswith("aws:")]
    assert own == [{"Key": "service", "Value": "stream-limits"}]

    backups = dynamodb.describe_continuous_backups(**name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(**name)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "ttl"
    assert expiry["TimeToLiveStatus"] == "ENABLED"


def test_the_stack_is_protected_from_deletion(
    stage: Stage, provision: Provision
) -> None:
    provision()
    description = stack_of(stage).description()
    assert description is not None
    assert description["EnableTerminationProtection"]


def test_the_changes_are_shown_and_not_applied(stage: Stage) -> None:
    provisioning = Provisioning(stage, StageFile())
    lines = [str(change) for change in provisioning.changes()]
    provisioning.discard()

    assert "add UserStreams (AWS::DynamoDB::GlobalTable)" in lines
    assert not any("ViewersBlocked" in line for line in lines), "no viewer_rate"
    assert stage.table not in tables(stage)
    stacks = stage.client("cloudformation").describe_stacks()["Stacks"]
    names = [stack["StackName"] for stack in stacks]
    assert stack_of(stage).name not in names


def test_a_failure_names_the_resource_and_leaves_no_stack(
    stage: Stage, provision: Provision
) -> None:
    provisioning = Provisioning(stage, StageFile())
    changes = provisioning.changes()
    stage.client("logs").create_log_group(logGroupName=log_group(stage))

    with pytest.raises(LookupError, match=r"undid the changes .*Log: .*already exists"):
        provisioning.apply(changes, lambda text: None)
    assert stack_of(stage).description() is None
    assert stage.table not in tables(stage)


# --- changes --------------------------------------------------------------------------


def test_a_value_that_the_file_does_not_name_stays(
    stage: Stage, provision: Provision
) -> None:
    provision(log_days=365, thresholds={"function-slow": 9000})
    assert provision(max_write_units=10)
    assert retention_of(stage) == 365
    assert stack_of(stage).parameters()["ThresholdFunctionSlow"] == "9000"


def test_capacity_changes_and_the_items_stay(
    stage: Stage, provision: Provision
) -> None:
    provision()
    dynamodb = stage.client("dynamodb")
    item = {"user_id": {"S": "ana"}}
    dynamodb.put_item(TableName=stage.table, Item=item)

    assert "billing: PAY_PER_REQUEST -> PROVISIONED" in provision(units=20)
    assert table_of(stage)["ProvisionedThroughput"]["WriteCapacityUnits"] == 20
    dynamodb.update_table(
        TableName=stage.table,
        ProvisionedThroughput={"ReadCapacityUnits": 20, "WriteCapacityUnits": 300},
    )
    assert provision(units=20) == [], "auto-scaling is no drift"

    assert "billing: PROVISIONED -> PAY_PER_REQUEST" in provision(on_demand=True)
    assert dynamodb.scan(TableName=stage.table)["Count"] == 1


def test_a_topic_gets_each_alarm_and_its_end(
    stage: Stage, provision: Provision
) -> None:
    topic = "arn:aws:sns:eu-west-1:000000000000:operators"
    provision()
    provision(topic=topic)
    cloudwatch = stage.client("cloudwatch")
    names = alarm_names(stage, cloudwatch)
    assert len(names) == 17
    for alarm in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]:
        assert alarm["AlarmActions"] == [topic]
        assert alarm["OKActions"] == [topic]


def test_alarms_for_viewers_and_for_traffic_are_optional(
    stage: Stage, provision: Provision
) -> None:
    provision(viewer_rate=120, expect_traffic=True)
    names = alarm_names(stage, stage.client("cloudwatch"))
    assert len(names) == 20
    assert f"{stage.function}-viewers-blocked" in names
    assert f"{stage.function}-traffic-gone" in names


def test_an_alarm_of_another_stage_is_not_this_stages(
    stage: Stage, provision: Provision
) -> None:
    provision()
    shorter = Stage("test", {**stage.settings, "project_name": "limits"})
    assert alarm_names(shorter, stage.client("cloudwatch")) == []


def test_the_threshold_of_an_unknown_alarm_is_refused(provision: Provision) -> None:
    with pytest.raises(LookupError, match="No alarm function-fast"):
        provision(thresholds={"function-fast": 1})


# --- drift ----------------------------------------------------------------------------


def test_changes_by_hand_are_put_back(stage: Stage, provision: Provision) -> None:
    provision()
    name = {"TableName": str(stage.table)}
    dynamodb = stage.client("dynamodb")
    cloudwatch = stage.client("cloudwatch")
    dynamodb.update_table(**name, DeletionProtectionEnabled=False)
    dynamodb.update_time_to_live(
        **name, TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )
    cloudwatch.delete_alarms(AlarmNames=[f"{stage.function}-api-slow"])
    cloudwatch.put_dashboard(
        DashboardName=stage.function, DashboardBody='{"widgets": []}'
    )

    lines = provision()
    protection = "UserStreams Replicas/0/DeletionProtectionEnabled"
    assert f"put back {protection}: false -> true" in lines
    assert "create ApiSlow again, which was deleted" in lines
    assert table_of(stage)["DeletionProtectionEnabled"]
    expiry = dynamodb.describe_time_to_live(**name)["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"
    assert len(alarm_names(stage, cloudwatch)) == 17
    assert provision() == []


def test_a_policy_that_was_added_to_the_role_is_drift(
    stage: Stage, provision: Provision
) -> None:
    provision()
    iam = stage.client("iam")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(
        RoleName=stage.role,
        PolicyName="more",
        PolicyDocument=json.dumps(policy),
    )
    assert any(line.startswith("put back Role Policies/1") for line in provision())
    policies = iam.list_role_policies(RoleName=stage.role)["PolicyNames"]
    assert policies == ["stream-limits"]


# --- reductions -----------------------------------------------------------------------


def test_a_reduction_waits_for_its_confirmation(
    stage: Stage, provision: Provision
) -> None:
    provision(max_write_units=8000, consumers=(BILLING,))
    slower = Consumer(name="billing", rate=7.5, burst=100)

    lines = provision(
        max_write_units=4000, consumers=(slower,), log_days=60, confirm_all=False
    )
    assert "log_days: 30 -> 60" in lines
    assert not any("LOWER" in line for line in lines)
    assert max_units(stage) == 8000

    lines = provision(max_write_units=4000, consumers=(slower,))
    assert "LOWER max_write_units: 8000 -> 4000" in lines
    assert "LOWER RateLimit of billing: 50 -> 7.5" in lines
    assert max_units(stage) == 4000


def test_a_first_maximum_is_a_reduction(provision: Provision) -> None:
    provision()
    assert "LOWER max_write_units: inf -> 4000" in provision(max_write_units=4000)


def test_drift_that_is_more_capacity_waits_for_its_confirmation(
    stage: Stage, provision: Provision
) -> None:
    provision()
    stage.client("logs").put_retention_policy(
        logGroupName=log_group(stage), retentionInDays=365
    )
    assert provision(confirm_all=False) == []
    assert retention_of(stage) == 365
    assert provision()[0] == "LOWER put back Log RetentionInDays: 365 -> 30"
    assert retention_of(stage) == 30


# --- back ends and the web ACL --------------------------------------------------------


def usage_plan(stage: Stage) -> dict[str, Any]:
    name = f"{stage.function}-billing"
    plans = stage.client("apigateway").get_usage_plans()["items"]
    (plan,) = [item for item in plans if item["name"] == name]
    return dict(plan)


def test_a_back_end_keeps_its_key(stage: Stage, provision: Provision) -> None:
    provision(consumers=(BILLING,))
    plan = usage_plan(stage)
    apigateway = stage.client("apigateway")
    assert plan["throttle"] == {"rateLimit": 50, "burstLimit": 100}
    before = apigateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    (key,) = before
    assert key["name"] == f"{stage.function}-billing"

    slower = Consumer(name="billing", rate=7.5, burst=100)
    provision(consumers=(slower,))
    assert usage_plan(stage)["throttle"]["rateLimit"] == 7.5
    another = Consumer(name="support", rate=1, burst=2)
    provision(consumers=(another,))
    after = apigateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    assert after == before, "a back end that the file no longer names"


def test_the_key_outlives_the_api(stage: Stage, provision: Provision) -> None:
    first = make_api(stage)
    provision(consumers=(BILLING,))
    assert usage_plan(stage)["apiStages"][0]["apiId"] == first

    provision(consumers=(BILLING,), with_api=False)
    assert usage_plan(stage)["apiStages"] == []
    stage.client("apigateway").delete_rest_api(restApiId=first)

    second = make_api(stage)
    provision(consumers=(BILLING,))
    assert usage_plan(stage)["apiStages"][0]["apiId"] == second


def test_the_web_acl_limits_a_viewer_and_an_address(
    stage: Stage, provision: Provision
) -> None:
    api_id = make_api(stage)
    provision(viewer_rate=120)
    rates = rates_of(stage, api_id)
    viewer = rates["one-viewer"]
    assert int(viewer["Limit"]) == 120
    assert int(viewer["EvaluationWindowSec"]) == 60
    (key,) = viewer["CustomKeys"]
    assert key["Header"]["Name"] == "authorization"

    address = rates["one-address"]
    assert int(address["Limit"]) == 12_000
    assert address["AggregateKeyType"] == "IP"

    assert "LOWER viewer_rate: 120 -> 60" in provision(viewer_rate=60)
    viewer = rates_of(stage, api_id)["one-viewer"]
    assert int(viewer["Limit"]) == 60


def test_a_web_acl_that_was_removed_from_the_api_is_put_back(
    stage: Stage, provision: Provision
) -> None:
    api_id = make_api(stage)
    provision(viewer_rate=120)
    stage.client("wafv2").disassociate_web_acl(**resource(stage, api_id))
    lines = provision(viewer_rate=120)
    assert "create WebAclOnApi again, which was deleted" in lines
    assert rates_of(stage, api_id)


def test_another_web_acl_in_front_of_the_api_stays(
    stage: Stage, provision: Provision
) -> None:
    api_id = make_api(stage)
    wafv2 = stage.client("wafv2")
    theirs = wafv2.create_web_acl(
        Name=f"theirs-{stage.function}",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig={
            "SampledRequestsEnabled": False,
            "CloudWatchMetricsEnabled": False,
            "MetricName": "theirs",
        },
    )["Summary"]
    wafv2.associate_web_acl(WebACLArn=theirs["ARN"], **resource(stage, api_id))
    message = f"has the web ACL theirs-{stage.function}"
    with pytest.raises(LookupError, match=message):
        provision(viewer_rate=120)


def resource(stage: Stage, api_id: str) -> dict[str, str]:
    path = f"/restapis/{api_id}/stages/test"
    return {"ResourceArn": f"arn:aws:apigateway:{stage.region}::{path}"}


def rates_of(stage: Stage, api_id: str) -> dict[str, Any]:
    """Return the rate of each rule of the API's web ACL."""
    wafv2 = stage.client("wafv2")
    answer = wafv2.get_web_acl_for_resource(**resource(stage, api_id))
    rules = answer["WebACL"]["Rules"]
    return {rule["Name"]: rule["Statement"]["RateBasedStatement"] for rule in rules}

"""Adoption of a stage that was created without a CloudFormation stack.

Table, role, log group, API keys and usage plans are imported. An import accepts only
these resources in its template, with literal names and without outputs. It applies no
properties, so an update with the whole template follows. Alarms, dashboard and web
ACL hold no data: they are deleted, and the update creates them again. Thresholds,
topic, capacity and retention that an operator has set become the stack's parameters.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from deploy.infrastructure.alarms import find_alarms
from deploy.infrastructure.parameters import Parameters, threshold_parameter
from deploy.infrastructure.stage_file import Consumer, StageFile
from deploy.infrastructure.template import Template, logical_prefix
from stages import Stage

KEY_SCHEMA = [{"AttributeName": "user_id", "KeyType": "HASH"}]
ATTRIBUTES = [{"AttributeName": "user_id", "AttributeType": "S"}]

type Client = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A resource that the stack takes over."""

    subject: str
    logical_id: str
    type_name: str
    identifier: dict[str, str]
    properties: dict[str, Any]


@dataclass(slots=True)
class Existing:
    """Resources of a stage that its stack does not own."""

    imported: list[Imported] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    has_dashboard: bool = False
    web_acl: dict[str, Any] | None = None
    parameters: Parameters = field(default_factory=dict)

    def lines(self, stage: Stage) -> list[str]:
        """Return the steps of the adoption, for the operator."""
        lines = [f"adopt the {resource.subject}" for resource in self.imported]
        if self.alarms:
            lines.append(
                f"delete and create {len(self.alarms)} alarms {stage.function}-…"
            )
        if self.has_dashboard:
            lines.append(f"delete and create the dashboard {stage.function}")
        if self.web_acl:
            lines.append(f"delete and create the web ACL {self.web_acl['Name']}")
        return lines

    def template(self, base: Template) -> Template:
        """Return the template of the import into a stack with the template `base`."""
        resources = {
            resource.logical_id: {
                "Type": resource.type_name,
                "DeletionPolicy": "Retain",
                "Properties": resource.properties,
            }
            for resource in self.imported
        }
        return base | {"Resources": base.get("Resources", {}) | resources}

    def requests(self) -> list[dict[str, Any]]:
        """Return the resources to import, as CreateChangeSet expects them."""
        return [
            {
                "ResourceType": resource.type_name,
                "LogicalResourceId": resource.logical_id,
                "ResourceIdentifier": resource.identifier,
            }
            for resource in self.imported
        ]


def find_existing(stage: Stage, file: StageFile, client: Client) -> Existing:
    """Find the resources of a stage that has no stack.

    Raises:
        LookupError: if the table belongs to another service.
    """
    existing = find_table(stage, client("dynamodb"))
    _find_role(existing, stage, client("iam"))
    _find_log_group(existing, stage, client("logs"))
    find_keys(existing, stage, file.consumers, client("apigateway"))
    _find_alarms(existing, stage, client("cloudwatch"))
    existing.web_acl = find_web_acl(client("wafv2"), f"{stage.function}-viewers")
    return existing


def find_table(stage: Stage, dynamodb: Any) -> Existing:
    """Find the table of a stage, which may have been restored from a backup.

    Raises:
        LookupError: if the table belongs to another service.
    """
    existing = Existing()
    name = str(stage.table)
    try:
        table = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return existing
    if table["KeySchema"] != KEY_SCHEMA:
        raise LookupError(
            f"The table {name} has another key, so it belongs to another service. Set "
            "another DYNAMODB_TABLE."
        )

    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    existing.parameters |= _capacity(table, billing)
    existing.imported.append(
        Imported(
            subject=f"table {name}",
            logical_id="UserStreams",
            type_name="AWS::DynamoDB::GlobalTable",
            identifier={"TableName": name},
            properties={
                "TableName": name,
                "KeySchema": KEY_SCHEMA,
                "AttributeDefinitions": ATTRIBUTES,
                "BillingMode": billing,
                **_throughput(table, billing, str(stage.region)),
            },
        )
    )
    return existing


def _capacity(table: dict[str, Any], billing: str) -> Parameters:
    """Return the capacity of a table as parameters."""
    if billing == "PROVISIONED":
        units = table["ProvisionedThroughput"]["WriteCapacityUnits"]
        return {"Billing": billing, "Units": str(units), "MostUnits": str(10 * units)}
    maximum = table.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits", -1)
    return {"Billing": billing, "MaxUnits": str(max(0, maximum))}


def _throughput(table: dict[str, Any], billing: str, region: str) -> dict[str, Any]:
    """Return the replica, and the scaling that a provisioned table must have."""
    replica: dict[str, Any] = {"Region": region}
    if billing != "PROVISIONED":
        return {"Replicas": [replica]}

    units = table["ProvisionedThroughput"]["WriteCapacityUnits"]
    scaling = {
        "MinCapacity": units,
        "MaxCapacity": 10 * units,
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70},
    }
    replica["ReadProvisionedThroughputSettings"] = {
        "ReadCapacityAutoScalingSettings": scaling
    }
    return {
        "Replicas": [replica],
        "WriteProvisionedThroughputSettings": {
            "WriteCapacityAutoScalingSettings": scaling
        },
    }


def _find_role(existing: Existing, stage: Stage, iam: Any) -> None:
    """Find the role. It keeps its name: both versions of a weighted alias need one."""
    try:
        role = iam.get_role(RoleName=stage.role)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return
    existing.imported.append(
        Imported(
            subject=f"role {stage.role}",
            logical_id="Role",
            type_name="AWS::IAM::Role",
            identifier={"RoleName": stage.role},
            properties={
                "RoleName": stage.role,
                "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
            },
        )
    )


def _find_log_group(existing: Existing, stage: Stage, logs: Any) -> None:
    name = f"/aws/lambda/{stage.function}"
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    same_name = [group for group in groups if group["logGroupName"] == name]
    if not same_name:
        return

    if days := same_name[0].get("retentionInDays"):
        existing.parameters["LogDays"] = str(days)
    existing.imported.append(
        Imported(
            subject=f"log group {name}",
            logical_id="Log",
            type_name="AWS::Logs::LogGroup",
            identifier={"LogGroupName": name},
            properties={"LogGroupName": name},
        )
    )


def find_keys(
    existing: Existing, stage: Stage, consumers: Iterable[Consumer], apigateway: Any
) -> None:
    """Find the keys and the usage plans of back ends."""
    keys = _by_name(apigateway, "get_api_keys")
    plans = _by_name(apigateway, "get_usage_plans")
    for consumer in consumers:
        name = f"{stage.function}-{consumer.name}"
        prefix = logical_prefix(consumer.name)
        key_id, plan_id = keys.get(name), plans.get(name)
        if key_id:
            existing.imported.append(_key(prefix, name, key_id))
        if plan_id:
            existing.imported.append(_plan(prefix, name, plan_id))
        if key_id and plan_id and key_id in _keys_of(apigateway, plan_id):
            existing.imported.append(_plan_key(prefix, name, key_id, plan_id))


def _key(prefix: str, name: str, key_id: str) -> Imported:
    return Imported(
        subject=f"API key {name}",
        logical_id=f"{prefix}Key",
        type_name="AWS::ApiGateway::ApiKey",
        identifier={"APIKeyId": key_id},
        properties={"Name": name, "Enabled": True},
    )


def _plan(prefix: str, name: str, plan_id: str) -> Imported:
    return Imported(
        subject=f"usage plan {name}",
        logical_id=f"{prefix}Plan",
        type_name="AWS::ApiGateway::UsagePlan",
        identifier={"Id": plan_id},
        properties={"UsagePlanName": name},
    )


def _plan_key(prefix: str, name: str, key_id: str, plan_id: str) -> Imported:
    return Imported(
        subject=f"key of the usage plan {name}",
        logical_id=f"{prefix}PlanKey",
        type_name="AWS::ApiGateway::UsagePlanKey",
        identifier={"Id": f"{key_id}:{plan_id}"},
        properties={"KeyId": key_id, "KeyType": "API_KEY", "UsagePlanId": plan_id},
    )


def _by_name(apigateway: Any, operation: str) -> dict[str, str]:
    pages = apigateway.get_paginator(operation).paginate()
    return {item["name"]: item["id"] for page in pages for item in page["items"]}


def _keys_of(apigateway: Any, plan_id: str) -> set[str]:
    pages = apigateway.get_paginator("get_usage_plan_keys").paginate(
        usagePlanId=plan_id
    )
    return {item["id"] for page in pages for item in page["items"]}


def _find_alarms(existing: Existing, stage: Stage, cloudwatch: Any) -> None:
    existing.alarms = find_alarms(stage, cloudwatch)
    for alarm in existing.alarms:
        kind = alarm["AlarmName"].removeprefix(f"{stage.function}-")
        if alarm.get("Threshold") is not None and not alarm.get("ThresholdMetricId"):
            name = threshold_parameter(kind)
            existing.parameters[name] = f"{alarm['Threshold']:g}"
        for topic in alarm.get("AlarmActions", [])[:1]:
            existing.parameters["Topic"] = topic

    with suppress(ClientError):
        cloudwatch.get_dashboard(DashboardName=stage.function)
        existing.has_dashboard = True


def find_web_acl(wafv2: Any, name: str) -> dict[str, Any] | None:
    """Return the web ACL with this name."""
    for acl in _web_acls(wafv2):
        if acl["Name"] == name:
            return acl
    return None


def _web_acls(wafv2: Any) -> Iterable[dict[str, Any]]:
    marker: dict[str, str] = {}
    while True:
        page = wafv2.list_web_acls(Scope="REGIONAL", Limit=100, **marker)
        yield from page["WebACLs"]
        if not page.get("NextMarker"):
            return
        marker = {"NextMarker": page["NextMarker"]}


def delete_recreated(existing: Existing, stage: Stage, client: Client) -> None:
    """Delete alarms, dashboard and web ACL, which the stack creates again."""
    cloudwatch = client("cloudwatch")
    if existing.alarms:
        names = [alarm["AlarmName"] for alarm in existing.alarms]
        cloudwatch.delete_alarms(AlarmNames=names)
    if existing.has_dashboard:
        cloudwatch.delete_dashboards(DashboardNames=[stage.function])
    if existing.web_acl:
        delete_web_acl(existing.web_acl, client("wafv2"))


def delete_web_acl(acl: dict[str, Any], wafv2: Any) -> None:
    """Delete a web ACL, and remove it from the APIs that it protects."""
    resources = wafv2.list_resources_for_web_acl(
        WebACLArn=acl["ARN"], ResourceType="API_GATEWAY"
    )
    for resource in resources["ResourceArns"]:
        wafv2.disassociate_web_acl(ResourceArn=resource)

    address = {"Name": acl["Name"], "Scope": "REGIONAL", "Id": acl["Id"]}
    token = wafv2.get_web_acl(**address)["LockToken"]
    wafv2.delete_web_acl(**address, LockToken=token)

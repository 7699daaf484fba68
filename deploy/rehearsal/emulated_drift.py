"""Drift detection and drift-aware change sets for the emulator's CloudFormation.

The emulator detects drift of few resource types, and ignores `DeploymentMode`. Here
each type of deploy/infrastructure.yaml gets a reader, and a change set in the mode
`REVERT_DRIFT` puts the differences back, as Amazon's does.
"""

import copy
import json
from typing import Any

from ministack.services import apigateway_v1, cloudwatch, dynamodb, iam, waf
from ministack.services.cloudformation import _stacks, changesets, drift, handlers
from ministack.services.cloudformation.engine import _evaluate_conditions
from ministack.services.cloudformation.helpers import _p

type Properties = dict[str, Any]

REVERT = "REVERT_DRIFT"
ACTIONS = handlers._ACTION_HANDLERS
create_change_set = ACTIONS["CreateChangeSet"]
execute_change_set = ACTIONS["ExecuteChangeSet"]


def register() -> None:
    """Add the readers and the deployment mode to the emulator's CloudFormation."""
    _read("AWS::DynamoDB::GlobalTable", _table, TABLE)
    _read("AWS::IAM::Role", _role, ROLE)
    _read("AWS::CloudWatch::Alarm", _alarm, ALARM)
    _read("AWS::CloudWatch::Dashboard", _dashboard, {"DashboardBody"})
    _read("AWS::WAFv2::WebACL", _web_acl, {"Rules", "DefaultAction"})
    _read("AWS::WAFv2::WebACLAssociation", _association, {"WebACLArn"})
    _read("AWS::ApiGateway::UsagePlan", _usage_plan, {"Throttle", "ApiStages"})
    _read("AWS::ApiGateway::ApiKey", _api_key, {"Enabled"})
    ACTIONS["CreateChangeSet"] = _create_drift_aware
    ACTIONS["ExecuteChangeSet"] = _execute_drift_aware


def _read(type_name: str, reader: Any, properties: set[str]) -> None:
    drift._DRIFT_READERS[type_name] = (reader, frozenset(properties))


# --- readers: the physical id and the expected properties -> the actual properties ----

TABLE = {"BillingMode", "TimeToLiveSpecification", "SSESpecification", "Replicas"}
TABLE |= {"WriteOnDemandThroughputSettings"}
ROLE = {"AssumeRolePolicyDocument", "Policies", "PermissionsBoundary"}
ALARM = {
    "AlarmActions", "ComparisonOperator", "DatapointsToAlarm", "Dimensions",
    "EvaluationPeriods", "ExtendedStatistic", "MetricName", "Metrics", "Namespace",
    "OKActions", "Period", "Statistic", "Threshold", "TreatMissingData",
}  # fmt: skip


def _table(name: str, expected: Properties) -> Properties | None:
    table = dynamodb._tables.get(name)
    if table is None:
        return None

    lifetime = table.get("TimeToLiveDescription") or dynamodb._ttl_settings.get(
        name, {}
    )
    encryption = table.get("SSEDescription") or {}
    maximum = table.get("OnDemandThroughput") or {}
    return {
        "BillingMode": table["BillingModeSummary"]["BillingMode"],
        "TimeToLiveSpecification": {
            "AttributeName": lifetime.get("AttributeName"),
            "Enabled": lifetime.get("TimeToLiveStatus") == "ENABLED",
        },
        "SSESpecification": {
            "SSEEnabled": encryption.get("Status") == "ENABLED",
            "SSEType": encryption.get("SSEType"),
        },
        "WriteOnDemandThroughputSettings": {
            "MaxWriteRequestUnits": maximum.get("MaxWriteRequestUnits")
        },
        "Replicas": [_actual_replica(table, expected, maximum)],
    }


def _actual_replica(
    table: Properties, expected: Properties, maximum: Properties
) -> Properties:
    replica: Properties = copy.deepcopy(expected["Replicas"][0])
    name = table["TableName"]
    replica["DeletionProtectionEnabled"] = table["DeletionProtectionEnabled"]
    replica["PointInTimeRecoverySpecification"] = {
        "PointInTimeRecoveryEnabled": bool(dynamodb._pitr_settings.get(name))
    }
    replica["Tags"] = dynamodb._tags.get(table["TableArn"], [])
    if "ReadOnDemandThroughputSettings" in replica:
        units = maximum.get("MaxReadRequestUnits")
        replica["ReadOnDemandThroughputSettings"] = {"MaxReadRequestUnits": units}
    return replica


def _role(name: str, expected: Properties) -> Properties | None:
    role = iam._roles.get(name)
    if role is None:
        return None

    policies = [
        {"PolicyName": policy, "PolicyDocument": json.loads(document)}
        for policy, document in role["InlinePolicies"].items()
    ]
    return {
        "AssumeRolePolicyDocument": json.loads(role["AssumeRolePolicyDocument"]),
        "Policies": policies,
        "PermissionsBoundary": role.get("PermissionsBoundary"),
    }


def _alarm(name: str, expected: Properties) -> Properties | None:
    alarm = cloudwatch._alarms.get(name)
    if alarm is None:
        return None

    actual = {key: alarm.get(key) for key in ALARM}
    if alarm.get("Threshold") is not None:
        actual["Threshold"] = f"{alarm['Threshold']:g}"
    return actual


def _dashboard(name: str, expected: Properties) -> Properties | None:
    board = cloudwatch._dashboards.get(name)
    return board and {"DashboardBody": board["DashboardBody"]}


def _web_acl(identifier: str, expected: Properties) -> Properties | None:
    _, acl_id, scope = identifier.split("|")
    acl = waf.web_acl_record(acl_id, scope)
    return acl and {name: acl[name] for name in ("Rules", "DefaultAction")}


def _association(identifier: str, expected: Properties) -> Properties | None:
    acl = waf._associations.get(expected["ResourceArn"])
    return acl and {"WebACLArn": acl}


def _usage_plan(plan_id: str, expected: Properties) -> Properties | None:
    plan = apigateway_v1._usage_plans.get(plan_id)
    if plan is None:
        return None

    throttle = plan["throttle"]
    stages = [
        {"ApiId": stage["apiId"], "Stage": stage["stage"]}
        for stage in plan["apiStages"]
    ]
    return {
        "Throttle": {
            "RateLimit": throttle.get("rateLimit"),
            "BurstLimit": throttle.get("burstLimit"),
        },
        "ApiStages": stages,
    }


def _api_key(key_id: str, expected: Properties) -> Properties | None:
    key = apigateway_v1._api_keys.get(key_id)
    return key and {"Enabled": key["enabled"]}


# --- change sets in the mode REVERT_DRIFT ---------------------------------------------


def _create_drift_aware(params: Properties) -> Any:
    """Create a change set, with the drifted resources among its changes."""
    answer = create_change_set(params)
    if answer[0] >= 400:
        return answer
    _drop_excluded(_change_set_of(params))
    if _p(params, "DeploymentMode") != REVERT:
        return answer

    change_set = _change_set_of(params)
    drifted = _drifted(_stacks[change_set["StackName"]])
    if drifted:
        _add_changes(change_set, drifted)
    return answer


def _change_set_of(params: Properties) -> Properties:
    name, stack_name = _p(params, "ChangeSetName"), _p(params, "StackName")
    change_set: Properties
    _, change_set = changesets._find_change_set(name, stack_name)
    return change_set


def _drop_excluded(change_set: Properties) -> None:
    """Drop the changes of resources whose condition is false, as Amazon's does."""
    template = change_set["_template"]
    conditions = _evaluate_conditions(template, change_set["_resolved_params"])
    existing = _stacks[change_set["StackName"]]["_resources"]

    included = []
    for change in change_set["Changes"]:
        details = change["ResourceChange"]
        logical_id = details["LogicalResourceId"]
        condition = template["Resources"].get(logical_id, {}).get("Condition")
        is_created = conditions.get(condition, True)

        if not is_created and logical_id not in existing:
            continue
        if not is_created:
            details["Action"] = "Remove"
        elif logical_id not in existing and details["Action"] == "Modify":
            details["Action"] = "Add"
        included.append(change)
    change_set["Changes"] = included


def _drifted(stack: Properties) -> dict[str, Properties | None]:
    """Return the actual properties of each drifted resource. A deleted one has none."""
    actual_properties: dict[str, Properties | None] = {}
    for logical_id, record in stack["_resources"].items():
        if not drift.supports_drift(record["ResourceType"]):
            continue
        result = drift.detect_resource_drift(stack, logical_id, record, "")
        if result["StackResourceDriftStatus"] == "MODIFIED":
            actual_properties[logical_id] = json.loads(result["ActualProperties"])
        if result["StackResourceDriftStatus"] == "DELETED":
            actual_properties[logical_id] = None
    return actual_properties


def _add_changes(change_set: Properties, drifted: Properties) -> None:
    resources = change_set["_template"]["Resources"]
    changed = {
        change["ResourceChange"]["LogicalResourceId"]
        for change in change_set["Changes"]
    }
    for logical_id, actual in drifted.items():
        if logical_id in changed or logical_id not in resources:
            continue
        change = {
            "Action": "Add" if actual is None else "Modify",
            "LogicalResourceId": logical_id,
            "ResourceType": resources[logical_id]["Type"],
            "Scope": [],
            "Details": [],
        }
        change_set["Changes"].append({"ResourceChange": change})

    change_set["_drifted"] = drifted
    change_set["Status"] = "CREATE_COMPLETE"
    change_set["ExecutionStatus"] = "AVAILABLE"
    change_set["StatusReason"] = ""


def _execute_drift_aware(params: Properties) -> Any:
    """Execute a change set, from the actual state of the drifted resources on."""
    change_set = _change_set_of(params)
    if change_set and change_set["ExecutionStatus"] == "AVAILABLE":
        records = _stacks[change_set["StackName"]]["_resources"]
        for logical_id, actual in change_set.get("_drifted", {}).items():
            if actual is None:
                records.pop(logical_id)
            else:
                records[logical_id]["Properties"] |= actual
    return execute_change_set(params)

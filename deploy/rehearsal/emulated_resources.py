"""Resource types that the emulator's CloudFormation lacks, or handles unlike Amazon's.

`register` adds them in the emulator's process. Amazon's CloudFormation refuses to
create a resource whose name is taken; the emulator would replace it, so these handlers
refuse it too.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import (
    apigateway_v1,
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    iam,
    waf,
)
from ministack.services.cloudformation import changesets, provisioners

type Properties = dict[str, Any]
type Created = tuple[str, Properties]

HANDLERS = provisioners._RESOURCE_HANDLERS
NAMED = {
    "AWS::IAM::Role": ("RoleName", iam._roles),
    "AWS::Logs::LogGroup": ("LogGroupName", cloudwatch_logs._log_groups),
    "AWS::CloudWatch::Alarm": ("AlarmName", cloudwatch._alarms),
    "AWS::CloudWatch::Dashboard": ("DashboardName", cloudwatch._dashboards),
    "AWS::DynamoDB::GlobalTable": ("TableName", dynamodb._tables),
}
"""Types with a name that must be free: the property, and the emulator's store."""


def register() -> None:
    """Add the handlers to the emulator's CloudFormation."""
    HANDLERS["AWS::DynamoDB::GlobalTable"] |= {
        "create": _create_table,
        "update": _update_table,
        "import": provisioners._ddb_import,
    }
    HANDLERS["AWS::WAFv2::WebACLAssociation"] = {
        "create": _associate,
        "update": _move_association,
        "delete": _disassociate,
    }
    HANDLERS["AWS::CloudWatch::Alarm"] |= {
        "create": _create_alarm,
        "update": _update_alarm,
        "update_with_logical_id": False,
    }
    _extend("AWS::IAM::Role", _store_boundary)

    for type_name in NAMED:
        _refuse_taken_names(type_name)
    _register_imports()


def _extend(type_name: str, store: Callable[[Properties], None]) -> None:
    """Run `store` after each creation and each update of a resource."""
    handler = HANDLERS[type_name]
    create = handler["create"]
    update = handler["update"]

    def create_and_store(
        logical_id: str, properties: Properties, stack: str
    ) -> Created:
        created: Created = create(logical_id, properties, stack)
        store(properties)
        return created

    def update_and_store(
        physical_id: str,
        before: Properties,
        after: Properties,
        stack: str,
        logical_id: str,
    ) -> Created:
        updated: Created = update(physical_id, before, after, stack, logical_id)
        store(after)
        return updated

    handler["create"] = create_and_store
    handler["update"] = update_and_store


def _refuse_taken_names(type_name: str) -> None:
    """Fail a creation when a resource with that name exists."""
    name_property, existing = NAMED[type_name]
    create = HANDLERS[type_name]["create"]

    def create_new(logical_id: str, properties: Properties, stack: str) -> Created:
        name = properties.get(name_property)
        if name in existing:
            raise ValueError(
                f"Resource of type '{type_name}' with identifier '{name}' "
                "already exists."
            )
        created: Created = create(logical_id, properties, stack)
        return created

    HANDLERS[type_name]["create"] = create_new


# --- the table ------------------------------------------------------------------------


def _create_table(logical_id: str, properties: Properties, stack: str) -> Created:
    created: Created = provisioners._ddb_create(
        logical_id, _as_table(properties), stack
    )
    _apply_settings(properties)
    return created


def _update_table(
    physical_id: str, before: Properties, after: Properties, stack: str
) -> Created:
    becomes_provisioned = (
        before.get("BillingMode") == "PAY_PER_REQUEST"
        and after.get("BillingMode") == "PROVISIONED"
    )
    if becomes_provisioned and "SeedCapacity" not in _scaling(after, "Write"):
        raise ValueError("SeedCapacity is required when a table becomes provisioned.")

    updated: Created = provisioners._ddb_update(
        physical_id, _as_table(before), _as_table(after), stack
    )
    _apply_settings(after)
    return updated


def _as_table(properties: Properties) -> Properties:
    """Return the properties of a global table as those of a table in one region."""
    names = ("TableName", "KeySchema", "AttributeDefinitions", "BillingMode")
    replica = _replica(properties)
    table = {name: properties[name] for name in names if name in properties}
    table["Tags"] = replica.get("Tags", [])
    table["DeletionProtectionEnabled"] = replica.get("DeletionProtectionEnabled", False)

    if properties.get("BillingMode") == "PROVISIONED":
        table["ProvisionedThroughput"] = {
            f"{kind}CapacityUnits": int(_scaling(properties, kind)["MinCapacity"])
            for kind in ("Read", "Write")
        }
    return table


def _replica(properties: Properties) -> Properties:
    (replica,) = properties.get("Replicas") or [{}]
    return dict(replica)


def _scaling(properties: Properties, kind: str) -> Properties:
    """Return the auto-scaling settings of reads or writes."""
    holder = properties if kind == "Write" else _replica(properties)
    throughput = holder.get(f"{kind}ProvisionedThroughputSettings", {})
    return dict(throughput.get(f"{kind}CapacityAutoScalingSettings", {}))


def _apply_settings(properties: Properties) -> None:
    """Apply the settings that the emulator's own handler ignores."""
    name = properties["TableName"]
    replica = _replica(properties)

    if lifetime := properties.get("TimeToLiveSpecification"):
        dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": lifetime})
    if recovery := replica.get("PointInTimeRecoverySpecification"):
        dynamodb._update_continuous_backups(
            {"TableName": name, "PointInTimeRecoverySpecification": recovery}
        )
    if encryption := properties.get("SSESpecification"):
        specification = {"Enabled": True, "SSEType": encryption["SSEType"]}
        dynamodb._update_table({"TableName": name, "SSESpecification": specification})
    if properties.get("BillingMode") == "PAY_PER_REQUEST":
        dynamodb._update_table(
            {"TableName": name, "OnDemandThroughput": _on_demand(properties)}
        )


def _on_demand(properties: Properties) -> dict[str, int]:
    """Return the maximum throughput of both kinds. -1 is unlimited."""
    writes = properties.get("WriteOnDemandThroughputSettings", {})
    reads = _replica(properties).get("ReadOnDemandThroughputSettings", {})
    return {
        "MaxWriteRequestUnits": int(writes.get("MaxWriteRequestUnits", -1)),
        "MaxReadRequestUnits": int(reads.get("MaxReadRequestUnits", -1)),
    }


# --- alarms, roles, web ACLs ----------------------------------------------------------


def _create_alarm(logical_id: str, properties: Properties, stack: str) -> Created:
    """Put an alarm, with its metric math, which the emulator's own handler refuses."""
    name = properties["AlarmName"]
    untagged = {key: value for key, value in properties.items() if key != "Tags"}
    status, _, body = cloudwatch._put_metric_alarm({}, untagged, is_cbor=True)
    if status >= 400:
        raise ValueError(str(body))

    alarm = cloudwatch._alarms[name]
    alarm["Metrics"] = properties.get("Metrics")
    return name, {"Arn": alarm["AlarmArn"]}


def _update_alarm(
    physical_id: str, before: Properties, after: Properties, stack: str
) -> Created:
    return _create_alarm(physical_id, after, stack)


def _store_boundary(properties: Properties) -> None:
    role = iam._roles[properties["RoleName"]]
    role["PermissionsBoundary"] = properties.get("PermissionsBoundary")


def _associate(logical_id: str, properties: Properties, stack: str) -> Created:
    acl, resource = properties["WebACLArn"], properties["ResourceArn"]
    waf._associations[resource] = acl
    return f"{acl}|{resource}", {}


def _move_association(
    physical_id: str, before: Properties, after: Properties, stack: str
) -> Created:
    _disassociate(physical_id, before)
    return _associate("", after, stack)


def _disassociate(physical_id: str, properties: Properties) -> None:
    waf._associations.pop(properties["ResourceArn"], None)


# --- imports --------------------------------------------------------------------------


def _register_imports() -> None:
    """Let CloudFormation import tables, API keys and usage plans."""
    lookups = changesets._IMPORT_LOOKUPS
    lookups["AWS::DynamoDB::GlobalTable"] = (
        ("TableName",),
        changesets._table_import_problem,
    )
    _register_import("AWS::ApiGateway::ApiKey", "APIKeyId", _has_key)
    _register_import("AWS::ApiGateway::UsagePlan", "Id", _has_plan)
    _register_import("AWS::ApiGateway::UsagePlanKey", "Id", _has_plan_key)


def _register_import(
    type_name: str, identifier: str, exists: Callable[[str], bool]
) -> None:
    def problem(value: str) -> str | None:
        return None if exists(value) else f"{type_name} '{value}' was not found."

    def adopt(identifiers: dict[str, str]) -> Created:
        return identifiers[identifier], {identifier: identifiers[identifier]}

    changesets._IMPORT_LOOKUPS[type_name] = ((identifier,), problem)
    HANDLERS[type_name]["import"] = adopt


def _has_key(key_id: str) -> bool:
    return key_id in apigateway_v1._api_keys


def _has_plan(plan_id: str) -> bool:
    return plan_id in apigateway_v1._usage_plans


def _has_plan_key(identifier: str) -> bool:
    key_id, _, plan_id = identifier.partition(":")
    return _has_key(key_id) and _has_plan(plan_id)

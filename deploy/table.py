"""The table: made, kept safe, and paid for as the stage's file says. Nothing here deletes data.

A test holds `SCHEMA` to the model.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from deploy.state import Wanted
from deploy.steps import Step, patiently

SCHEMA = {
    "KeySchema": [{"AttributeName": "user_id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "user_id", "AttributeType": "S"}],
}
EXPIRY = "ttl"
TAGS = {"service": "stream-limits"}
ENCRYPTED = {"Enabled": True, "SSEType": "KMS"}
"""With AWS's key for DynamoDB in this account, whose every use CloudTrail records; a key of one's own is left alone."""


def plan_table(name: str, wanted: Wanted, dynamodb: Any) -> Iterator[Step]:
    """What differs from what is there. `dynamodb` is a boto3 client. Raises `LookupError` where the table is somebody
    else's."""
    table = _table(dynamodb, name)
    if table is None:
        yield Step(
            f"create the table {name}",
            partial(_create, dynamodb, name, wanted),
            None,
            _mode_of(wanted),
        )
        yield Step(
            f"let {name} forget rows by {EXPIRY}", partial(_forget, dynamodb, name)
        )
        yield Step(
            f"keep {name} recoverable to any second of 35 days",
            partial(_recover, dynamodb, name),
        )
        return
    if table["KeySchema"] != SCHEMA["KeySchema"]:
        raise LookupError(
            f"The table {name} has another key: it is not this service's. Set another DYNAMODB_TABLE."
        )
    yield from _capacity(name, wanted, table, dynamodb)
    update = partial(_update, dynamodb, name)
    if not table.get("DeletionProtectionEnabled"):
        yield Step(
            f"protect {name} from deletion",
            partial(update, DeletionProtectionEnabled=True),
        )
    if table.get("SSEDescription", {}).get("SSEType") != ENCRYPTED["SSEType"]:
        yield Step(
            f"encrypt {name} with the account's own key for DynamoDB",
            partial(update, SSESpecification=ENCRYPTED),
        )
    if TAGS.items() - _tags(dynamodb, table["TableArn"]).items():
        tag = partial(
            dynamodb.tag_resource, ResourceArn=table["TableArn"], Tags=_as_tags(TAGS)
        )
        yield Step(
            f"tag {name} with {', '.join(f'{key}={value}' for key, value in TAGS.items())}",
            tag,
        )
    yield from _expiry(name, dynamodb)
    backups = dynamodb.describe_continuous_backups(TableName=name)[
        "ContinuousBackupsDescription"
    ]
    if (
        backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        != "ENABLED"
    ):
        yield Step(
            f"keep {name} recoverable to any second of 35 days",
            partial(_recover, dynamodb, name),
        )


def _table(dynamodb: Any, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return None
    return found


def _capacity(
    name: str, wanted: Wanted, table: Mapping[str, Any], dynamodb: Any
) -> Iterator[Step]:
    """Units that auto-scaling moved are no drift: only how the table is paid for is, and the highest write rate."""
    mode, is_named = _mode(table), wanted.units is not None or wanted.on_demand
    if is_named and mode != _mode_of(wanted):
        update = partial(_update, dynamodb, name, **_billing(wanted))
        yield Step(f"change how {name} is paid for", update, mode, _mode_of(wanted))
    now = table.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits")
    now = None if now == -1 else now
    most = wanted.max_write_units
    if most is not None and now != most and mode == "on demand" and not wanted.units:
        throughput = {"MaxReadRequestUnits": most, "MaxWriteRequestUnits": most}
        update = partial(_update, dynamodb, name, OnDemandThroughput=throughput)
        yield Step(f"take up to so many units a second in {name}", update, now, most)


def _mode(table: Mapping[str, Any]) -> str:
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return "on demand" if mode == "PAY_PER_REQUEST" else "provisioned"


def _mode_of(wanted: Wanted) -> str:
    return "on demand" if wanted.units is None else "provisioned"


def _billing(wanted: Wanted) -> dict[str, Any]:
    if wanted.units is None:
        most = wanted.max_write_units
        limits = {"MaxReadRequestUnits": most, "MaxWriteRequestUnits": most}
        return {"BillingMode": "PAY_PER_REQUEST"} | (
            {"OnDemandThroughput": limits} if most else {}
        )
    units = {"ReadCapacityUnits": wanted.units, "WriteCapacityUnits": wanted.units}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}


def _create(dynamodb: Any, name: str, wanted: Wanted) -> None:
    """Another run that is at it at the same time is waited for."""
    with suppress(dynamodb.exceptions.ResourceInUseException):
        dynamodb.create_table(
            TableName=name,
            SSESpecification=ENCRYPTED,
            DeletionProtectionEnabled=True,
            Tags=_as_tags(TAGS),
            **SCHEMA,
            **_billing(wanted),
        )
    dynamodb.get_waiter("table_exists").wait(TableName=name)


def _update(dynamodb: Any, name: str, **changes: Any) -> None:
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    dynamodb.update_table(TableName=name, **changes)
    dynamodb.get_waiter("table_exists").wait(TableName=name)


def _as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _tags(dynamodb: Any, arn: str) -> Mapping[str, str]:
    pages = dynamodb.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def _expiry(name: str, dynamodb: Any) -> Iterator[Step]:
    there = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    status, attribute = there["TimeToLiveStatus"], there.get("AttributeName")
    if status in ("ENABLED", "ENABLING") and attribute != EXPIRY:
        stop = {"Enabled": False, "AttributeName": attribute}
        yield Step(
            f"stop forgetting rows of {name} by another attribute (takes AWS an hour; then run this again)",
            partial(
                dynamodb.update_time_to_live,
                TableName=name,
                TimeToLiveSpecification=stop,
            ),
            attribute,
            EXPIRY,
        )
    elif status in ("DISABLED", "DISABLING"):
        yield Step(
            f"let {name} forget rows by {EXPIRY}", partial(_forget, dynamodb, name)
        )


def _forget(dynamodb: Any, name: str) -> None:
    dynamodb.update_time_to_live(
        TableName=name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRY},
    )


def _recover(dynamodb: Any, name: str) -> None:
    """A table that was made a moment ago may not be ready for it yet."""
    patiently(
        lambda: dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        ),
        until_no=dynamodb.exceptions.ContinuousBackupsUnavailableException,
    )

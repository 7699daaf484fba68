"""What a deployment needs beside the function: the table, and the API's throttling. Idempotent; nothing it does
deletes data.

The model (`streams/models.py`) is the only definition of the schema. A plan is made of what differs from what is
there, and then carried out or only printed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from rest_framework.exceptions import Throttled

from deploy.alarms import Watched, plan_alarms
from deploy.consumers import Consumer, plan_consumers
from deploy.steps import Step, patiently
from deploy.viewers import plan_viewers
from streams.models import UserStreams
from streams.problems import MEDIA_TYPE, PROBLEMS, body_of

TAGS = {"service": "stream-limits"}
ENCRYPTED = {"Enabled": True, "SSEType": "KMS"}
"""With AWS's key for DynamoDB in this account, whose every use CloudTrail records; a key of one's own is left alone."""
MOST_UNITS_TO_LEAST = 10
"""Auto-scaling may raise provisioned units to so many times what they start at."""
USED_UNITS_PERCENT = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the deployment should be. `units` are provisioned read and write units each, which grow as they are used if
    it `scales`; without them a new table is on demand, and one that is there stays as it is unless `on_demand` is
    asked for. `rate` (per second) and `burst` are the API's, for all callers together; `consumers` have plans of
    their own; `viewer_rate` (per minute) is each viewer's."""

    table: str
    units: int | None = None
    on_demand: bool = False
    scales: bool = True
    api: str | None = None
    api_stage: str | None = None
    rate: float = 1000
    burst: int = 2000
    viewer_rate: int | None = None
    topic: str | None = None
    consumers: tuple[Consumer, ...] = ()


def plan(wanted: Wanted, client: Callable[[str], Any]) -> Iterator[Step]:
    """The steps that are left to do. `client` gives a boto3 client of a service."""
    dynamodb = client("dynamodb")
    table = _table(dynamodb, wanted.table)
    if table is None:
        yield Step(f"create the table {wanted.table} ({_capacity(wanted)})", lambda: _create(dynamodb, wanted))
    elif table["KeySchema"] != UserStreams._get_schema()["key_schema"]:
        raise LookupError(
            f"The table {wanted.table} has another key: it is not this service's. Set another DYNAMODB_TABLE."
        )
    else:
        is_told = wanted.on_demand or wanted.units is not None
        if is_told and _mode(table) != _capacity(wanted):
            yield Step(
                f"change {wanted.table} from {_mode(table)} to {_capacity(wanted)}",
                lambda: _wait(dynamodb, wanted, dynamodb.update_table(TableName=wanted.table, **_billing(wanted))),
            )
        if not table.get("DeletionProtectionEnabled"):
            yield Step(
                f"protect {wanted.table} from deletion",
                lambda: _wait(
                    dynamodb, wanted, dynamodb.update_table(TableName=wanted.table, DeletionProtectionEnabled=True)
                ),
            )
        if table.get("SSEDescription", {}).get("SSEType") != ENCRYPTED["SSEType"]:
            yield Step(
                f"encrypt {wanted.table} with the account's own key for DynamoDB",
                lambda: _wait(
                    dynamodb, wanted, dynamodb.update_table(TableName=wanted.table, SSESpecification=ENCRYPTED)
                ),
            )
        if TAGS.items() - _tags(dynamodb, table["TableArn"]).items():
            yield Step(
                f"tag {wanted.table} with {', '.join(f'{name}={value}' for name, value in TAGS.items())}",
                lambda: dynamodb.tag_resource(ResourceArn=table["TableArn"], Tags=_as_tags(TAGS)),
            )
    if table is None or not _forgets(dynamodb, wanted.table):
        yield Step(f"let {wanted.table} forget rows by their ttl", lambda: _forget(dynamodb, wanted.table))
    if table is None or not _recovers(dynamodb, wanted.table):
        yield Step(
            f"keep {wanted.table} recoverable to any second of the last 35 days",
            lambda: _recover(dynamodb, wanted.table),
        )
    if wanted.units is not None and wanted.scales:
        yield from _scaling(wanted, client("application-autoscaling"))
    if wanted.api and wanted.api_stage:
        yield from _throttling(wanted, client)
        watched = Watched(
            function=wanted.api, api=wanted.api, api_stage=wanted.api_stage, table=wanted.table, topic=wanted.topic
        )
        yield from plan_alarms(watched, client("cloudwatch"))


def _table(dynamodb: Any, name: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return None
    return found


def _capacity(wanted: Wanted) -> str:
    return "on demand" if wanted.units is None else "provisioned"


def _mode(table: Mapping[str, Any]) -> str:
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return "on demand" if mode == "PAY_PER_REQUEST" else "provisioned"


def _billing(wanted: Wanted) -> dict[str, Any]:
    if wanted.units is None:
        return {"BillingMode": "PAY_PER_REQUEST"}
    units = {"ReadCapacityUnits": wanted.units, "WriteCapacityUnits": wanted.units}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}


def _create(dynamodb: Any, wanted: Wanted) -> None:
    schema = UserStreams._get_schema()
    created = dynamodb.create_table(
        TableName=wanted.table,
        KeySchema=schema["key_schema"],
        AttributeDefinitions=schema["attribute_definitions"],
        SSESpecification=ENCRYPTED,
        DeletionProtectionEnabled=True,
        Tags=_as_tags(TAGS),
        **_billing(wanted),
    )
    _wait(dynamodb, wanted, created)


def _as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _tags(dynamodb: Any, arn: str) -> Mapping[str, str]:
    pages = dynamodb.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def _wait(dynamodb: Any, wanted: Wanted, _: Any) -> None:
    dynamodb.get_waiter("table_exists").wait(TableName=wanted.table)


def _forgets(dynamodb: Any, name: str) -> bool:
    status = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"]
    return status in ("ENABLED", "ENABLING")


def _forget(dynamodb: Any, name: str) -> None:
    attribute = UserStreams.ttl.attr_name
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute})


def _recovers(dynamodb: Any, name: str) -> bool:
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return bool(backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED")


def _recover(dynamodb: Any, name: str) -> None:
    """A table that was made a moment ago may not be ready for it yet."""
    patiently(
        lambda: dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        ),
        until_no=dynamodb.exceptions.ContinuousBackupsUnavailableException,
    )


def _scaling(wanted: Wanted, scaling: Any) -> Iterator[Step]:
    resource = f"table/{wanted.table}"
    found = scaling.describe_scalable_targets(ServiceNamespace="dynamodb", ResourceIds=[resource])["ScalableTargets"]
    least = {target["ScalableDimension"]: target["MinCapacity"] for target in found}
    for kind in ("Read", "Write"):
        dimension = f"dynamodb:table:{kind}CapacityUnits"
        if least.get(dimension) != wanted.units:
            yield Step(
                f"scale {kind.lower()} units of {wanted.table} from {wanted.units} to "
                f"{(wanted.units or 0) * MOST_UNITS_TO_LEAST} as they are used",
                lambda dimension=dimension, kind=kind: _scale(scaling, wanted, resource, dimension, kind),  # type: ignore[misc]
            )


def _scale(scaling: Any, wanted: Wanted, resource: str, dimension: str, kind: str) -> None:
    units = wanted.units or 0
    target = {"ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": dimension}
    scaling.register_scalable_target(**target, MinCapacity=units, MaxCapacity=units * MOST_UNITS_TO_LEAST)
    scaling.put_scaling_policy(
        **target,
        PolicyName=f"{wanted.table}-{kind.lower()}",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": USED_UNITS_PERCENT,
            "PredefinedMetricSpecification": {"PredefinedMetricType": f"DynamoDB{kind}CapacityUtilization"},
        },
    )


def _throttling(wanted: Wanted, client: Callable[[str], Any]) -> Iterator[Step]:
    apigateway = client("apigateway")
    api = next((api for api in apigateway.get_rest_apis(limit=500)["items"] if api["name"] == wanted.api), None)
    if api is None:
        raise LookupError(f"There is no API {wanted.api}. Run zappa deploy {wanted.api_stage} first.")
    address = {"restApiId": api["id"], "stageName": wanted.api_stage}
    try:
        settings = apigateway.get_stage(**address).get("methodSettings", {}).get("*/*", {})
    except ClientError as exc:
        raise LookupError(f"The API {wanted.api} has no stage {wanted.api_stage}.") from exc
    if (settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")) != (wanted.rate, wanted.burst):
        yield Step(
            f"throttle {wanted.api} at {wanted.rate:g} requests a second, {wanted.burst} at once",
            lambda: apigateway.update_stage(
                **address,
                patchOperations=[
                    {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(wanted.rate)},
                    {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(wanted.burst)},
                ],
            ),
        )
    refusal = _throttled()
    for response in ("THROTTLED", "QUOTA_EXCEEDED"):
        there = apigateway.get_gateway_response(restApiId=api["id"], responseType=response)
        if any(there.get(name) != value for name, value in refusal.items()):
            yield Step(
                f"have {wanted.api} refuse with a problem when {response.lower().replace('_', ' ')}",
                lambda response=response: _refuse(apigateway, address, response, refusal),  # type: ignore[misc]
            )
    yield from plan_consumers(
        list(wanted.consumers), api_id=api["id"], api_stage=str(wanted.api_stage), apigateway=apigateway
    )
    if wanted.viewer_rate is not None:
        yield from plan_viewers(
            wanted.viewer_rate,
            name=f"{wanted.api}-viewers",
            api_id=api["id"],
            api_stage=str(wanted.api_stage),
            region=apigateway.meta.region_name,
            wafv2=client("wafv2"),
        )


def _throttled() -> dict[str, Any]:
    """What API Gateway is to answer where it throttles: the service's own problem, and how long to wait."""
    problem = PROBLEMS[Throttled]
    return {
        "statusCode": str(problem.status),
        "responseParameters": {
            "gatewayresponse.header.Content-Type": f"'{MEDIA_TYPE}'",
            "gatewayresponse.header.Retry-After": "'1'",
            # No cookie is looked at here, so any origin's player may read how long to wait.
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.Access-Control-Expose-Headers": "'Retry-After'",
        },
        "responseTemplates": {"application/json": json.dumps(body_of(problem))},
    }


def _refuse(apigateway: Any, address: Mapping[str, str], response: str, refusal: Mapping[str, Any]) -> None:
    """Set the answer, and deploy the API anew: a stage shows what it was deployed with."""
    apigateway.put_gateway_response(restApiId=address["restApiId"], responseType=response, **refusal)
    apigateway.create_deployment(**address)

"""What `zappa undeploy` leaves of a stage. What can be made again can be deleted; data and keys stay."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy import alarms
from deploy.versions import Versions
from deploy.web_acl import find, name_of
from stages import Stage, group_of


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing, by name. `delete` is None where it cannot be made again."""

    what: str
    delete: Callable[[], Any] | None = None
    is_in_use: bool = False


def leftovers(stage: Stage, client: Callable[[str], Any]) -> Iterator[Leftover]:
    """What is there of a stage beside function and API. `client` gives a boto3 client of a service."""
    is_in_use = Versions(stage, client("lambda")).environment() is not None
    cloudwatch, logs, iam, wafv2 = (
        client(name) for name in ("cloudwatch", "logs", "iam", "wafv2")
    )
    if names := alarms.there(stage, cloudwatch):
        delete = partial(cloudwatch.delete_alarms, AlarmNames=names)
        yield Leftover(f"{len(names)} alarms {stage.function}-…", delete, is_in_use)
    boards = cloudwatch.list_dashboards(DashboardNamePrefix=stage.function)[
        "DashboardEntries"
    ]
    if any(board["DashboardName"] == stage.function for board in boards):
        delete = partial(cloudwatch.delete_dashboards, DashboardNames=[stage.function])
        yield Leftover(f"the dashboard {stage.function}", delete, is_in_use)
    groups = logs.describe_log_groups(logGroupNamePrefix=group_of(stage))["logGroups"]
    if any(group["logGroupName"] == group_of(stage) for group in groups):
        yield Leftover(
            f"the log {group_of(stage)}",
            partial(logs.delete_log_group, logGroupName=group_of(stage)),
            is_in_use,
        )
    for role in (stage.role, f"{stage.function}-ZappaLambdaExecutionRole"):
        if _has_role(iam, role):
            yield Leftover(
                f"the role {role}",
                partial(_delete_role, iam, role),
                is_in_use and role == stage.role,
            )
    if acl := find(wafv2, name_of(stage)):
        yield Leftover(
            f"the web ACL {acl['Name']}", partial(_delete_acl, wafv2, acl), is_in_use
        )
    apigateway = client("apigateway")
    for operation, what in (
        ("get_usage_plans", "usage plan"),
        ("get_api_keys", "API key"),
    ):
        for page in apigateway.get_paginator(operation).paginate():
            for item in page["items"]:
                if stage.owns(item["name"]):
                    yield Leftover(f"the {what} {item['name']}")
    yield Leftover(f"the table {stage.table}")
    yield Leftover(f"the bucket {stage.settings.get('s3_bucket')}")


def _has_role(iam: Any, name: str) -> bool:
    try:
        iam.get_role(RoleName=name)
    except ClientError:
        return False
    return True


def _delete_role(iam: Any, name: str) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _delete_acl(wafv2: Any, acl: dict[str, Any]) -> None:
    token = wafv2.get_web_acl(Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"])[
        "LockToken"
    ]
    wafv2.delete_web_acl(
        Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"], LockToken=token
    )

"""The resources of a stage that `zappa undeploy` leaves in the account.

Resources that a deployment creates again can be deleted here. Data and keys remain.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy.infrastructure import (
    alarm_names,
    delete_web_acl,
    find_web_acl,
    stack_of,
)
from deploy.releases.versions import Versions
from stages import Stage, group_of

type Client = Callable[[str], Any]
"""Returns a boto3 client of a service."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One resource.

    `delete` is None if the resource cannot be created again. `is_in_use` means that the
    deployed stage uses it.
    """

    name: str
    delete: Callable[[], Any] | None = None
    is_in_use: bool = False


def find_leftovers(stage: Stage, client: Client) -> Iterator[Leftover]:
    """Yield the resources of a stage other than its function and its API."""
    is_in_use = Versions(stage, client("lambda")).environment() is not None

    stack = stack_of(stage)
    if stack.description() is not None:
        name = f"the stack {stack.name}, with alarms, dashboard and web ACL"
        yield Leftover(name, stack.delete, is_in_use)
    else:
        yield from _monitoring(stage, client("cloudwatch"), is_in_use=is_in_use)
        yield from _web_acl(stage, client("wafv2"), is_in_use=is_in_use)
    yield from _log(stage, client("logs"))
    yield from _roles(stage, client("iam"), is_in_use=is_in_use)
    yield from _consumers(stage, client("apigateway"))
    yield Leftover(f"the table {stage.table}")
    yield Leftover(f"the bucket {stage.settings.get('s3_bucket')}")


def _monitoring(
    stage: Stage, cloudwatch: Any, *, is_in_use: bool
) -> Iterator[Leftover]:
    names = alarm_names(stage, cloudwatch)
    if names:
        yield Leftover(
            f"{len(names)} alarms {stage.function}-…",
            partial(cloudwatch.delete_alarms, AlarmNames=names),
            is_in_use,
        )

    prefix = {"DashboardNamePrefix": stage.function}
    entries = cloudwatch.list_dashboards(**prefix)["DashboardEntries"]
    if any(entry["DashboardName"] == stage.function for entry in entries):
        yield Leftover(
            f"the dashboard {stage.function}",
            partial(cloudwatch.delete_dashboards, DashboardNames=[stage.function]),
            is_in_use,
        )


def _log(stage: Stage, logs: Any) -> Iterator[Leftover]:
    """Yield the log. It stays, since it contains the audit of operators' changes."""
    name = group_of(stage)
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if any(group["logGroupName"] == name for group in groups):
        yield Leftover(f"the log {name}, with the audit")


def _roles(stage: Stage, iam: Any, *, is_in_use: bool) -> Iterator[Leftover]:
    """Yield the stage's role, and the one that Zappa creates for an unnamed role."""
    for name in (stage.role, f"{stage.function}-ZappaLambdaExecutionRole"):
        if _has_role(iam, name):
            yield Leftover(
                f"the role {name}",
                partial(_delete_role, iam, name),
                is_in_use and name == stage.role,
            )


def _web_acl(stage: Stage, wafv2: Any, *, is_in_use: bool) -> Iterator[Leftover]:
    acl = find_web_acl(wafv2, f"{stage.function}-viewers")
    if acl:
        delete = partial(delete_web_acl, acl, wafv2)
        yield Leftover(f"the web ACL {acl['Name']}", delete, is_in_use)


def _consumers(stage: Stage, apigateway: Any) -> Iterator[Leftover]:
    """Yield the usage plans and API keys of back ends."""
    kinds = {"get_usage_plans": "usage plan", "get_api_keys": "API key"}
    for operation, kind in kinds.items():
        pages = apigateway.get_paginator(operation).paginate()
        names = [item["name"] for page in pages for item in page["items"]]
        for name in filter(stage.owns, names):
            yield Leftover(f"the {kind} {name}")


def _has_role(iam: Any, name: str) -> bool:
    try:
        iam.get_role(RoleName=name)
    except ClientError:
        return False
    return True


def _delete_role(iam: Any, name: str) -> None:
    """Delete a role after its policies, as IAM requires."""
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)

"""What the function has that Zappa does not look after: the instances reserved for it, and how long its log keeps."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from deploy.logs import DAYS
from deploy.state import Wanted
from deploy.steps import Step
from stages import Stage, group_of


def plan_concurrency(stage: Stage, wanted: Wanted, lambda_: Any) -> Iterator[Step]:
    """A 0 stays: somebody set it to stop an incident. `lambda_` is a boto3 client."""
    if wanted.concurrency is None:
        return
    found = lambda_.get_function_concurrency(FunctionName=stage.function).get(
        "ReservedConcurrentExecutions"
    )
    if found not in (0, wanted.concurrency):
        put = partial(
            lambda_.put_function_concurrency,
            FunctionName=stage.function,
            ReservedConcurrentExecutions=wanted.concurrency,
        )
        yield Step(
            f"reserve instances for {stage.function}", put, found, wanted.concurrency
        )


def plan_log(stage: Stage, wanted: Wanted, logs: Any) -> Iterator[Step]:
    """`logs` is a boto3 client."""
    name = group_of(stage)
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    there = next((group for group in groups if group["logGroupName"] == name), None)
    if there is None:
        yield Step(
            f"make the log group {name}",
            partial(logs.create_log_group, logGroupName=name),
        )
    now = (there or {}).get("retentionInDays")
    days = wanted.log_days or now or DAYS
    if now != days:
        put = partial(
            logs.put_retention_policy, logGroupName=name, retentionInDays=days
        )
        yield Step(f"keep the log {name} for so many days", put, now, days)

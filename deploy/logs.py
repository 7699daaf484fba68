"""The function's log: kept for a while from the first day. Without this, Lambda makes a group that keeps for ever."""

from typing import Any

from stages import Stage, group_of

DAYS = 30


def keep_for_a_while(stage: Stage, logs: Any) -> None:
    """Make the group, and have it forget, unless somebody has said for how long. `logs` is a boto3 client."""
    name = group_of(stage)
    found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    there = next((group for group in found if group["logGroupName"] == name), None)
    if there is None:
        logs.create_log_group(logGroupName=name)
    if there is None or "retentionInDays" not in there:
        logs.put_retention_policy(logGroupName=name, retentionInDays=DAYS)

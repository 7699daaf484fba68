"""Alarms of a deployment: what an operator wants to be woken for. Idempotent; an alarm is made or brought up to date,
never deleted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from deploy.steps import Step

SLOWEST_MS = 2000
"""A request that waits for DynamoDB once more than it should takes longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A deployment. `topic` is the ARN of the SNS topic that is told, None for alarms that are only seen."""

    function: str
    api: str
    api_stage: str
    table: str
    topic: str | None = None


def alarms(watched: Watched) -> list[dict[str, Any]]:
    """The alarms as they should be, in CloudWatch's words."""
    function = {"FunctionName": watched.function}
    api = {"ApiName": watched.api, "Stage": watched.api_stage}
    table = {"TableName": watched.table}
    sums = {"Statistic": "Sum", "Threshold": 0.0}
    rows: list[tuple[str, str, str, dict[str, str], dict[str, Any]]] = [
        ("function-errors", "AWS/Lambda", "Errors", function, sums),
        ("function-throttled", "AWS/Lambda", "Throttles", function, sums),
        ("function-slow", "AWS/Lambda", "Duration", function, {"ExtendedStatistic": "p99", "Threshold": SLOWEST_MS}),
        ("api-5xx", "AWS/ApiGateway", "5XXError", api, sums),
        ("table-reads-throttled", "AWS/DynamoDB", "ReadThrottleEvents", table, sums),
        ("table-writes-throttled", "AWS/DynamoDB", "WriteThrottleEvents", table, sums),
    ]
    return [
        {
            "AlarmName": f"{watched.function}-{name}",
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": _in_order({"Name": key, "Value": value} for key, value in dimensions.items()),
            "ComparisonOperator": "GreaterThanThreshold",
            "Period": 60,
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": 2,  # one bad minute is a hiccup
            "TreatMissingData": "notBreaching",  # nobody called
            "AlarmActions": [watched.topic] if watched.topic else [],
            **statistic,
        }
        for name, namespace, metric, dimensions, statistic in rows
    ]


def plan_alarms(watched: Watched, cloudwatch: Any) -> Iterator[Step]:
    """What differs from what is there. `cloudwatch` is a boto3 client."""
    found = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{watched.function}-")
    there = {
        alarm["AlarmName"]: alarm | {"Dimensions": _in_order(alarm["Dimensions"])}
        for page in found
        for alarm in page["MetricAlarms"]
    }
    for alarm in alarms(watched):
        name = alarm["AlarmName"]
        if any(there.get(name, {}).get(key) != value for key, value in alarm.items()):
            yield Step(f"set the alarm {name}", partial(cloudwatch.put_metric_alarm, **alarm))


def _in_order(dimensions: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(dimensions, key=lambda dimension: dimension["Name"])

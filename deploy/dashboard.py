"""The dashboard of a deployment: what an operator looks at when an alarm rings, and before an event.

It is named for the function, and is as this says: whoever wants another copies it under another name.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy.steps import Step
from stages import Stage, group_of

COLUMNS, ACROSS, HEIGHT = 24, 2, 6
"""CloudWatch's grid, and how many widgets stand side by side."""
MINUTE = 60
NOT_THERE = ("DashboardNotFoundError", "ResourceNotFound", "ResourceNotFoundException")
NAMESPACE = "StreamLimits"

type Metric = list[Any]
"""`[namespace, name, dimension, value, …, options]`, or `[{expression}]`."""


def body(stage: Stage) -> dict[str, Any]:
    """The dashboard, in CloudWatch's words."""
    widgets = [_text(stage), *_placed(list(_graphs(stage)))]
    return {"start": "-PT3H", "widgets": widgets}


def plan_dashboard(stage: Stage, cloudwatch: Any) -> Iterator[Step]:
    """`cloudwatch` is a boto3 client."""
    wanted = body(stage)
    try:
        there = json.loads(
            cloudwatch.get_dashboard(DashboardName=stage.function)["DashboardBody"]
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in NOT_THERE:
            raise
        there = None
    if there != wanted:
        put = partial(
            cloudwatch.put_dashboard,
            DashboardName=stage.function,
            DashboardBody=json.dumps(wanted),
        )
        yield Step(f"set the dashboard {stage.function}", put)


def _graphs(stage: Stage) -> Iterator[dict[str, Any]]:
    """Each graph without its place, from what viewers notice down to what causes it."""
    api = {"ApiName": stage.function, "Stage": stage.name}
    function, table = {"FunctionName": stage.function}, {"TableName": str(stage.table)}
    ours = partial(_metric, NAMESPACE, dimensions={"Table": str(stage.table)})
    beats_a_minute = MINUTE / (
        int(stage.environment.get("LEASE_SECONDS") or 60) / 3 * 0.95
    )
    yield _graph(
        stage,
        "Starts a minute, and the share that is denied (%)",
        ours("admitted", id="admitted"),
        ours("denied", id="denied"),
        _expression("100 * denied / (admitted + denied)", "denied in %", yAxis="right"),
    )
    yield _graph(
        stage,
        "Players, about: heartbeats a minute by those that each sends",
        ours("renewed", id="renewed", visible=False),
        _expression(f"renewed / {beats_a_minute:.3f}", "players"),
    )
    yield _graph(
        stage,
        "How streams end",
        *map(ours, ("stopped", "expired", "evicted", "replaced")),
    )
    yield _graph(
        stage,
        "Given up, or held back",
        *map(ours, ("contended", "unavailable", "throttled", "too-many-starts")),
        _search(stage, "grace"),
    )
    yield _graph(stage, "Refused credentials, by kind", _search(stage, "credentials"))
    yield _graph(
        stage, "What shadow plans would decide otherwise", _search(stage, "shadow")
    )
    in_front = partial(_metric, "AWS/ApiGateway", dimensions=api)
    yield _graph(
        stage, "Requests a minute", *map(in_front, ("Count", "4XXError", "5XXError"))
    )
    yield _graph(
        stage,
        "Latency in front (ms)",
        in_front("Latency", stat="p50"),
        in_front("Latency", stat="p99"),
        in_front("IntegrationLatency", stat="p99"),
    )
    running = partial(_metric, "AWS/Lambda", dimensions=function)
    yield _graph(
        stage,
        "Function: duration (ms), instances",
        running("Duration", stat="p50"),
        running("Duration", stat="p99"),
        running("ConcurrentExecutions", stat="Maximum", yAxis="right"),
    )
    yield _graph(stage, "Function: failures", *map(running, ("Errors", "Throttles")))
    kept = partial(_metric, "AWS/DynamoDB", dimensions=table)
    units = ("ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits")
    yield _graph(stage, "Table: units a minute", *map(kept, units))
    written = {**table, "Operation": "UpdateItem"}
    yield _graph(
        stage,
        "Table: throttles, and latency of writes (ms)",
        *map(kept, ("WriteThrottleEvents", "ReadThrottleEvents")),
        _metric(
            "AWS/DynamoDB",
            "SuccessfulRequestLatency",
            dimensions=written,
            stat="p99",
            yAxis="right",
        ),
    )


def _text(stage: Stage) -> dict[str, Any]:
    query = 'filter v = 1 and kind in ["contended", "unavailable", "throttled"] | sort @timestamp desc | limit 50'
    said = (
        f"## {stage.function}\nWhat to do about an alarm: docs/runbook.md. Why a start was denied: "
        f"`manage.py why USER --stage {stage.name}`. What was given up lately, in Logs Insights on "
        f"`{group_of(stage)}`: `{query}`"
    )
    return {
        "type": "text",
        "x": 0,
        "y": 0,
        "width": COLUMNS,
        "height": 3,
        "properties": {"markdown": said},
    }


def _placed(graphs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    width = COLUMNS // ACROSS
    for number, properties in enumerate(graphs):
        row, column = divmod(number, ACROSS)
        place = {
            "x": column * width,
            "y": 3 + row * HEIGHT,
            "width": width,
            "height": HEIGHT,
        }
        yield {"type": "metric", **place, "properties": properties}


def _graph(stage: Stage, title: str, *metrics: Metric) -> dict[str, Any]:
    return {
        "title": title,
        "region": stage.region,
        "view": "timeSeries",
        "stat": "Sum",
        "period": MINUTE,
        "metrics": list(metrics),
        "yAxis": {"left": {"min": 0}, "right": {"min": 0}},
    }


def _metric(
    namespace: str, name: str, *, dimensions: dict[str, str], **options: Any
) -> Metric:
    named = [part for pair in dimensions.items() for part in pair]
    return [namespace, name, *named, *([options] if options else [])]


def _expression(expression: str, label: str, **options: Any) -> Metric:
    return [{"expression": expression, "label": label, **options}]


def _search(stage: Stage, word: str) -> Metric:
    """Every metric of the service that has the word in its name, whatever there will be."""
    found = f'{{{NAMESPACE},Table}} Table="{stage.table}" MetricName={word}'
    return _expression(f"SEARCH('{found}', 'Sum', {MINUTE})", "")

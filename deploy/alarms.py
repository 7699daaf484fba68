"""Alarms of a deployment: what an operator wants to be woken for. Each has its page in docs/runbook.md.

An alarm that is there keeps its threshold and its actions, unless the stage's file names others. None is deleted.

Zappa turns an exception into an answer of 500, so that Lambda's `Errors` counts only what did not start or ran out of
time; the rest is seen at API Gateway.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from deploy.state import Wanted
from deploy.steps import Step
from deploy.web_acl import name_of
from stages import Stage

RUNBOOK = "docs/runbook.md"
MINUTE = 60
WIDTH_OF_THE_BAND = 3
"""Standard deviations from what CloudWatch has learnt to expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm: bad when 2 of 3 periods are. `metrics` in CloudWatch's words; the last is what is judged."""

    name: str
    threshold: float | None
    metrics: tuple[dict[str, Any], ...]
    comparison: str = "GreaterThanThreshold"
    periods: int = 3
    is_bad_when_missing: bool = False

    def request(self, stage: Stage) -> dict[str, Any]:
        """Without threshold and actions."""
        return {
            "AlarmName": f"{stage.function}-{self.name}",
            "AlarmDescription": f"{RUNBOOK}#{self.name}",
            "ComparisonOperator": self.comparison,
            "EvaluationPeriods": self.periods,
            "DatapointsToAlarm": max(2, self.periods - 1),  # one bad minute is a hiccup
            "TreatMissingData": "breaching"
            if self.is_bad_when_missing
            else "notBreaching",
            **(self._alone() if len(self.metrics) == 1 else self._of_several()),
        }

    def _alone(self) -> dict[str, Any]:
        stat = self.metrics[0]["MetricStat"]
        name = "Statistic" if stat["Stat"] == "Sum" else "ExtendedStatistic"
        return {**stat["Metric"], "Period": stat["Period"], name: stat["Stat"]}

    def _of_several(self) -> dict[str, Any]:
        band = next(
            (
                metric["Id"]
                for metric in self.metrics
                if "ANOMALY" in metric.get("Expression", "")
            ),
            None,
        )
        return {"Metrics": list(self.metrics)} | (
            {"ThresholdMetricId": band} if band else {}
        )


def alarms(stage: Stage, wanted: Wanted, *, region: str) -> list[Alarm]:
    """The alarms of a stage."""
    function = {"FunctionName": stage.function}
    api = {"ApiName": stage.function, "Stage": stage.name}
    table, ours = {"TableName": str(stage.table)}, {"Table": str(stage.table)}
    acl = {"WebACL": name_of(stage), "Region": region, "Rule": "ALL"}
    requests = _metric("requests", "AWS/ApiGateway", "Count", api, hidden=True)
    rows = [
        Alarm(
            name="function-errors",
            threshold=0,
            metrics=(_metric("m", "AWS/Lambda", "Errors", function),),
        ),
        Alarm(
            name="function-throttled",
            threshold=0,
            metrics=(_metric("m", "AWS/Lambda", "Throttles", function),),
        ),
        Alarm(
            name="function-slow",
            threshold=2000,
            metrics=(_metric("m", "AWS/Lambda", "Duration", function, "p99"),),
        ),
        Alarm(
            name="api-5xx",
            threshold=5,
            metrics=(_metric("m", "AWS/ApiGateway", "5XXError", api),),
        ),
        Alarm(
            name="api-5xx-share", threshold=1, metrics=_share("5XXError", api, requests)
        ),
        Alarm(
            name="api-slow",
            threshold=3000,
            metrics=(_metric("m", "AWS/ApiGateway", "Latency", api, "p99"),),
        ),
        Alarm(
            name="api-4xx-share",
            threshold=50,
            metrics=_share("4XXError", api, requests),
        ),
        Alarm(
            name="contended",
            threshold=10,
            metrics=(_metric("m", "StreamLimits", "contended", ours),),
        ),
        Alarm(
            name="unavailable",
            threshold=5,
            metrics=(_metric("m", "StreamLimits", "unavailable", ours),),
        ),
        Alarm(
            name="denials-unusual",
            threshold=None,
            comparison="LessThanLowerOrGreaterThanUpperThreshold",
            periods=5,
            metrics=(
                _metric("denied", "StreamLimits", "denied", ours, hidden=True),
                _metric("admitted", "StreamLimits", "admitted", ours, hidden=True),
                {
                    "Id": "m",
                    "Expression": "100 * denied / (denied + admitted)",
                    "ReturnData": True,
                },
                {
                    "Id": "band",
                    "Expression": f"ANOMALY_DETECTION_BAND(m, {WIDTH_OF_THE_BAND})",
                    "ReturnData": True,
                },
            ),
        ),
        Alarm(
            name="table-reads-throttled",
            threshold=0,
            metrics=(_metric("m", "AWS/DynamoDB", "ReadThrottleEvents", table),),
        ),
        Alarm(
            name="table-writes-throttled",
            threshold=0,
            metrics=(_metric("m", "AWS/DynamoDB", "WriteThrottleEvents", table),),
        ),
    ]
    if wanted.viewer_rate is not None:
        rows.append(
            Alarm(
                name="viewers-blocked",
                threshold=100,
                metrics=(_metric("m", "AWS/WAFV2", "BlockedRequests", acl),),
            )
        )
    if wanted.expect_traffic:
        count = _metric("m", "AWS/ApiGateway", "Count", api, period=5 * MINUTE)
        less = "LessThanThreshold"
        rows.append(
            Alarm(
                name="traffic-gone",
                threshold=1,
                metrics=(count,),
                comparison=less,
                is_bad_when_missing=True,
            )
        )
    return rows


def _metric(
    id: str,
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    statistic: str = "Sum",
    *,
    hidden: bool = False,
    period: int = MINUTE,
) -> dict[str, Any]:
    named = [{"Name": key, "Value": value} for key, value in sorted(dimensions.items())]
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": named}
    return {
        "Id": id,
        "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic},
        "ReturnData": not hidden,
    }


def _share(
    name: str, api: dict[str, str], requests: dict[str, Any]
) -> tuple[dict[str, Any], ...]:
    bad = _metric("bad", "AWS/ApiGateway", name, api, hidden=True)
    # In a quiet minute one answer would be a large share of all.
    share = {
        "Id": "m",
        "Expression": "IF(requests >= 50, 100 * bad / requests, 0)",
        "ReturnData": True,
    }
    return bad, requests, share


def plan_alarms(
    stage: Stage, wanted: Wanted, *, region: str, cloudwatch: Any
) -> Iterator[Step]:
    """What differs from what is there. `cloudwatch` is a boto3 client. Raises `LookupError` where a threshold is named
    for an alarm that there is not."""
    rows = alarms(stage, wanted, region=region)
    if unknown := set(wanted.thresholds) - {
        alarm.name for alarm in rows if alarm.threshold is not None
    }:
        raise LookupError(
            f"There is no alarm {', '.join(sorted(unknown))} with a threshold."
        )
    found = _found(stage, cloudwatch)
    for alarm in rows:
        now = found.get(f"{stage.function}-{alarm.name}")
        request = alarm.request(stage) | _kept(alarm, wanted, now or {})
        put = partial(cloudwatch.put_metric_alarm, **request)
        what = f"set the alarm {request['AlarmName']}"
        if now is None:
            yield Step(what, put, None, request.get("Threshold"))
        elif different := _different(now, request):
            others = [name for name in different if name != "Threshold"]
            what += f", its {', '.join(others)}" if others else ""
            yield Step(
                what,
                put,
                *(
                    (now.get("Threshold"), request["Threshold"])
                    if "Threshold" in different
                    else ()
                ),
            )


def there(stage: Stage, cloudwatch: Any, **which: str) -> list[str]:
    """The names of the stage's alarms; `which` (`StateValue`) narrows them."""
    return sorted(_found(stage, cloudwatch, **which))


def _found(stage: Stage, cloudwatch: Any, **which: str) -> dict[str, dict[str, Any]]:
    """By name, none of a stage whose name only begins the same."""
    everything = Wanted(viewer_rate=1, expect_traffic=True)
    names = {
        f"{stage.function}-{alarm.name}"
        for alarm in alarms(stage, everything, region=str(stage.region))
    }
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{stage.function}-", **which
    )
    return {
        alarm["AlarmName"]: alarm
        for page in pages
        for alarm in page["MetricAlarms"]
        if alarm["AlarmName"] in names
    }


def _kept(alarm: Alarm, wanted: Wanted, now: dict[str, Any]) -> dict[str, Any]:
    """Threshold and actions: as named, else as they are, else the alarm's own."""
    topic = [wanted.topic] if wanted.topic else []
    kept: dict[str, Any] = {
        "AlarmActions": topic or now.get("AlarmActions", []),
        "OKActions": topic or now.get("OKActions", []),
    }
    if alarm.threshold is not None:
        named = wanted.thresholds.get(alarm.name, now.get("Threshold", alarm.threshold))
        kept["Threshold"] = float(named)
    return kept


def _different(now: dict[str, Any], request: dict[str, Any]) -> list[str]:
    """What CloudWatch tells of an alarm and is not as it should be. Dimensions come in no order."""
    if bool(now.get("MetricName")) != (
        "MetricName" in request
    ):  # of one metric, or of several
        return ["metrics"]
    return [
        name
        for name, value in request.items()
        if name in now and _in_order(now[name]) != _in_order(value)
    ]


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(part) for name, part in value.items()}
    return (
        sorted((_in_order(part) for part in value), key=repr)
        if isinstance(value, list)
        else value
    )

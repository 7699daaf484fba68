"""Alarms of a stage, as the template names them."""

from typing import Any

from deploy.infrastructure.template import read_template
from stages import Stage

ALARM = "AWS::CloudWatch::Alarm"
PLACEHOLDER = "${Function}-"


def alarm_kinds() -> list[str]:
    """Return the names of the template's alarms, without the function."""
    resources = read_template()["Resources"].values()
    names = [
        resource["Properties"]["AlarmName"]["Fn::Sub"]
        for resource in resources
        if resource["Type"] == ALARM
    ]
    return [name.removeprefix(PLACEHOLDER) for name in names]


def find_alarms(stage: Stage, cloudwatch: Any, **filters: str) -> list[dict[str, Any]]:
    """Return the alarms of a stage. `filters` is, for instance, `StateValue`.

    Another stage whose name only begins the same has other alarms.
    """
    names = {f"{stage.function}-{kind}" for kind in alarm_kinds()}
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{stage.function}-", **filters
    )
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    return [alarm for alarm in alarms if alarm["AlarmName"] in names]


def alarm_names(stage: Stage, cloudwatch: Any, **filters: str) -> list[str]:
    """Return the names of the alarms of a stage, in order."""
    alarms = find_alarms(stage, cloudwatch, **filters)
    return sorted(alarm["AlarmName"] for alarm in alarms)

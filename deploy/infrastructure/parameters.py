"""The template's parameters: their values, from the stage and its file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deploy.infrastructure.changes import Change
from deploy.infrastructure.stage_file import StageFile
from stages import Stage

FILE_KEYS = {
    "MaxUnits": "max_write_units",
    "Units": "units",
    "MostUnits": "most_units",
    "ViewerRate": "viewer_rate",
    "AddressRate": "viewer_rate",
    "LogDays": "log_days",
    "Topic": "topic",
    "ExpectTraffic": "expect_traffic",
    "Boundary": "boundary",
    "ManagedPolicies": "managed_policies",
}
"""The key of the stage's file that sets a parameter."""
CAPACITY = ("MaxUnits", "Units", "MostUnits", "ViewerRate", "LogDays")
"""Parameters that are lowered on purpose only."""
IMPLIED = ("AddressRate", "HeartbeatsPerMinute", "Function", "Stage", "RoleName")
"""Parameters that follow from others, and need no line."""
ADDRESSES_PER_VIEWER = 100
"""A household, an office and a mobile network's gateway are one address each."""
MOST_TO_LEAST_UNITS = 10
"""Ratio of the highest to the lowest provisioned units, where the file names none."""
NO_ARNS = "none"
EARLIEST_HEARTBEAT = 0.95
"""Share of a third of the lease after which a player sends its heartbeat."""

type Parameters = dict[str, str]


def stage_parameters(
    stage: Stage, *, tables: list[str], secrets: list[str]
) -> Parameters:
    """Return the parameters that each stage has, independent of its file."""
    lease_seconds = int(stage.environment.get("LEASE_SECONDS") or 60)
    seconds_between_heartbeats = lease_seconds / 3 * EARLIEST_HEARTBEAT
    return {
        "Function": stage.function,
        "Stage": stage.name,
        "Table": str(stage.table),
        "RoleName": stage.role,
        "Tables": ",".join(tables),
        "Secrets": ",".join(secrets) or NO_ARNS,
        "HeartbeatsPerMinute": f"{60 / seconds_between_heartbeats:.3f}",
    }


def file_parameters(file: StageFile, template: Mapping[str, Any]) -> Parameters:
    """Return the parameters that the stage's file names.

    Raises:
        LookupError: if the file names a threshold of an unknown alarm.
    """
    values: dict[str, object] = {
        "Topic": file.topic,
        "LogDays": file.log_days,
        "Boundary": file.boundary,
        "ViewerRate": file.viewer_rate,
        "MaxUnits": file.max_write_units,
    }
    if file.expect_traffic is not None:
        values["ExpectTraffic"] = str(file.expect_traffic).lower()
    if file.viewer_rate is not None:
        values["AddressRate"] = file.viewer_rate * ADDRESSES_PER_VIEWER
    if file.managed_policies is not None:
        values["ManagedPolicies"] = ",".join(file.managed_policies) or NO_ARNS
    values |= _billing(file)
    values |= _thresholds(file, template)
    return {name: _text(value) for name, value in values.items() if value is not None}


def _billing(file: StageFile) -> dict[str, object]:
    if file.units is not None:
        most = file.most_units or file.units * MOST_TO_LEAST_UNITS
        return {"Billing": "PROVISIONED", "Units": file.units, "MostUnits": most}
    if file.on_demand:
        return {"Billing": "PAY_PER_REQUEST"}
    return {}


def _thresholds(file: StageFile, template: Mapping[str, Any]) -> dict[str, object]:
    values: dict[str, object] = {
        threshold_parameter(alarm): value for alarm, value in file.thresholds.items()
    }
    unknown = [
        alarm
        for alarm in sorted(file.thresholds)
        if threshold_parameter(alarm) not in template["Parameters"]
    ]
    if unknown:
        raise LookupError(f"No alarm {', '.join(unknown)} has a threshold.")
    return values


def threshold_parameter(alarm: str) -> str:
    """Return the parameter of an alarm's threshold: `function-slow` by its parts."""
    return "Threshold" + "".join(part.capitalize() for part in alarm.split("-"))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_request(
    named: Parameters, previous: Parameters, template: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the parameters of a change set.

    A parameter that is not named keeps its value. A new one gets its default.
    """
    request: list[dict[str, Any]] = []
    for name in template.get("Parameters", {}):
        if name in named:
            request.append({"ParameterKey": name, "ParameterValue": named[name]})
        elif name in previous:
            request.append({"ParameterKey": name, "UsePreviousValue": True})
    return request


def parameter_changes(
    named: Parameters, previous: Parameters, template: Mapping[str, Any]
) -> Iterator[Change]:
    """Yield the parameters whose values change. A new stack has no values before."""
    for name, value in named.items():
        before = previous.get(name)
        if name in IMPLIED or before == value:
            continue
        if before is None and value == _default(name, template):
            continue
        yield Change(
            subject=FILE_KEYS.get(name) or _readable(name),
            name=FILE_KEYS.get(name, name),
            before=before if before is None else _shown(name, before),
            after=_shown(name, value),
            can_lower=name in CAPACITY,
        )


def _default(name: str, template: Mapping[str, Any]) -> str:
    default = template["Parameters"][name].get("Default", "")
    return str(default)


def _shown(name: str, value: str) -> str | float:
    """Return a value as the operator reads it. No maximum is more than any maximum."""
    if name == "MaxUnits" and value == "0":
        return float("inf")
    return value.replace(",", ", ")


def _readable(name: str) -> str:
    """Return `ThresholdFunctionSlow` as `threshold function slow`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def without(named: Parameters, kept: Iterable[Change]) -> Parameters:
    """Return the parameters without those whose changes are not wanted."""
    names = {change.name for change in kept}
    return {
        name: value
        for name, value in named.items()
        if FILE_KEYS.get(name, name) not in names
    }

"""The infrastructure of a stage, as `deploy/wanted/STAGE.toml` describes it.

A key that the file does not name keeps its value in AWS. Flags of `manage.py provision`
take precedence over the file for one run.
"""

import dataclasses
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capacity.sizing import capacity_for
from stages import PROJECT, Stage

FILES = Path(__file__).parent.with_name("wanted")
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365,
    400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""Source: the API reference of Amazon CloudWatch Logs, PutRetentionPolicy."""
MIN_VIEWER_RATE = 10
"""The lowest limit that AWS WAF accepts."""
DEFAULT_LEASE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Consumer:
    """A back end that calls the API: requests per second, and requests at once."""

    name: str
    rate: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFile:
    """Values of the stage's file. None means that the file does not name the key.

    `viewers` who play at once imply `rate`, `burst`, `concurrency` and
    `max_write_units` where these are not named. `units` are provisioned read and write
    units, each, and `most_units` the highest units that auto-scaling sets.
    `thresholds` are by alarm. With `reserve = false` no instances are reserved.
    """

    viewers: int | None = None
    on_demand: bool | None = None
    units: int | None = None
    most_units: int | None = None
    max_write_units: int | None = None
    rate: float | None = None
    burst: int | None = None
    concurrency: int | None = None
    reserve: bool = True
    viewer_rate: int | None = None
    topic: str | None = None
    expect_traffic: bool | None = None
    log_days: int | None = None
    boundary: str | None = None
    managed_policies: list[str] | None = None
    service_role: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    consumers: tuple[Consumer, ...] = ()
    lease_seconds: int = DEFAULT_LEASE_SECONDS
    """Of the stage's environment, not of the file."""

    def filled(self) -> "StageFile":
        """Return a copy that has the values which `viewers` imply."""
        if self.viewers is None:
            return self

        implied = capacity_for(self.viewers, lease_seconds=self.lease_seconds)
        values: dict[str, Any] = {"rate": float(implied.rate), "burst": implied.burst}
        if self.reserve:
            values["concurrency"] = implied.concurrency
        if self.units is None:
            values["max_write_units"] = implied.write_units

        missing = {
            name: value for name, value in values.items() if getattr(self, name) is None
        }
        return dataclasses.replace(self, **missing)


KEYS = {field.name for field in dataclasses.fields(StageFile)} - {"lease_seconds"}


def read_stage_file(
    stage: Stage, flags: Mapping[str, Any] | None = None, files: Path = FILES
) -> StageFile:
    """Return the stage's file. Flags that are set take precedence.

    Raises:
        ValueError: with the key that is unknown or has an invalid value.
    """
    path = files / f"{stage.name}.toml"
    values = _parsed(path) | _set(flags or {})
    _check_keys(path, values)

    of_zappa = stage.settings.get("lambda_concurrency")
    if of_zappa is not None:
        values["concurrency"] = _same_concurrency(values, of_zappa)

    for name, value in values.items():
        is_valid, expected = RULES[name]
        if not is_valid(value):
            raise ValueError(f"{path.name}: {name} is {value!r}. Set it to {expected}.")

    values["consumers"] = _consumers(path, values)
    return StageFile(**values, lease_seconds=shortest_lease(stage)).filled()


def _parsed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except ValueError as exc:
        raise ValueError(f"{path.name} cannot be read as TOML: {exc}") from exc


def _set(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value not in (None, [], ())}


def _check_keys(path: Path, values: Mapping[str, Any]) -> None:
    unknown = sorted(values.keys() - KEYS)
    if unknown:
        known = ", ".join(sorted(KEYS))
        raise ValueError(
            f"{path.name} names {', '.join(unknown)}. The keys are {known}."
        )


def _same_concurrency(values: Mapping[str, Any], of_zappa: Any) -> Any:
    """Return Zappa's own setting, which must not contradict the file."""
    named = values.get("concurrency", of_zappa)
    if named != of_zappa:
        raise ValueError(
            f"concurrency is {named}, and lambda_concurrency of the stage is "
            f"{of_zappa}. Each deployment would undo the other: remove one of them."
        )
    return of_zappa


def _consumers(path: Path, values: Mapping[str, Any]) -> tuple[Consumer, ...]:
    rows = values.get("consumers", ())
    consumers = [row if isinstance(row, Consumer) else Consumer(**row) for row in rows]
    if len({consumer.name for consumer in consumers}) < len(consumers):
        raise ValueError(f"{path.name}: two consumers have the same name.")
    return tuple(consumers)


def shortest_lease(stage: Stage) -> int:
    """Return the shortest lease of the stage's plans in seconds.

    Players send heartbeats most often under this plan. Preflight reports errors in
    the file of plans.
    """
    lease = int(stage.environment.get("LEASE_SECONDS") or DEFAULT_LEASE_SECONDS)
    name = stage.environment.get("PLANS", "").strip()
    file = PROJECT / name
    if not name or not file.is_file():
        return lease

    plans = tomllib.loads(file.read_text())
    leases = [int(plan.get("lease_seconds", lease)) for plan in plans.values()]
    return min([lease, *leases])


# --- the rules of each key ------------------------------------------------------------


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 < value < math.inf


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_whole_or_zero(value: Any) -> bool:
    return (value == 0 and not isinstance(value, bool)) or _is_whole(value)


def _is_viewer_rate(value: Any) -> bool:
    return _is_whole(value) and value >= MIN_VIEWER_RATE


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_arn(value: Any) -> bool:
    return str(value).startswith("arn:")


def _are_arns(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_arn, value))


def _is_retention(value: Any) -> bool:
    return value in RETENTION_DAYS


def _are_thresholds(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(_is_number(number) or number == 0 for number in value.values())


def _are_consumers(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_is_consumer, value))


def _is_consumer(row: Any) -> bool:
    fields = dataclasses.asdict(row) if isinstance(row, Consumer) else row
    if not isinstance(fields, dict) or fields.keys() != {"name", "rate", "burst"}:
        return False

    name = re.fullmatch(r"[\w.-]{1,64}", str(fields["name"]), re.ASCII)
    return bool(name) and _is_number(fields["rate"]) and _is_whole(fields["burst"])


type Rule = tuple[Callable[[Any], bool], str]

WHOLE: Rule = (_is_whole, "a whole number from 1")
BOOL: Rule = (_is_bool, "true or false")
RULES: Mapping[str, Rule] = {
    "viewers": WHOLE,
    "units": WHOLE,
    "most_units": WHOLE,
    "max_write_units": WHOLE,
    "burst": WHOLE,
    "on_demand": BOOL,
    "expect_traffic": BOOL,
    "reserve": BOOL,
    "rate": (_is_number, "a number above 0"),
    "viewer_rate": (_is_viewer_rate, f"a whole number from {MIN_VIEWER_RATE}"),
    "concurrency": (_is_whole_or_zero, "a whole number from 0"),
    "topic": (_is_arn, "the ARN of an SNS topic"),
    "boundary": (_is_arn, "the ARN of a managed policy"),
    "managed_policies": (_are_arns, "a list of the ARNs of managed policies"),
    "service_role": (_is_arn, "the ARN of a role"),
    "log_days": (_is_retention, f"one of {', '.join(map(str, RETENTION_DAYS))}"),
    "thresholds": (_are_thresholds, "a table of alarms, each with a number from 0"),
    "consumers": (
        _are_consumers,
        "tables of name (a-z A-Z 0-9 _ . -), rate (above 0) and burst (from 1)",
    ),
}
"""The values that a key may have, and their description."""

"""What a stage has beside its function, as `deploy/wanted/STAGE.toml` says it.

What the file does not name is left alone, whoever set it. Flags of `manage.py provision` go before it for one run.
"""

import dataclasses
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capacity.sizing import Capacity, capacity_for
from stages import PROJECT, Stage

DAYS_OF_A_LOG = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
)  # fmt: skip
"""Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
FILES = Path(__file__).with_name("wanted")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A back end that calls the API: so many requests a second, so many at once."""

    name: str
    rate: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the deployment should be. None is not named, and left alone.

    `viewers` who play at once stand for `rate`, `burst`, `concurrency` and `max_write_units` where those are not named.
    `units` are provisioned read and write units each, and `most_units` what auto-scaling may raise them to.
    `thresholds` are alarms', by name.
    """

    viewers: int | None = None
    on_demand: bool | None = None
    units: int | None = None
    most_units: int | None = None
    max_write_units: int | None = None
    rate: float | None = None
    burst: int | None = None
    concurrency: int | None = None
    viewer_rate: int | None = None
    topic: str | None = None
    expect_traffic: bool | None = None
    log_days: int | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    consumers: tuple[Consumer, ...] = ()

    def filled(self, *, lease_seconds: int = 60) -> "Wanted":
        """With what follows from `viewers`."""
        if self.viewers is None:
            return self
        follows: Capacity = capacity_for(self.viewers, lease_seconds=lease_seconds)
        units = None if self.units is not None else follows.write_units
        return dataclasses.replace(
            self,
            rate=float(follows.rate) if self.rate is None else self.rate,
            burst=follows.burst if self.burst is None else self.burst,
            concurrency=follows.concurrency
            if self.concurrency is None
            else self.concurrency,
            max_write_units=units
            if self.max_write_units is None
            else self.max_write_units,
        )


NAMES = {field.name for field in dataclasses.fields(Wanted)}


def wanted_of(
    stage: Stage, flags: Mapping[str, Any] | None = None, files: Path = FILES
) -> Wanted:
    """What the stage's file says, with flags before it. Raises `ValueError` with what is wrong in it."""
    path = files / f"{stage.name}.toml"
    try:
        said = tomllib.loads(path.read_text()) if path.is_file() else {}
    except ValueError as exc:
        raise ValueError(f"{path.name} cannot be read as TOML: {exc}") from exc
    said |= {
        name: value
        for name, value in (flags or {}).items()
        if value not in (None, [], ())
    }
    if unknown := sorted(set(said) - NAMES):
        raise ValueError(
            f"{path.name} names {', '.join(unknown)}, which is none of {', '.join(sorted(NAMES))}."
        )
    zappas = stage.settings.get("lambda_concurrency")
    if zappas not in (None, said.get("concurrency", zappas)):
        raise ValueError(
            f"The concurrency is to be {said['concurrency']}, and lambda_concurrency of the stage is {zappas}: each "
            "deployment would undo the other. Take one of the two away."
        )
    if zappas is not None:
        said["concurrency"] = zappas
    for name, value in said.items():
        fits, what = FITS[name]
        if not fits(value):
            raise ValueError(f"{path.name}: {name} is {value!r}. Set it to {what}.")
    rows = [
        row if isinstance(row, Consumer) else Consumer(**row)
        for row in said.get("consumers", ())
    ]
    said["consumers"] = tuple(rows)
    if len({row.name for row in rows}) < len(rows):
        raise ValueError(f"{path.name}: two consumers have one name.")
    return Wanted(**said).filled(lease_seconds=shortest_lease(stage))


def shortest_lease(stage: Stage) -> int:
    """In seconds, of all plans: how often players beat at the most. What is wrong with plans, preflight says."""
    lease, file = (
        int(stage.environment.get("LEASE_SECONDS") or 60),
        stage.environment.get("PLANS", "").strip(),
    )
    plans = (
        tomllib.loads((PROJECT / file).read_text())
        if file and (PROJECT / file).is_file()
        else {}
    )
    return min(
        [lease, *(int(plan.get("lease_seconds", lease)) for plan in plans.values())]
    )


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 < value < math.inf
    )


def _is_whole(value: Any, *, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _are_thresholds(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_number(number) or number == 0 for number in value.values()
    )


def _are_consumers(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_is_consumer, value))


def _is_consumer(row: Any) -> bool:
    fields = dataclasses.asdict(row) if isinstance(row, Consumer) else row
    if not isinstance(fields, dict) or fields.keys() != {"name", "rate", "burst"}:
        return False
    is_name = re.fullmatch(r"[\w.-]{1,64}", str(fields["name"]), re.ASCII) is not None
    return is_name and _is_number(fields["rate"]) and _is_whole(fields["burst"])


WHOLE = ("viewers", "units", "most_units", "max_write_units", "burst", "viewer_rate")
FITS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(WHOLE, (_is_whole, "a whole number from 1")),
    **dict.fromkeys(
        ("on_demand", "expect_traffic"),
        (lambda value: isinstance(value, bool), "true or false"),
    ),
    "rate": (_is_number, "a number above 0"),
    "concurrency": (lambda value: _is_whole(value, least=0), "a whole number from 0"),
    "topic": (lambda value: str(value).startswith("arn:"), "the ARN of an SNS topic"),
    "log_days": (
        lambda value: value in DAYS_OF_A_LOG,
        f"one of {', '.join(map(str, DAYS_OF_A_LOG))}",
    ),
    "thresholds": (_are_thresholds, "a table of alarms, each with a number from 0"),
    "consumers": (
        _are_consumers,
        "tables of name (a-z A-Z 0-9 _ . -), rate (above 0) and burst (from 1)",
    ),
}
"""What each may be, and how that is said."""

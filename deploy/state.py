"""What a stage has beside its function, as `deploy/wanted/STAGE.toml` says it.

What the file does not name is left alone, whoever set it. Flags of `manage.py provision` go before it for one run.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.capacity import Capacity, capacity_for
from deploy.stages import Stage

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
            concurrency=follows.concurrency if self.concurrency is None else self.concurrency,
            max_write_units=units if self.max_write_units is None else self.max_write_units,
        )


NAMES = {field.name for field in dataclasses.fields(Wanted)}


def wanted_of(stage: Stage, flags: Mapping[str, Any] | None = None, files: Path = FILES) -> Wanted:
    """What the stage's file says, with flags before it. Raises `ValueError` with what is wrong in it."""
    path = files / f"{stage.name}.toml"
    said = tomllib.loads(path.read_text()) if path.is_file() else {}
    said |= {name: value for name, value in (flags or {}).items() if value not in (None, [], ())}
    if unknown := sorted(set(said) - NAMES):
        raise ValueError(f"{path.name} names {', '.join(unknown)}, which is none of {', '.join(sorted(NAMES))}.")
    try:
        said["consumers"] = tuple(
            row if isinstance(row, Consumer) else Consumer(**row) for row in said.get("consumers", ())
        )
    except TypeError as exc:
        raise ValueError(f"{path.name}: a consumer has name, rate and burst ({exc}).") from exc
    lease = int(stage.environment.get("LEASE_SECONDS") or 60)
    return Wanted(**said).filled(lease_seconds=lease)

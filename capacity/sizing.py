"""What so many viewers take: the rates, the concurrency and the units that follow from them.

A player sends a heartbeat each third of its lease, a tenth earlier at the most; starts, stops and lists come on top,
and a kick-off brings everyone at once.
"""

import math
from dataclasses import dataclass

HEARTBEATS_PER_LEASE = 3
EARLIEST_SHARE = 0.9
"""Of the time between heartbeats, which is this share of it to all of it."""
HEADROOM = 1.5
"""For starts, stops, retries, and an hour that is busier than any before."""
SLOW_REQUEST_SECONDS = 0.1
"""How long an instance is taken by a request when DynamoDB is slow; it is a tenth of that otherwise."""
MIN_INSTANCES = 50


@dataclass(frozen=True, slots=True)
class Capacity:
    """For so many `viewers` who play at once: requests a second and at once, instances, writes a second."""

    viewers: int
    rate: int
    burst: int
    concurrency: int
    write_units: int


def heartbeats_per_second(
    streams: float, *, lease_seconds: float, share: float = EARLIEST_SHARE
) -> float:
    """Of so many streams, when the time between two is this `share` of the longest."""
    return streams / (lease_seconds / HEARTBEATS_PER_LEASE * share)


def capacity_for(
    viewers: int, *, lease_seconds: int = 60, heartbeats: float | None = None
) -> Capacity:
    """What they take, with `heartbeats` a second where they are known better. API Gateway allows an account 10,000
    requests a second, and Lambda 1,000 instances, until AWS is asked for more."""
    if heartbeats is None:
        heartbeats = heartbeats_per_second(viewers, lease_seconds=lease_seconds)
    rate = math.ceil(heartbeats * HEADROOM)
    return Capacity(
        viewers=viewers,
        rate=rate,
        burst=2 * rate,
        concurrency=max(MIN_INSTANCES, math.ceil(rate * SLOW_REQUEST_SECONDS)),
        write_units=2 * rate,
    )

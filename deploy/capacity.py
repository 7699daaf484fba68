"""What so many viewers take: the rates, the concurrency and the units that follow from them.

A player sends a heartbeat each third of its lease, a tenth earlier at the most; starts, stops and lists come on top,
and a kick-off brings everyone at once.
"""

import math
from dataclasses import dataclass

HEADROOM = 1.5
"""For starts, stops, retries, and an hour that is busier than any before."""
SECONDS_OF_A_REQUEST = 0.1
"""How long an instance is taken by a request when DynamoDB is slow; it is a tenth of that otherwise."""
FEWEST_INSTANCES = 50


@dataclass(frozen=True, slots=True)
class Capacity:
    """For so many `viewers` who play at once: requests a second and at once, instances, writes a second."""

    viewers: int
    rate: int
    burst: int
    concurrency: int
    write_units: int


def capacity_for(viewers: int, *, lease_seconds: int = 60) -> Capacity:
    """What they take. API Gateway allows an account 10,000 requests a second, and Lambda 1,000 instances, until AWS is
    asked for more."""
    heartbeats = viewers / (lease_seconds / 3 * 0.9)
    rate = math.ceil(heartbeats * HEADROOM)
    return Capacity(
        viewers=viewers,
        rate=rate,
        burst=2 * rate,
        concurrency=max(FEWEST_INSTANCES, math.ceil(rate * SECONDS_OF_A_REQUEST)),
        write_units=2 * rate,
    )

"""Sizes of a stage for a number of viewers: rate, instances and units.

A player sends a heartbeat after each third of its lease, or up to a tenth earlier.
Starts, stops and lists come on top, and a kick-off brings all viewers at once.
"""

import math
from dataclasses import dataclass

HEARTBEATS_PER_LEASE = 3
EARLIEST_SHARE = 0.9
"""The shortest time between two heartbeats, as a share of the longest."""
HEADROOM = 1.5
"""Room for starts, stops, retries, and an hour that is busier than any before."""
SLOW_REQUEST_SECONDS = 0.1
"""How long a request occupies an instance when DynamoDB is slow. Normally it is a
tenth of that."""
MIN_INSTANCES = 50


@dataclass(frozen=True, slots=True)
class Capacity:
    """The capacity that viewers who play at once need.

    `rate` and `burst` are requests per second, `concurrency` is Lambda instances, and
    `write_units` are DynamoDB's per second.
    """

    viewers: int
    rate: int
    burst: int
    concurrency: int
    write_units: int


def heartbeats_per_second(
    streams: float, *, lease_seconds: float, share: float = EARLIEST_SHARE
) -> float:
    """Return the heartbeats of a number of streams.

    `share` is the time between two heartbeats as a share of the longest.
    """
    longest_seconds = lease_seconds / HEARTBEATS_PER_LEASE
    return streams / (longest_seconds * share)


def capacity_for(
    viewers: int, *, lease_seconds: int = 60, heartbeats: float | None = None
) -> Capacity:
    """Return the capacity that viewers need.

    `heartbeats` per second replaces the estimate from the lease. Without a quota
    increase, API Gateway allows an account 10,000 requests per second, and Lambda
    1,000 instances.
    """
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

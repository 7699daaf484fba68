"""The AWS quotas that a population needs, and when to request an increase."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from capacity.demand import Demand

SUPPORT = "three weeks before: Service Quotas, then AWS Support, with this table"
WARM = "a day before: UpdateTable, WarmThroughput"
SCALE_UP = "an hour before: let traffic rise slowly, or provisioned concurrency"
READS_HEADROOM = 2
MAX_SCALE_UP_SECONDS = 60
SCALE_UP_STEP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota: its default, the need, and when to request an increase (`until`)."""

    name: str
    allowed: float
    needed: float
    until: str

    @property
    def is_enough(self) -> bool:
        """Whether the default is enough."""
        return self.needed <= self.allowed


def quotas(demand: Demand, allowed: Mapping[str, float]) -> tuple[Quota, ...]:
    """Return the quotas that a demand needs.

    `allowed` are the defaults, from prices.toml.
    """
    capacity = demand.to_provision
    reads = math.ceil(demand.read_units * READS_HEADROOM)
    scale_up_steps = capacity.concurrency / allowed["lambda_instances_each_10_s"]

    return (
        Quota(
            "API Gateway: requests per second",
            allowed["api_gateway_rate"],
            capacity.rate,
            SUPPORT,
        ),
        Quota(
            "Lambda: instances at once",
            allowed["lambda_concurrency"],
            capacity.concurrency,
            SUPPORT,
        ),
        Quota(
            "Lambda: seconds to start all instances",
            MAX_SCALE_UP_SECONDS,
            scale_up_steps * SCALE_UP_STEP_SECONDS,
            SCALE_UP,
        ),
        Quota(
            "DynamoDB: write units per second of the table",
            allowed["table_write_units"],
            capacity.write_units,
            SUPPORT,
        ),
        Quota(
            "DynamoDB: read units per second of the table",
            allowed["table_read_units"],
            reads,
            SUPPORT,
        ),
        Quota(
            "DynamoDB: warm write units per second",
            allowed["warm_write_units"],
            capacity.write_units,
            WARM,
        ),
        Quota(
            "DynamoDB: warm read units per second",
            allowed["warm_read_units"],
            reads,
            WARM,
        ),
    )


def partitions(demand: Demand, allowed: Mapping[str, float]) -> int:
    """Return the number of partitions of the table at the peak."""
    partitions = max(
        demand.write_units / allowed["partition_write_units"],
        demand.read_units / allowed["partition_read_units"],
        demand.stored_gb / allowed["partition_gb"],
        1,
    )
    return math.ceil(partitions)

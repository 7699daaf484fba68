"""The AWS quotas that a population needs, and when to request an increase."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from capacity.demand import Demand


@dataclass(frozen=True, slots=True)
class Quota:
    """What AWS allows before it is asked, and what is needed; `until` is when to have asked."""

    what: str
    allowed: float
    needed: float
    until: str

    @property
    def is_enough(self) -> bool:
        """Whether nobody has to ask."""
        return self.needed <= self.allowed


SUPPORT = "three weeks before: Service Quotas, then AWS Support, with this table"
WARM = "a day before: UpdateTable, WarmThroughput"


def quotas(demand: Demand, allowed: Mapping[str, float]) -> tuple[Quota, ...]:
    """What to have raised, and by when. `allowed` is what prices.toml says."""
    capacity = demand.to_provision
    reads = math.ceil(demand.read_units * 2)
    seconds = capacity.concurrency / allowed["lambda_instances_each_10_s"] * 10
    return (
        Quota(
            "API Gateway: requests a second",
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
            "Lambda: seconds until they are there",
            60,
            seconds,
            "an hour before: traffic rises, or provisioned concurrency",
        ),
        Quota(
            "DynamoDB: write units a second, of the table",
            allowed["table_write_units"],
            capacity.write_units,
            SUPPORT,
        ),
        Quota(
            "DynamoDB: read units a second, of the table",
            allowed["table_read_units"],
            reads,
            SUPPORT,
        ),
        Quota(
            "DynamoDB: warm write units a second",
            allowed["warm_write_units"],
            capacity.write_units,
            WARM,
        ),
        Quota(
            "DynamoDB: warm read units a second",
            allowed["warm_read_units"],
            reads,
            WARM,
        ),
    )


def partitions(demand: Demand, allowed: Mapping[str, float]) -> int:
    """That the table is spread over at the peak."""
    return math.ceil(
        max(
            demand.write_units / allowed["partition_write_units"],
            demand.read_units / allowed["partition_read_units"],
            demand.stored_gb / allowed["partition_gb"],
            1,
        )
    )

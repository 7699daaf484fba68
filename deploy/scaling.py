"""Auto-scaling of provisioned units. What it did by itself is no drift; its bounds are."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from deploy.state import Wanted
from deploy.steps import Step

MOST_UNITS_TO_LEAST = 10
"""Where nobody has named a highest."""
USED_UNITS_PERCENT = 70


def plan_scaling(table: str, wanted: Wanted, scaling: Any) -> Iterator[Step]:
    """What differs from what is there, where units are named. `scaling` is a boto3 client."""
    if wanted.units is None:
        return
    resource = f"table/{table}"
    found = scaling.describe_scalable_targets(
        ServiceNamespace="dynamodb", ResourceIds=[resource]
    )["ScalableTargets"]
    there: Mapping[str, Any] = {target["ScalableDimension"]: target for target in found}
    for kind in ("Read", "Write"):
        dimension = f"dynamodb:table:{kind}CapacityUnits"
        now = there.get(dimension, {})
        most = (
            wanted.most_units
            or now.get("MaxCapacity")
            or wanted.units * MOST_UNITS_TO_LEAST
        )
        policies = scaling.describe_scaling_policies(
            ServiceNamespace="dynamodb",
            ResourceId=resource,
            ScalableDimension=dimension,
        )["ScalingPolicies"]
        if (now.get("MinCapacity"), now.get("MaxCapacity")) != (
            wanted.units,
            most,
        ) or not policies:
            target = {
                "ServiceNamespace": "dynamodb",
                "ResourceId": resource,
                "ScalableDimension": dimension,
            }
            bounds = f"{now['MinCapacity']}-{now['MaxCapacity']}" if now else None
            lowers = " (LOWER)" if now and now["MaxCapacity"] > most else ""
            yield Step(
                f"scale {kind.lower()} units of {table}{lowers}",
                partial(
                    _scale,
                    scaling,
                    target,
                    f"{table}-{kind.lower()}",
                    kind,
                    wanted.units,
                    most,
                    not policies,
                ),
                bounds,
                f"{wanted.units}-{most}",
            )


def _scale(
    scaling: Any,
    target: Mapping[str, str],
    policy: str,
    kind: str,
    least: int,
    most: int,
    has_no_policy: bool,
) -> None:
    scaling.register_scalable_target(**target, MinCapacity=least, MaxCapacity=most)
    if has_no_policy:  # one that is there stays as somebody tuned it
        scaling.put_scaling_policy(
            **target,
            PolicyName=policy,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": USED_UNITS_PERCENT,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": f"DynamoDB{kind}CapacityUtilization"
                },
            },
        )

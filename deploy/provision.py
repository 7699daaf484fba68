"""What a stage needs beside its function: the steps that are left to do, in order.

A plan is made of what differs from what is there, and then carried out or only shown. A run that was cut short is
finished by the next one; what two runs do at once, one of them finds done. Nothing here deletes data.
"""

from collections.abc import Callable, Iterator
from typing import Any

from deploy.alarms import plan_alarms
from deploy.consumers import plan_consumers
from deploy.dashboard import plan_dashboard
from deploy.function import plan_concurrency, plan_log
from deploy.gateway import api_of, plan_answers, plan_throttling
from deploy.scaling import plan_scaling
from deploy.state import Wanted
from deploy.steps import Step
from deploy.table import plan_table
from deploy.web_acl import plan_web_acl
from stages import Stage


def plan(
    stage: Stage,
    wanted: Wanted,
    client: Callable[[str], Any],
    *,
    only_table: bool = False,
) -> Iterator[Step]:
    """The steps that are left to do. `client` gives a boto3 client of a service. Raises `LookupError` with what stands
    in the way."""
    if not stage.table:
        raise LookupError(
            f"The stage {stage.name} names no table: set DYNAMODB_TABLE in its environment_variables."
        )
    yield from plan_table(stage.table, wanted, client("dynamodb"))
    if wanted.units is not None:
        yield from plan_scaling(stage.table, wanted, client("application-autoscaling"))
    if only_table:
        return
    apigateway = client("apigateway")
    api = api_of(stage, apigateway)
    if api is None:
        raise LookupError(
            f"There is no API {stage.function} in {stage.region}: zappa deploy {stage.name}. Where its function is "
            f"there, a first deployment was cut short: zappa undeploy {stage.name}, then again."
        )
    region, api_id = str(stage.region), str(api["id"])
    yield from plan_concurrency(stage, wanted, client("lambda"))
    yield from plan_log(stage, wanted, client("logs"))
    yield from plan_throttling(stage, api_id, wanted, apigateway)
    yield from plan_answers(stage, api_id, apigateway)
    yield from plan_consumers(
        wanted.consumers, stage=stage, api_id=api_id, apigateway=apigateway
    )
    if wanted.viewer_rate is not None:
        yield from plan_web_acl(
            wanted.viewer_rate,
            stage=stage,
            api_id=api_id,
            region=region,
            wafv2=client("wafv2"),
        )
    yield from plan_alarms(
        stage, wanted, region=region, cloudwatch=client("cloudwatch")
    )
    yield from plan_dashboard(stage, client("cloudwatch"))

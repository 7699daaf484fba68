"""Back ends with a key of their own: a resource of the API that asks for one, and a usage plan for each.

Viewers' routes ask for no key, or their players, and browsers' preflights, would get 403. The same routes under
`/back-end` do: API Gateway counts what each key sends there, against the rate and the burst of its usage plan. The
header is the one that the service reads too (`X-API-Key`): AWS makes the value and tells it (`aws apigateway
get-api-key --include-value`), and its SHA-256 goes into `API_KEYS`.

Plans and keys are named by the function, so that they outlive the API: a back end keeps its key when the stage is
undeployed and deployed again. None is deleted here.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from deploy.state import Consumer
from deploy.steps import Busy, Step
from stages import Stage

PREFIX = "back-end"


def plan_consumers(
    consumers: tuple[Consumer, ...], *, stage: Stage, api_id: str, apigateway: Any
) -> Iterator[Step]:
    """What differs from what is there. `apigateway` is a boto3 client."""
    if not consumers:
        return
    yield from _routes(stage, api_id, apigateway)
    plans = {plan["name"]: plan for plan in _all(apigateway, "get_usage_plans")}
    keys = {key["name"]: key["id"] for key in _all(apigateway, "get_api_keys")}
    here = {"apiId": api_id, "stage": stage.name}
    for consumer in consumers:
        name = f"{stage.function}-{consumer.name}"
        plan, key_id = plans.get(name), keys.get(name)
        if (
            plan is None
            or key_id is None
            or key_id not in _keys_of(apigateway, plan["id"])
        ):
            make = partial(
                _introduce,
                apigateway,
                consumer,
                name,
                here,
                plan["id"] if plan else None,
                key_id,
            )
            yield Step(f"give {consumer.name} an API key, for {_rate(consumer)}", make)
        if plan is not None:
            yield from _changes(consumer, plan, here, apigateway)


def _changes(
    consumer: Consumer, plan: dict[str, Any], here: dict[str, str], apigateway: Any
) -> Iterator[Step]:
    for what, field, value in (
        ("a second", "rateLimit", float(consumer.rate)),
        ("at once", "burstLimit", consumer.burst),
    ):
        now = plan.get("throttle", {}).get(field)
        if now != value:
            patch = {
                "op": "replace",
                "path": f"/throttle/{field}",
                "value": f"{value:g}",
            }
            update = partial(
                apigateway.update_usage_plan,
                usagePlanId=plan["id"],
                patchOperations=[patch],
            )
            yield Step(
                f"let {consumer.name} send so many requests {what}", update, now, value
            )
    stages = [
        {"apiId": found["apiId"], "stage": found["stage"]}
        for found in plan.get("apiStages", [])
    ]
    if here not in stages:
        patch = {
            "op": "add",
            "path": "/apiStages",
            "value": f"{here['apiId']}:{here['stage']}",
        }
        update = partial(
            apigateway.update_usage_plan,
            usagePlanId=plan["id"],
            patchOperations=[patch],
        )
        yield Step(f"have the key of {consumer.name} hold for this API", update)


def _rate(consumer: Consumer) -> str:
    return f"{consumer.rate:g} requests a second, {consumer.burst} at once"


def _all(apigateway: Any, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    pages = apigateway.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page.get("items", [])]


def _keys_of(apigateway: Any, plan_id: str) -> set[str]:
    return {
        key["id"]
        for key in _all(apigateway, "get_usage_plan_keys", usagePlanId=plan_id)
    }


def _introduce(
    apigateway: Any,
    consumer: Consumer,
    name: str,
    here: dict[str, str],
    plan_id: str | None,
    key_id: str | None,
) -> None:
    """A plan and a key, whichever is missing, and the one in the other."""
    if key_id is None:
        key_id = _own_key(apigateway, name)
    if plan_id is None:
        throttle = {"rateLimit": float(consumer.rate), "burstLimit": consumer.burst}
        plan_id = apigateway.create_usage_plan(
            name=name, apiStages=[here], throttle=throttle
        )["id"]
    apigateway.create_usage_plan_key(
        usagePlanId=plan_id, keyId=key_id, keyType="API_KEY"
    )


def _own_key(apigateway: Any, name: str) -> str:
    """A new key, by its id. API Gateway lets several have one name: of two runs at once, the one that sees the other's
    key takes its own back."""
    id = str(apigateway.create_api_key(name=name, enabled=True)["id"])
    if any(
        key["name"] == name and key["id"] != id
        for key in _all(apigateway, "get_api_keys")
    ):
        apigateway.delete_api_key(apiKey=id)
        raise Busy(f"another run makes the key {name}")
    return id


def _routes(stage: Stage, api_id: str, apigateway: Any) -> Iterator[Step]:
    resources = {
        found["path"]: found
        for found in _all(
            apigateway, "get_resources", restApiId=api_id, embed=["methods"]
        )
    }
    methods = resources.get(f"/{PREFIX}/{{proxy+}}", {}).get("resourceMethods", {})
    if "ANY" not in methods:
        yield Step(
            f"take calls with a key under /{PREFIX}",
            partial(_open, apigateway, api_id, stage, resources),
        )


def _open(
    apigateway: Any, api_id: str, stage: Stage, resources: dict[str, dict[str, Any]]
) -> None:
    """`/back-end/{proxy+}`, to the same function, in the same role, as `/{proxy+}`."""
    viewers = {"restApiId": api_id, "resourceId": resources["/{proxy+}"]["id"]}
    method = next(iter(resources["/{proxy+}"]["resourceMethods"]))
    to = apigateway.get_integration(**viewers, httpMethod=method)
    parent = (
        resources.get(f"/{PREFIX}", {}).get("id")
        or apigateway.create_resource(
            restApiId=api_id, parentId=resources["/"]["id"], pathPart=PREFIX
        )["id"]
    )
    proxy = (
        resources.get(f"/{PREFIX}/{{proxy+}}", {}).get("id")
        or apigateway.create_resource(
            restApiId=api_id, parentId=parent, pathPart="{proxy+}"
        )["id"]
    )
    address = {"restApiId": api_id, "resourceId": proxy, "httpMethod": "ANY"}
    apigateway.put_method(**address, authorizationType="NONE", apiKeyRequired=True)
    apigateway.put_integration(
        **address,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=to["uri"],
        credentials=to["credentials"],
    )
    apigateway.create_deployment(restApiId=api_id, stageName=stage.name)

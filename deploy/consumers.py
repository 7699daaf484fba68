"""API Gateway's usage plans: a rate, a burst and an API key for each consumer. Idempotent; no plan or key is deleted.

API Gateway asks for the key, in the header the service reads too (`X-API-Key`), where the stage has `api_key_required`.
The value is AWS's to make and to tell (`aws apigateway get-api-key --include-value`); its SHA-256 goes into `API_KEYS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from deploy.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A back end that calls the API: so many requests a second, so many at once."""

    name: str
    rate: float
    burst: int

    @property
    def throttle(self) -> dict[str, float]:
        """In API Gateway's words."""
        return {"rateLimit": float(self.rate), "burstLimit": self.burst}


def plan_consumers(consumers: list[Consumer], *, api_id: str, api_stage: str, apigateway: Any) -> Iterator[Step]:
    """What differs from what is there. `apigateway` is a boto3 client."""
    plans = {plan["name"]: plan for plan in _all(apigateway, "get_usage_plans")}
    keys = {key["name"]: key["id"] for key in _all(apigateway, "get_api_keys")}
    for consumer in consumers:
        name = f"{api_id}-{api_stage}-{consumer.name}"
        plan, key_id = plans.get(name), keys.get(name)
        if plan is None or key_id is None or key_id not in _keys_of(apigateway, plan["id"]):
            yield Step(
                f"give {consumer.name} an API key, for {consumer.rate:g} requests a second, {consumer.burst} at once",
                partial(
                    _introduce, apigateway, consumer, name, api_id, api_stage, plan["id"] if plan else None, key_id
                ),
            )
        if plan is not None and plan.get("throttle") != consumer.throttle:
            yield Step(
                f"let {consumer.name} send {consumer.rate:g} requests a second, {consumer.burst} at once",
                partial(_throttle, apigateway, consumer, plan["id"]),
            )


def _all(apigateway: Any, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    pages = apigateway.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page.get("items", [])]


def _keys_of(apigateway: Any, plan_id: str) -> set[str]:
    return {key["id"] for key in _all(apigateway, "get_usage_plan_keys", usagePlanId=plan_id)}


def _introduce(
    apigateway: Any, consumer: Consumer, name: str, api_id: str, stage: str, plan_id: str | None, key_id: str | None
) -> None:
    """A plan and a key, whichever is missing, and the one in the other."""
    if plan_id is None:
        plan_id = apigateway.create_usage_plan(
            name=name, apiStages=[{"apiId": api_id, "stage": stage}], throttle=consumer.throttle
        )["id"]
    if key_id is None:
        key_id = apigateway.create_api_key(name=name, enabled=True)["id"]
    apigateway.create_usage_plan_key(usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")


def _throttle(apigateway: Any, consumer: Consumer, plan_id: str) -> None:
    apigateway.update_usage_plan(
        usagePlanId=plan_id,
        patchOperations=[
            {"op": "replace", "path": f"/throttle/{name}", "value": f"{value:g}"}
            for name, value in consumer.throttle.items()
        ],
    )

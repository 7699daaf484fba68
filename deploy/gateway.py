"""API Gateway in front of the function: its throttling, and what it answers by itself.

Each of its own answers is a problem like the service's, with a type that a player knows, readable from any origin (no
cookie is looked at here), with how long to wait where that helps. They belong to the API: a new one has none, so that
every deployment puts them back.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy.state import Wanted
from deploy.steps import Step
from stages import Stage

MEDIA_TYPE = "application/problem+json"
TITLES = {
    "invalid-request": "The request is malformed",
    "unauthenticated": "The credentials are not valid",
    "forbidden": "This caller may not do this",
    "not-found": "There is nothing at this URL",
    "payload-too-large": "The body is too large",
    "unsupported-media-type": "The body must be application/json",
    "throttled": "Too many requests",
    "internal-error": "The service failed; the failure is logged",
    "gateway-timeout": "The service did not answer in time; nothing is known",
}
"""The service's own, which a test holds them to; a time-out is API Gateway's alone."""
SOON = 1
ANSWERS: Mapping[str, tuple[str, int | None, int | None]] = {
    "ACCESS_DENIED": ("forbidden", 403, None),
    "API_CONFIGURATION_ERROR": ("internal-error", 500, SOON),
    "AUTHORIZER_CONFIGURATION_ERROR": ("internal-error", 500, SOON),
    "AUTHORIZER_FAILURE": ("internal-error", 500, SOON),
    "BAD_REQUEST_BODY": ("invalid-request", 400, None),
    "BAD_REQUEST_PARAMETERS": ("invalid-request", 400, None),
    "DEFAULT_4XX": ("invalid-request", None, None),
    "DEFAULT_5XX": ("internal-error", None, SOON),
    "EXPIRED_TOKEN": ("unauthenticated", 401, None),
    "INTEGRATION_FAILURE": ("gateway-timeout", 504, SOON),
    "INTEGRATION_TIMEOUT": ("gateway-timeout", 504, SOON),
    "INVALID_API_KEY": ("forbidden", 403, None),
    "INVALID_SIGNATURE": ("unauthenticated", 401, None),
    "MISSING_AUTHENTICATION_TOKEN": (
        "not-found",
        404,
        None,
    ),  # a path or method that no resource takes
    "QUOTA_EXCEEDED": ("throttled", 429, 3600),
    "REQUEST_TOO_LARGE": ("payload-too-large", 413, None),
    "RESOURCE_NOT_FOUND": ("not-found", 404, None),
    "THROTTLED": ("throttled", 429, SOON),
    "UNAUTHORIZED": ("unauthenticated", 401, None),
    "UNSUPPORTED_MEDIA_TYPE": ("unsupported-media-type", 415, None),
    "WAF_FILTERED": ("forbidden", 403, None),
}
"""By API Gateway's name: the problem's type, its status (None for the answers to all that is not named, whose status is
their own), and the seconds to wait."""


def api_of(stage: Stage, apigateway: Any) -> dict[str, Any] | None:
    """The stage's REST API."""
    pages = apigateway.get_paginator("get_rest_apis").paginate()
    return next(
        (
            dict(api)
            for page in pages
            for api in page["items"]
            if api["name"] == stage.function
        ),
        None,
    )


def plan_throttling(
    stage: Stage, api_id: str, wanted: Wanted, apigateway: Any
) -> Iterator[Step]:
    """Requests a second, and at once, of all callers together. `apigateway` is a boto3 client."""
    address = {"restApiId": api_id, "stageName": stage.name}
    try:
        settings = (
            apigateway.get_stage(**address).get("methodSettings", {}).get("*/*", {})
        )
    except ClientError as exc:
        raise LookupError(
            f"The API {stage.function} has no stage {stage.name}."
        ) from exc
    for what, name, path, value in (
        ("requests a second", "throttlingRateLimit", "rateLimit", wanted.rate),
        ("requests at once", "throttlingBurstLimit", "burstLimit", wanted.burst),
    ):
        now = settings.get(name)
        if value is not None and now != value:
            patch = {
                "op": "replace",
                "path": f"/*/*/throttling/{path}",
                "value": f"{value:g}",
            }
            update = partial(
                apigateway.update_stage, **address, patchOperations=[patch]
            )
            yield Step(f"let {stage.function} take so many {what}", update, now, value)


def answer(name: str) -> dict[str, Any]:
    """One of API Gateway's own answers, in its words."""
    type, status, wait = ANSWERS[name]
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After",
    } | ({} if wait is None else {"Retry-After": str(wait)})
    body = {"type": type, "title": TITLES[type]} | (
        {} if status is None else {"status": status}
    )
    return {
        "responseParameters": {
            f"gatewayresponse.header.{name}": f"'{value}'"
            for name, value in headers.items()
        },
        "responseTemplates": {"application/json": json.dumps(body)},
    } | ({} if status is None else {"statusCode": str(status)})


def plan_answers(stage: Stage, api_id: str, apigateway: Any) -> Iterator[Step]:
    """The answers that differ, and a deployment of the API: a stage shows what it was deployed with."""
    pages = apigateway.get_paginator("get_gateway_responses").paginate(restApiId=api_id)
    there = {found["responseType"]: found for page in pages for found in page["items"]}
    different = [
        name
        for name in ANSWERS
        if any(
            there.get(name, {}).get(field) != value
            for field, value in answer(name).items()
        )
    ]
    for name in different:
        put = partial(
            apigateway.put_gateway_response,
            restApiId=api_id,
            responseType=name,
            **answer(name),
        )
        yield Step(f"have API Gateway answer {name} with a problem", put)
    if different:
        address = {"restApiId": api_id, "stageName": stage.name}
        yield Step(
            "show the new answers", partial(apigateway.create_deployment, **address)
        )

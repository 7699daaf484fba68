"""API Gateway before the function: its throttling, and its own answers.

Zappa creates the API, so these settings are no part of the CloudFormation stack. Each
answer of API Gateway's own is a problem like the service's. Players of any origin may
read it, since it depends on no cookie, and it says how long to wait where that helps.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from deploy.infrastructure.changes import Change
from deploy.infrastructure.stage_file import StageFile
from stages import Stage

MEDIA_TYPE = "application/problem+json"
TITLES = {
    "invalid-request": "The request is not valid.",
    "unauthenticated": "The credentials are not valid.",
    "forbidden": "The caller does not have permission.",
    "not-found": "The URL does not exist.",
    "payload-too-large": "The body is too large.",
    "unsupported-media-type": "The body must be application/json.",
    "throttled": "Too many requests. Retry after the time in Retry-After.",
    "internal-error": "The service failed. The failure is logged.",
    "gateway-timeout": "The service did not answer in time. Retry the request.",
}
"""Titles of the service's problems, which a test compares."""
SOON = 1
HOUR = 3600
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
    # A path or a method that no resource has.
    "MISSING_AUTHENTICATION_TOKEN": ("not-found", 404, None),
    "QUOTA_EXCEEDED": ("throttled", 429, HOUR),
    "REQUEST_TOO_LARGE": ("payload-too-large", 413, None),
    "RESOURCE_NOT_FOUND": ("not-found", 404, None),
    "THROTTLED": ("throttled", 429, SOON),
    "UNAUTHORIZED": ("unauthenticated", 401, None),
    "UNSUPPORTED_MEDIA_TYPE": ("unsupported-media-type", 415, None),
    "WAF_FILTERED": ("forbidden", 403, None),
}
"""By API Gateway's name: the problem's type, its status, and the seconds to wait.

The defaults have no status: they apply to each answer that the table does not name.
"""


def api_of(stage: Stage, apigateway: Any) -> dict[str, Any] | None:
    """Return the stage's REST API."""
    pages = apigateway.get_paginator("get_rest_apis").paginate()
    for page in pages:
        for api in page["items"]:
            if api["name"] == stage.function:
                return dict(api)
    return None


def throttling_changes(
    stage: Stage, api_id: str, file: StageFile, apigateway: Any
) -> Iterator[Change]:
    """Yield the changes of the rate and the burst of all callers together.

    A stage whose limit is the account's quota has no limit yet, so that its first one
    is no reduction.
    """
    address = {"restApiId": api_id, "stageName": stage.name}
    settings = _method_settings(stage, address, apigateway)
    quotas = apigateway.get_account().get("throttleSettings", {})
    limits = (
        ("rate", "throttlingRateLimit", "rateLimit", file.rate),
        ("burst", "throttlingBurstLimit", "burstLimit", file.burst),
    )
    for name, setting, path, value in limits:
        before = settings.get(setting)
        if value is None or before == value:
            continue
        if before == quotas.get(path):
            before = None
        patch = {
            "op": "replace",
            "path": f"/*/*/throttling/{path}",
            "value": f"{value:g}",
        }
        yield Change(
            subject=name,
            name=name,
            before=before,
            after=value,
            apply=partial(apigateway.update_stage, **address, patchOperations=[patch]),
            can_lower=True,
        )


def _method_settings(
    stage: Stage, address: dict[str, str], apigateway: Any
) -> dict[str, Any]:
    try:
        api_stage = apigateway.get_stage(**address)
    except ClientError as exc:
        raise LookupError(
            f"The API {stage.function} has no stage {stage.name}."
        ) from exc
    settings: dict[str, Any] = api_stage.get("methodSettings", {}).get("*/*", {})
    return settings


def gateway_response(name: str) -> dict[str, Any]:
    """Return one of API Gateway's own answers, as its API expects it."""
    problem_type, status, wait_seconds = ANSWERS[name]
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After",
    }
    if wait_seconds is not None:
        headers["Retry-After"] = str(wait_seconds)

    body: dict[str, Any] = {"type": problem_type, "title": TITLES[problem_type]}
    if status is not None:
        body["status"] = status

    response: dict[str, Any] = {
        "responseParameters": {
            f"gatewayresponse.header.{header}": f"'{value}'"
            for header, value in headers.items()
        },
        "responseTemplates": {"application/json": json.dumps(body)},
    }
    if status is not None:
        response["statusCode"] = str(status)
    return response


def answer_changes(stage: Stage, api_id: str, apigateway: Any) -> Iterator[Change]:
    """Yield the answers that differ, and the deployment that makes them visible."""
    pages = apigateway.get_paginator("get_gateway_responses").paginate(restApiId=api_id)
    actual = {item["responseType"]: item for page in pages for item in page["items"]}

    different = [name for name in ANSWERS if _differs(name, actual.get(name, {}))]
    for name in different:
        put = partial(
            apigateway.put_gateway_response,
            restApiId=api_id,
            responseType=name,
            **gateway_response(name),
        )
        yield Change(subject=f"API Gateway's answer {name}", apply=put)

    if different:
        address = {"restApiId": api_id, "stageName": stage.name}
        deploy = partial(apigateway.create_deployment, **address)
        yield Change(subject="deployment of the API's answers", apply=deploy)


def _differs(name: str, actual: Mapping[str, Any]) -> bool:
    expected = gateway_response(name)
    return any(actual.get(key) != value for key, value in expected.items())

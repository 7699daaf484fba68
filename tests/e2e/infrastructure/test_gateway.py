"""Settings of Zappa's API and function: throttling, answers, routes, concurrency."""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from rest_framework.exceptions import Throttled

from deploy.infrastructure.back_ends import route_changes
from deploy.infrastructure.changes import apply_all
from deploy.infrastructure.function import check_quotas, concurrency_changes
from deploy.infrastructure.gateway import (
    ANSWERS,
    TITLES,
    answer_changes,
    throttling_changes,
)
from deploy.infrastructure.stage_file import Consumer, StageFile
from stages import Stage
from streams.problems import PROBLEMS
from tests.e2e.infrastructure.conftest import REGION, make_api

BILLING = Consumer(name="billing", rate=50, burst=100)


@pytest.fixture
def apigateway(stage: Stage) -> Any:
    return stage.client("apigateway")


def amazon(service: str) -> Any:
    """Return a client of Amazon's own, to judge requests by its model."""
    return boto3.client(
        service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )


# --- throttling -----------------------------------------------------------------------


def test_a_rate_that_the_file_does_not_name_stays(
    stage: Stage, apigateway: Any
) -> None:
    api_id = make_api(stage)

    def throttle(**values: Any) -> list[str]:
        file = StageFile(**values)
        changes = list(throttling_changes(stage, api_id, file, apigateway))
        apply_all(changes)
        return [str(change) for change in changes]

    assert len(throttle(rate=500, burst=900)) == 2
    assert throttle(rate=500, burst=900) == []
    assert throttle() == []
    assert throttle(rate=100) == ["LOWER rate: 500 -> 100"]
    settings = apigateway.get_stage(restApiId=api_id, stageName="test")[
        "methodSettings"
    ]["*/*"]
    assert settings["throttlingRateLimit"] == 100
    assert settings["throttlingBurstLimit"] == 900


def test_an_api_without_the_stage_is_refused(stage: Stage, apigateway: Any) -> None:
    api_id = make_api(stage)
    other = Stage("other", stage.settings)
    with pytest.raises(LookupError, match="has no stage other"):
        list(throttling_changes(other, api_id, StageFile(rate=1), apigateway))


# --- API Gateway's own answers --------------------------------------------------------


def test_the_answers_have_the_services_titles() -> None:
    titles = {problem.type: problem.title for problem in PROBLEMS.values()}
    shared_names = TITLES.keys() & titles.keys()
    shared = {name: TITLES[name] for name in shared_names}
    assert shared == {name: titles[name] for name in shared}
    assert TITLES.keys() - titles.keys() == {"internal-error", "gateway-timeout"}

    throttled = PROBLEMS[Throttled]
    assert ANSWERS["THROTTLED"][:2] == (throttled.type, throttled.status)


def test_each_answer_is_a_problem_that_any_origin_may_read(
    stage: Stage, apigateway: Any
) -> None:
    api_id = make_api(stage)
    apply_all(answer_changes(stage, api_id, apigateway))
    assert list(answer_changes(stage, api_id, apigateway)) == []

    for name, (problem_type, status, wait_seconds) in ANSWERS.items():
        answer = apigateway.get_gateway_response(restApiId=api_id, responseType=name)
        body = json.loads(answer["responseTemplates"]["application/json"])
        assert (body["type"], body.get("status")) == (problem_type, status)

        prefix = "gatewayresponse.header."
        headers = {
            header.removeprefix(prefix): value
            for header, value in answer["responseParameters"].items()
        }
        assert headers["Content-Type"] == "'application/problem+json'"
        assert headers["Access-Control-Allow-Origin"] == "'*'"
        expected = None if wait_seconds is None else f"'{wait_seconds}'"
        assert headers.get("Retry-After") == expected


def test_api_gateway_has_no_other_answer() -> None:
    model = amazon("apigateway").meta.service_model
    assert set(model.shape_for("GatewayResponseType").enum) == ANSWERS.keys()


# --- the route of back ends -----------------------------------------------------------


def test_only_the_back_ends_route_requires_a_key(stage: Stage, apigateway: Any) -> None:
    api_id = make_api(stage)
    assert list(route_changes(stage, api_id, StageFile(), apigateway)) == []

    file = StageFile(consumers=(BILLING,))
    apply_all(route_changes(stage, api_id, file, apigateway))
    assert list(route_changes(stage, api_id, file, apigateway)) == []
    assert required_keys(api_id, apigateway) == {
        ("/", "GET"): False,
        ("/{proxy+}", "GET"): False,
        ("/back-end/{proxy+}", "ANY"): True,
    }


def required_keys(api_id: str, apigateway: Any) -> dict[tuple[str, str], bool]:
    resources = apigateway.get_resources(restApiId=api_id, embed=["methods"])["items"]
    return {
        (resource["path"], method): apigateway.get_method(
            restApiId=api_id, resourceId=resource["id"], httpMethod=method
        )["apiKeyRequired"]
        for resource in resources
        for method in resource.get("resourceMethods", {})
    }


# --- the function and the quotas ------------------------------------------------------


@pytest.mark.parametrize(
    ("reserved", "named", "expected"),
    [
        pytest.param(None, 50, ["concurrency: none -> 50"], id="no reservation"),
        pytest.param(100, 50, ["LOWER concurrency: 100 -> 50"], id="lowered"),
        pytest.param(50, 50, [], id="the same"),
        pytest.param(50, None, [], id="not named"),
        pytest.param(0, 50, [], id="the 0 of an incident stays"),
    ],
)
def test_instances_are_reserved_as_the_file_names_them(
    reserved: int | None, named: int | None, expected: list[str]
) -> None:
    stage = Stage("test", {"project_name": "limits"})
    client = amazon("lambda")
    with Stubber(client) as stub:
        if named is not None:
            answer = (
                {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
            )
            stub.add_response("get_function_concurrency", answer)
        changes = list(concurrency_changes(stage, StageFile(concurrency=named), client))
        stub.assert_no_pending_responses()
    assert [str(change) for change in changes] == expected


def test_a_new_account_is_told_its_quotas_before_a_change(
    stage: Stage, apigateway: Any
) -> None:
    """A new account runs 10 instances at once, and can reserve 0 of them."""
    client = amazon("lambda")
    file = StageFile(concurrency=167, rate=20_000)
    with Stubber(client) as stub:
        stub.add_response(
            "get_account_settings",
            {
                "AccountLimit": {
                    "ConcurrentExecutions": 10,
                    "UnreservedConcurrentExecutions": 10,
                }
            },
        )
        stub.add_client_error("get_function_concurrency", "ResourceNotFoundException")
        with pytest.raises(LookupError) as refusal:
            check_quotas(stage, file, lambda_client=client, apigateway=apigateway)

    message = str(refusal.value)
    assert "No change was made" in message
    assert "raise 'Concurrent executions' (L-B99A9384) to 267" in message
    assert "reserve = false" in message
    assert "10000 requests per second" in message


def test_an_account_with_high_quotas_is_accepted(stage: Stage, apigateway: Any) -> None:
    file = StageFile(concurrency=167, rate=1_667)
    client = stage.client("lambda")
    check_quotas(stage, file, lambda_client=client, apigateway=apigateway)

"""`verify` at the address of another service."""

from collections.abc import Callable

import httpx
import pytest

from deploy.verify.checks import Result, results
from deploy.verify.service import DeployedService

NGINX = httpx.Response(
    404,
    headers={"Server": "nginx/1.27", "Content-Type": "text/html"},
    text="<html><head><title>404\nNot Found</title></head></html>",
)
API_GATEWAY = httpx.Response(
    403,
    headers={"Content-Type": "application/json"},
    text='{"message":"Missing Authentication Token"}',
)
EMPTY = httpx.Response(200, headers={"Server": "caddy"})
OTHER_JSON = httpx.Response(200, json=["ok"])


def first_result(answer: Callable[[httpx.Request], httpx.Response]) -> Result:
    service = DeployedService(url="https://streams.example.com")
    transport = httpx.MockTransport(answer)
    service.client = httpx.Client(base_url=service.url, transport=transport)
    return next(results(service))


@pytest.mark.parametrize(
    ("answer", "observation"),
    [
        pytest.param(
            NGINX,
            "another service answered (nginx/1.27): 404 text/html: 404 Not Found",
            id="a web server's page",
        ),
        pytest.param(
            API_GATEWAY,
            "another service answered (no Server header): 403 application/json: "
            '{"message":"Missing Authentication Token"}',
            id="API Gateway without this route",
        ),
        pytest.param(
            EMPTY,
            "another service answered (caddy): 200 no Content-Type",
            id="an empty answer",
        ),
        pytest.param(
            OTHER_JSON,
            'another service answered (no Server header): 200 application/json: ["ok"]',
            id="other JSON",
        ),
    ],
)
def test_the_check_names_the_service_that_answered(
    answer: httpx.Response, observation: str
) -> None:
    result = first_result(lambda request: answer)

    assert result.outcome == "failed"
    assert result.observation == f"/healthz: {observation}"


def test_a_failed_store_is_an_answer_of_this_service() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/healthz":
            return httpx.Response(200, json={"status": "ok", "version": "2.0.0"})
        return httpx.Response(503, json={"type": "store-unavailable"})

    result = first_result(answer)

    assert result.outcome == "failed"
    assert result.observation.startswith("/readyz: 503 ")

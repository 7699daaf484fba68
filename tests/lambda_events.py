"""Events as AWS makes them of a client's request, and the handler that they go to."""

import json
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

STAGE, API, OWN = (
    "test",
    "a1b2c3.execute-api.eu-west-1.amazonaws.com",
    "streams.example.com",
)
FUNCTION, BALANCER = (
    "f00.lambda-url.eu-west-1.on.aws",
    "lb-1.eu-west-1.elb.amazonaws.com",
)
HOSTS = [API, OWN, FUNCTION, BALANCER]

type Make = Callable[[str, str, str, Mapping[str, str], str], Event]
"""Method, path and query as the client sent them, headers and body; to the event."""

zappa_settings = ModuleType("zappa_settings")
"""The settings that Zappa writes at deployment."""
zappa_settings.__dict__.update(
    API_STAGE=STAGE,
    APP_FUNCTION="application",
    APP_MODULE="streams_project.wsgi",
    BASE_PATH=None,
    BINARY_SUPPORT=False,
    CONTEXT_HEADER_MAPPINGS={},
    DEBUG=False,
    DJANGO_SETTINGS="streams_project.settings",
    DOMAIN=None,
    ENVIRONMENT_VARIABLES={},
    EXCEPTION_HANDLER=None,
    LOG_LEVEL=None,
    PROJECT_NAME="stream-limits",
)
sys.modules["zappa_settings"] = zappa_settings
from streams_project.lambda_entry import Event, lambda_handler  # noqa: E402

__all__ = ["Event", "lambda_handler"]


def version_1(
    path: str,
    context: Event,
    host: str,
    method: str,
    query: str,
    headers: Mapping[str, str],
) -> Event:
    sent = {
        "Host": host,
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
    } | dict(headers)
    parameters = parse_qsl(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "httpMethod": method,
        "path": path,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(parameters) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in parameters}
        or None,
        "requestContext": {"stage": STAGE, "identity": {"sourceIp": "203.0.113.7"}}
        | context,
        "isBase64Encoded": False,
    }


def version_2(
    stage: str,
    host: str,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
) -> Event:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": host, "x-forwarded-proto": "https"}
        | {name.lower(): headers[name] for name in headers},
        "requestContext": {
            "stage": stage,
            "domainName": host,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
            },
        },
        "isBase64Encoded": False,
    }


def rest_api(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    """Return an event whose path lacks the stage, because API Gateway removes it."""
    event = version_1(
        path.removeprefix(f"/{STAGE}"), {"path": path}, API, method, query, headers
    )
    return event | {"body": body or None}


def rest_api_on_a_domain(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    return version_1(path, {"path": path}, OWN, method, query, headers) | {
        "body": body or None
    }


def for_back_ends(make: Make) -> Make:
    """Return a maker of the same events through the resource that requires a key."""

    def made(*request: Any) -> Event:
        return {**make(*request), "resource": "/back-end/{proxy+}"}

    return made


def http_api(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    return version_2(STAGE, API, method, path, query, headers) | {"body": body}


def http_api_by_default(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    return version_2("$default", API, method, path, query, headers) | {"body": body}


def http_api_on_a_domain(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    return version_2(STAGE, OWN, method, path, query, headers) | {"body": body}


def http_api_in_version_1(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    return version_1(path, {"path": path}, API, method, query, headers) | {
        "version": "1.0",
        "body": body,
    }


def function_url(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    return version_2("$default", FUNCTION, method, path, query, headers) | {
        "body": body
    }


def balancer(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    sent = {"host": BALANCER, "x-forwarded-for": "198.51.100.1, 203.0.113.7"} | {
        n.lower(): headers[n] for n in headers
    }
    return {
        "requestContext": {
            "elb": {
                "targetGroupArn": (
                    "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/t/1"
                )
            }
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": dict(
            part.partition("=")[::2] for part in query.split("&")
        )
        if query
        else {},
        "headers": sent,
        "body": body,
        "isBase64Encoded": False,
    }


def balancer_with_many_values(
    method: str, path: str, query: str, headers: Mapping[str, str], body: str
) -> Event:
    event = balancer(method, path, query, headers, body)
    many = {name: [value] for name, value in event.pop("headers").items()}
    values = {
        name: [value] for name, value in event.pop("queryStringParameters").items()
    }
    return event | {
        "multiValueHeaders": many,
        "multiValueQueryStringParameters": values,
    }


WAYS: dict[str, tuple[Make, str, str | None]] = {
    "REST API": (rest_api, f"/{STAGE}", None),
    "REST API, own domain": (rest_api_on_a_domain, "", None),
    "REST API, base path": (rest_api_on_a_domain, "/v1", "v1"),
    "REST API, back ends": (for_back_ends(rest_api), f"/{STAGE}/back-end", None),
    "REST API, back ends, base path": (
        for_back_ends(rest_api_on_a_domain),
        "/v1/back-end",
        "v1",
    ),
    "HTTP API": (http_api, f"/{STAGE}", None),
    "HTTP API, default stage": (http_api_by_default, "", None),
    "HTTP API, own domain": (http_api_on_a_domain, "", None),
    "HTTP API, base path": (http_api_on_a_domain, "/v1", "v1"),
    "HTTP API, version 1.0": (http_api_in_version_1, f"/{STAGE}", None),
    "load balancer": (balancer, "", None),
    "load balancer, many values": (balancer_with_many_values, "", None),
    "function URL": (function_url, "", None),
}
"""The ways to the service: the event's maker, its path and Zappa's `base_path`."""


def header(answer: Event, name: str) -> str | None:
    """Return a header of an answer in either form."""
    single = {key.lower(): value for key, value in answer.get("headers", {}).items()}
    many = {
        key.lower(): values[-1]
        for key, values in answer.get("multiValueHeaders", {}).items()
    }
    value: str | None = (single | many).get(name.lower())
    return value


def content(answer: Event) -> Any:
    """Return the JSON of an answer."""
    return json.loads(answer["body"])

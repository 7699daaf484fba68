"""API Gateway proxy events (REST API, payload 1.0) of a browser behind CloudFront.

With `WITHOUT_ORIGIN=1` they are those of an app: without `Origin`.
"""

import json
import os
from typing import Any

HOST = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
STAGE = "test"
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) "
    "Chrome/140.0 Safari/537.36"
)
BROWSER_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.9",
    "CloudFront-Forwarded-Proto": "https",
    "CloudFront-Is-Desktop-Viewer": "true",
    "CloudFront-Viewer-Country": "ES",
    "Content-Type": "application/json",
    "Host": HOST,
    "Origin": "https://watch.example.com",
    "User-Agent": USER_AGENT,
    "Via": "2.0 c0ffee.cloudfront.net (CloudFront)",
    "X-Amz-Cf-Id": "Zm9vYmFyYmF6cXV4",
    "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
    "X-Forwarded-For": "203.0.113.7, 198.51.100.9",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}
if os.environ.get("WITHOUT_ORIGIN"):
    del BROWSER_HEADERS["Origin"]


def event(
    method: str,
    path: str,
    body: dict[str, Any] | None,
    headers: dict[str, str],
) -> dict[str, Any]:
    """Return the event of one request. `headers` take precedence over the browser's."""
    all_headers = BROWSER_HEADERS | headers
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": all_headers,
        "multiValueHeaders": {name: [value] for name, value in all_headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/{STAGE}{path}",
            "protocol": "HTTP/1.1",
            "stage": STAGE,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0"},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }

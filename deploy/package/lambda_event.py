"""A request as API Gateway passes it to the function."""

import json
from collections.abc import Mapping


def api_gateway_event(
    method: str,
    path: str,
    environment: Mapping[str, str],
    *,
    body: object = None,
    **headers: str,
) -> dict[str, object]:
    """Return the event of a request to a function with this environment."""
    return {
        "httpMethod": method,
        "path": path,
        "headers": {
            "Host": allowed_host(environment),
            "Content-Type": "application/json",
            **headers,
        },
        "body": None if body is None else json.dumps(body),
        "requestContext": {},
        "queryStringParameters": None,
    }


def allowed_host(environment: Mapping[str, str]) -> str:
    """Return a host name that ALLOWED_HOSTS accepts."""
    first = environment.get("ALLOWED_HOSTS", "").split(",")[0].strip()
    if first.startswith("."):
        return f"check{first}"
    return first.replace("*", "localhost") or "localhost"

"""Every answer of the service, held to the OpenAPI document."""

import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from streams.browsable.document import document
from streams.problems import MEDIA_TYPE

UNDESCRIBED = {"not-found", "method-not-allowed"}
"""Problems of what is not in the document: other URLs, other methods."""


def hold_to_the_document(response: httpx.Response) -> None:
    """Fail the test of an answer that the document does not describe: an httpx hook."""
    if not response.headers.get("Content-Type", "").startswith(
        ("application/json", MEDIA_TYPE)
    ):
        return
    response.read()
    body = response.json()
    if body.get("type") in UNDESCRIBED or "openapi" in body:
        return
    operation = operation_of(response.request)
    if operation is None:  # an id with a slash in it, or none, makes another URL
        assert (response.status_code, body["type"]) == (400, "invalid-request"), (
            response.text
        )
        return
    call = f"{response.request.method} {response.request.url}"
    answer = operation["responses"].get(str(response.status_code))
    assert answer, f"{call}: {response.status_code} is not described"
    if "$ref" in answer:
        answer = document()["components"]["responses"][
            answer["$ref"].rpartition("/")[2]
        ]
    media_type = response.headers["Content-Type"].partition(";")[0]
    schema = answer["content"][media_type]["schema"] | {
        "components": document()["components"]
    }
    errors = list(Draft202012Validator(schema).iter_errors(body))
    assert not errors, f"{call}: {errors[0].message} in {json.dumps(body)}"
    for name, header in answer.get("headers", {}).items():
        is_there, is_a_number = (
            name in response.headers,
            header["schema"].get("type") == "integer",
        )
        assert is_there or not header.get("required"), f"{call}: no {name}"
        if is_there:
            value = (
                int(response.headers[name]) if is_a_number else response.headers[name]
            )
            assert Draft202012Validator(header["schema"]).is_valid(value), (
                f"{name}: {value}"
            )


def operation_of(request: httpx.Request) -> dict[str, Any] | None:
    """Return the document's operation for a request."""
    path = request.url.path.rstrip("/")
    if request.url.params.get("dryRun") == "true":  # the same call as /dry-run
        path = re.sub(r"/streams(/[^/]+)?$", "/dry-run", path)
        request = httpx.Request("POST", request.url)
    for template, item in document()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            found: dict[str, Any] | None = item.get(
                request.method.lower().replace("head", "get")
            )
            return found
    return None

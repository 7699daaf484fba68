"""Hooks of drf-spectacular: the list of endpoints, and the finished document."""

from collections.abc import Iterator
from typing import Any

import openapi.operations  # noqa: F401  # drf-spectacular finds extensions by import
from streams.problems import MEDIA_TYPE

PROBLEM_HEADERS: dict[str, Any] = {
    "Content-Language": {
        "description": "Language of title, detail and messages: see Accept-Language.",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": "The page that explains the type, if there is one: rel=help.",
        "schema": {"type": "string"},
    },
    "Vary": {
        "description": "Contains Accept-Language.",
        "schema": {"type": "string"},
    },
}
METHODS = ["GET", "POST", "PUT", "DELETE"]
USER_PATH = "/users/{userId}"
OWN_PATH = "/me"

STREAM_IDS = {"userId": "$response.body#/userId", "id": "$response.body#/id"}
LINKS = {
    "heartbeat": {"operationId": "renewStream", "parameters": STREAM_IDS},
    "read": {"operationId": "readStream", "parameters": STREAM_IDS},
    "stop": {"operationId": "stopStream", "parameters": STREAM_IDS},
}
"""The calls of a player after a start or a heartbeat, as OpenAPI links.

They name no body, because generators of clients read a body of a link as text.
"""
WITH_OPTIONAL_BODY = ("createTicket",)
ANSWERS_WITH_LINKS = ("PlayerStream",)

type Endpoint = tuple[str, str, str, Any]
"""Path, regular expression of the path, method, view."""
type Document = dict[str, Any]
type Operation = dict[str, Any]


def select_endpoints(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Return each endpoint once, without slash and without `/me`, in a fixed order."""
    selected = {
        (_documented_path(path), *rest)
        for path, *rest in endpoints
        if not path.startswith(OWN_PATH)
    }
    return sorted(selected, key=lambda endpoint: _order(endpoint[0], endpoint[2]))


def _documented_path(path: str) -> str:
    return path.rstrip("/").replace("{user_id}", "{userId}")


def _order(path: str, method: str) -> tuple[str, int]:
    return path, METHODS.index(method)


def finish(result: Document, **context: Any) -> Document:
    """Complete the document with what drf-spectacular cannot express."""
    for operation in _operations(result):
        _require_body(operation)
        _add_links(operation)

    result["components"]["responses"] = _share_problems(result)
    _add_own_paths(result)
    _remove_enum_ids(result)
    return result


def _operations(document: Document) -> Iterator[Operation]:
    for item in document["paths"].values():
        yield from item.values()


def _require_body(operation: Operation) -> None:
    if "requestBody" in operation:
        is_optional = operation["operationId"] in WITH_OPTIONAL_BODY
        operation["requestBody"]["required"] = not is_optional


def _add_links(operation: Operation) -> None:
    """Link the answers that contain a token to the calls that require it."""
    for response in operation["responses"].values():
        if _schema_name(response) in ANSWERS_WITH_LINKS:
            response["links"] = LINKS


def _share_problems(document: Document) -> dict[str, Any]:
    """Replace each problem by a reference. Return a mapping from names to problems.

    The name consists of the types, such as `throttled-or-too-many-starts`.
    """
    problems: dict[str, Any] = {}
    for operation in _operations(document):
        responses = operation["responses"]
        for status, response in responses.items():
            if MEDIA_TYPE not in response.get("content", {}):
                continue

            name = "-or-".join(_problem_types(response))
            response["headers"] = {**response.get("headers", {}), **PROBLEM_HEADERS}
            problems[name] = response
            responses[status] = {"$ref": f"#/components/responses/{name}"}

    return problems


def _problem_types(response: dict[str, Any]) -> list[str]:
    examples = response["content"][MEDIA_TYPE]["examples"]
    return [example["value"]["type"] for example in examples.values()]


def _schema_name(response: dict[str, Any]) -> str:
    """Return the name of the schema of an answer, or "" if it has no body."""
    for content in response.get("content", {}).values():
        reference: str = content["schema"]["$ref"]
        return reference.rpartition("/")[2]
    return ""


def _add_own_paths(document: Document) -> None:
    """Describe `/me` like `/users/{userId}`."""
    paths = document["paths"]
    for path, item in list(paths.items()):
        if path.startswith(USER_PATH):
            own_path = OWN_PATH + path.removeprefix(USER_PATH)
            paths[own_path] = {method: _own(each) for method, each in item.items()}


def _own(operation: Operation) -> Operation:
    """Return the same operation for the user of the bearer token."""
    id = operation["operationId"]
    parameters = operation["parameters"]
    return {
        **operation,
        "operationId": f"my{id[0].upper()}{id[1:]}",
        "parameters": [each for each in parameters if each["name"] != "userId"],
    }


def _remove_enum_ids(document: Document) -> None:
    """Remove drf-spectacular's own attribute of enumerations."""
    for schema in document["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            member.pop("x-spec-enum-id", None)

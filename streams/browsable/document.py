"""The OpenAPI document, as the pages show it."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.urls import get_script_prefix

DOCUMENT = Path(__file__).parent / "static" / "streams" / "openapi.json"
"""The API as OpenAPI 3.1. `make openapi` writes it."""

PARAMETER = re.compile(r"<str:(\w+)>")

type Operation = Mapping[str, Any]
type PathItem = Mapping[str, Operation]


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    read: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    return read


def operation(route: str, method: str) -> Operation:
    """Return the operation of a route. Without documentation it is empty."""
    paths = document()["paths"]
    item: PathItem = paths.get(path_template(route), {})
    return item.get(method.lower(), {})


def path_template(route: str) -> str:
    """Return the path of the document for a route of Django."""
    path = PARAMETER.sub(_template_parameter, route)
    return "/" + path.rstrip("/")


def _template_parameter(match: re.Match[str]) -> str:
    name = _camel_case(match[1])
    return f"{{{name}}}"


def readable_paths(route: str, arguments: Mapping[str, str]) -> Iterator[str]:
    """Yield the URLs with a `GET` under the same first segment as a route.

    `arguments` are those of the page's own URL.
    """
    ids = {}
    for name, id in arguments.items():
        ids[_camel_case(name)] = quote(id, safe="")

    first_segment = path_template(route).split("/")[1]
    paths = document()["paths"]
    for template, item in paths.items():
        is_near = template.split("/")[1] == first_segment
        if not is_near or "get" not in item:
            continue

        try:
            path = template.format_map(ids)
        except KeyError:  # it requires an id that this page does not have
            continue
        yield get_script_prefix() + path[1:]


def answers(operation: Operation) -> Iterator[tuple[str, str, str]]:
    """Yield status, problem types and description of each answer."""
    for status, response in operation.get("responses", {}).items():
        types = _name(response).replace("-or-", ", ")
        description = _dereference(response)["description"]
        yield status, types, description


def description_of(operation: Operation, status: int) -> str:
    """Return what an answer with this status means."""
    responses = operation.get("responses", {})
    response = responses.get(str(status))
    if response is None:
        return ""

    description: str = _dereference(response)["description"]
    return description


def example_body(operation: Operation) -> str | None:
    """Return an example of the body. It is None if the operation accepts no JSON."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None

    examples = content["application/json"]["examples"]
    (example,) = examples.values()
    return json.dumps(example["value"], indent=2)


def _dereference(response: Operation) -> Operation:
    if "$ref" not in response:
        return response

    components = document()["components"]
    problem: Operation = components["responses"][_name(response)]
    return problem


def _name(response: Operation) -> str:
    """Return the name of a shared response, or "" for another one."""
    reference: str = response.get("$ref", "")
    return reference.rpartition("/")[2]


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))

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


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    read: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    return read


def operation(route: str, method: str) -> Operation:
    """Return the operation of a route and a method. It is empty if none is described."""
    item: Mapping[str, Operation] = document()["paths"].get(path_template(route), {})
    return item.get(method.lower(), {})


def path_template(route: str) -> str:
    """Return the path of the document for a route of Django."""
    path = PARAMETER.sub(lambda match: f"{{{_camel_case(match[1])}}}", route)
    return f"/{path.rstrip('/')}"


def readable_paths(route: str, arguments: Mapping[str, str]) -> Iterator[str]:
    """Yield the URLs with a `GET` under the same first segment as a route.

    `arguments` are those of the page's own URL.
    """
    ids = {_camel_case(name): quote(id, safe="") for name, id in arguments.items()}
    first_segment = route.partition("/")[0]
    for template, item in document()["paths"].items():
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
        name = response.get("$ref", "").rpartition("/")[2]
        description = _dereference(response)["description"]
        yield status, name.replace("-or-", ", "), description


def description_of(operation: Operation, status: int) -> str:
    """Return what an answer with this status means."""
    response = operation.get("responses", {}).get(str(status))
    return str(_dereference(response)["description"]) if response else ""


def example_body(operation: Operation) -> str | None:
    """Return an example of the body. It is None if the operation accepts no body."""
    body = operation.get("requestBody")
    if body is None:
        return None

    (example,) = body["content"]["application/json"]["examples"].values()
    return json.dumps(example["value"], indent=2)


def _dereference(response: Operation) -> Operation:
    if "$ref" not in response:
        return response

    problems: Mapping[str, Operation] = document()["components"]["responses"]
    return problems[response["$ref"].rpartition("/")[2]]


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))

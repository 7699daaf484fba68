"""Generates the calls, fields and answers of `api.md` from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs import markers

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "streams/browsable/static/streams/openapi.json"
METHODS = ("get", "post", "put", "delete")

type Document = Mapping[str, Any]


def passages() -> markers.Passages:
    """Return the generators of the page's passages."""
    return {"calls": calls, "operations": operations, "bodies": bodies}


def load_document() -> Document:
    """Return the OpenAPI document that ships with the service."""
    document: Document = json.loads(DOCUMENT.read_text())
    return document


def calls() -> str:
    """Return the table of all calls. Each row links to the call's section."""
    document = load_document()
    rows = (
        (
            f"`{method.upper()} {path}`",
            f"[{operation['summary']}](#{_anchor(operation['summary'])})",
            _statuses(operation, is_error=False),
            _statuses(operation, is_error=True),
        )
        for path, method, operation in _operations(document)
    )
    return markers.table(("call", "purpose", "success", "errors"), rows)


def operations() -> str:
    """Return one section per call."""
    document = load_document()
    sections = (
        _section(document, path, method, operation)
        for path, method, operation in _operations(document)
    )
    return "\n\n".join(sections)


def bodies() -> str:
    """Return one table of fields per JSON object of the API, except the problems."""
    document = load_document()
    schemas = document["components"]["schemas"]
    sections = (
        _body(document, name, schema)
        for name, schema in schemas.items()
        if "properties" in schema and not _is_problem(schema)
    )
    return "\n\n".join(sections)


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield the calls by tag. `/me` repeats the calls of `/users/{userId}`."""
    for tag in document["tags"]:
        for path, item in document["paths"].items():
            if path.startswith("/me"):
                continue

            for method in METHODS:
                if method in item and tag["name"] in item[method]["tags"]:
                    yield path, method, item[method]


def _section(document: Document, path: str, method: str, operation: Document) -> str:
    parts = [
        f"### {operation['summary']}",
        f"`{method.upper()} {path}`",
        operation.get("description", ""),
        _parameters(operation),
        _request_body(document, operation),
        _successes(document, operation),
        _errors(operation),
    ]
    return "\n\n".join(part for part in parts if part)


def _parameters(operation: Document) -> str:
    """Return the table of the parameters in query and headers, if there are any."""
    rows = [
        (f"`{parameter['name']}`", parameter["in"], parameter["description"])
        for parameter in operation.get("parameters", [])
        if parameter["in"] != "path"
    ]
    return markers.table(("parameter", "in", "meaning"), rows) if rows else ""


def _request_body(document: Document, operation: Document) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return ""

    media_types = " or ".join(f"`{media_type}`" for media_type in content)
    schema = next(iter(content.values()))["schema"]
    return f"Request body: {_type(document, schema)}, as {media_types}."


def _successes(document: Document, operation: Document) -> str:
    rows = (
        (status, _answer_body(document, response), response["description"])
        for status, response in sorted(operation["responses"].items())
        if not _is_error(status)
    )
    return markers.table(("status", "body", "meaning"), rows)


def _answer_body(document: Document, response: Document) -> str:
    contents = response.get("content", {}).values()
    return next((_type(document, media["schema"]) for media in contents), "none")


def _errors(operation: Document) -> str:
    """Return the statuses and types of the problems that a call can answer."""
    errors = (
        f"{status} {_problem_types(response)}"
        for status, response in sorted(operation["responses"].items())
        if _is_error(status)
    )
    return f"[Errors](errors.md): {', '.join(errors)}."


def _problem_types(response: Document) -> str:
    name = response["$ref"].rpartition("/")[2]
    return " or ".join(f"`{type_}`" for type_ in name.split("-or-"))


def _is_error(status: str) -> bool:
    return int(status) >= 400


def _body(document: Document, name: str, schema: Document) -> str:
    required = schema.get("required", [])
    rows = (
        (
            f"`{field}`",
            _type(document, shape),
            "yes" if field in required else "no",
            shape.get("description", ""),
        )
        for field, shape in schema["properties"].items()
    )
    fields = markers.table(("field", "type", "required", "meaning"), rows)
    return f"### {name}\n\n{schema.get('description', '')}\n\n{fields}"


def _type(document: Document, schema: Document) -> str:
    """Return the type of a value in words, with a link if it is an object."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = document["components"]["schemas"][name]
        is_choice = "oneOf" in target
        return _type(document, target) if is_choice else f"[{name}](#{_anchor(name)})"

    if "oneOf" in schema:
        return " or ".join(_type(document, choice) for choice in schema["oneOf"])

    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])

    if schema.get("type") == "array":
        return f"array of {_type(document, schema['items'])}"

    return _scalar(schema)


def _scalar(schema: Document) -> str:
    declared = schema.get("type", "any")
    types = [declared] if isinstance(declared, str) else list(declared)
    text = " or ".join(types)

    if schema.get("format") == "date-time":
        text = text.replace("string", "time (RFC 3339)")

    return text + _range(schema)


def _range(schema: Document) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        return f", up to {schema['maxLength']} characters"
    return ""


def _is_problem(schema: Document) -> bool:
    return {"type", "title", "status"} <= set(schema["properties"])


def _statuses(operation: Document, *, is_error: bool) -> str:
    statuses = sorted(operation["responses"])
    return ", ".join(status for status in statuses if _is_error(status) is is_error)


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub and MyST give a heading."""
    kept = (letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")

"""Generates the calls, fields and answers of `api.md` from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs import markers
from docs.markers import code, link, section

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
    rows = [
        (
            code(operation.call),
            _link_to_heading(operation.summary),
            operation.statuses(is_error=False),
            operation.statuses(is_error=True),
        )
        for operation in _operations(document)
    ]

    headings = ("call", "purpose", "success", "errors")
    return markers.table(headings, rows)


def operations() -> str:
    """Return one section per call."""
    document = load_document()
    sections = [_section(document, operation) for operation in _operations(document)]
    return section(*sections)


def bodies() -> str:
    """Return one table of fields per JSON object of the API, except the problems."""
    document = load_document()
    schemas = document["components"]["schemas"]

    sections = [
        _body(document, name, schema)
        for name, schema in schemas.items()
        if "properties" in schema and not _is_problem(schema)
    ]
    return section(*sections)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, as the document describes it."""

    path: str
    method: str
    details: Document

    @property
    def call(self) -> str:
        """The method and the path."""
        return f"{self.method.upper()} {self.path}"

    @property
    def summary(self) -> str:
        """The title."""
        return str(self.details["summary"])

    @property
    def responses(self) -> list[tuple[str, Document]]:
        """The answers, by status."""
        return sorted(self.details["responses"].items())

    def statuses(self, *, is_error: bool) -> str:
        """Return the statuses of the errors, or of the other answers."""
        statuses = [status for status, _ in self.responses]
        wanted = [status for status in statuses if _is_error(status) is is_error]
        return ", ".join(wanted)


def _operations(document: Document) -> Iterator[Operation]:
    """Yield the calls by tag. `/me` repeats the calls of `/users/{userId}`."""
    all_operations = [
        Operation(path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item and not path.startswith("/me")
    ]
    for tag in document["tags"]:
        for operation in all_operations:
            if tag["name"] in operation.details["tags"]:
                yield operation


def _section(document: Document, operation: Operation) -> str:
    return section(
        f"### {operation.summary}",
        code(operation.call),
        operation.details.get("description", ""),
        _parameters(operation),
        _request_body(document, operation),
        _successes(document, operation),
        _errors(operation),
    )


def _parameters(operation: Operation) -> str:
    """Return the table of the parameters in query and headers, if there are any."""
    parameters = operation.details.get("parameters", [])
    rows = [
        (
            code(parameter["name"]),
            parameter["in"],
            parameter["description"],
        )
        for parameter in parameters
        if parameter["in"] != "path"
    ]
    if not rows:
        return ""

    headings = ("parameter", "in", "meaning")
    return markers.table(headings, rows)


def _request_body(document: Document, operation: Operation) -> str:
    if "requestBody" not in operation.details:
        return ""

    content = operation.details["requestBody"]["content"]
    media_types = " or ".join(map(code, content))
    first, *_ = content.values()
    type_ = _type(document, first["schema"])
    return f"Request body: {type_}, as {media_types}."


def _successes(document: Document, operation: Operation) -> str:
    rows = [
        (
            status,
            _answer_body(document, response),
            response["description"],
        )
        for status, response in operation.responses
        if not _is_error(status)
    ]

    headings = ("status", "body", "meaning")
    return markers.table(headings, rows)


def _answer_body(document: Document, response: Document) -> str:
    for media in response.get("content", {}).values():
        return _type(document, media["schema"])

    return "none"


def _errors(operation: Operation) -> str:
    """Return the statuses and types of the problems that a call can answer."""
    errors = [
        f"{status} {_problem_types(response)}"
        for status, response in operation.responses
        if _is_error(status)
    ]
    return f"[Errors](errors.md): {', '.join(errors)}."


def _problem_types(response: Document) -> str:
    name = response["$ref"].rpartition("/")[2]
    types = name.split("-or-")
    return " or ".join(map(code, types))


def _is_error(status: str) -> bool:
    return int(status) >= 400


def _body(document: Document, name: str, schema: Document) -> str:
    required = schema.get("required", [])
    rows = [
        (
            code(field),
            _type(document, shape),
            "yes" if field in required else "no",
            shape.get("description", ""),
        )
        for field, shape in schema["properties"].items()
    ]

    headings = ("field", "type", "required", "meaning")
    return section(
        f"### {name}",
        schema.get("description", ""),
        markers.table(headings, rows),
    )


def _is_problem(schema: Document) -> bool:
    names = set(schema["properties"])
    return {"type", "title", "status"} <= names


def _type(document: Document, schema: Document) -> str:
    """Return the type of a value in words, with a link if it is an object."""
    if "$ref" in schema:
        return _referenced_type(document, schema["$ref"])

    alternatives = schema.get("oneOf") or schema.get("anyOf")
    if alternatives:
        choices = [_type(document, choice) for choice in alternatives]
        return " or ".join(choices)

    if "enum" in schema:
        values = [json.dumps(value) for value in schema["enum"]]
        return ", ".join(map(code, values))

    if schema.get("type") == "array":
        return f"array of {_type(document, schema['items'])}"

    return _scalar(schema)


def _referenced_type(document: Document, reference: str) -> str:
    name = reference.rpartition("/")[2]
    schema = document["components"]["schemas"][name]

    if "oneOf" in schema:
        return _type(document, schema)

    return _link_to_heading(name)


def _scalar(schema: Document) -> str:
    declared = schema.get("type", "any")
    text = declared if isinstance(declared, str) else " or ".join(declared)

    if schema.get("format") == "date-time":
        text = text.replace("string", "time (RFC 3339)")

    return text + _range(schema)


def _range(schema: Document) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"

    if "maxLength" in schema:
        return f", up to {schema['maxLength']} characters"

    return ""


def _link_to_heading(heading: str) -> str:
    """Return a link to a heading, by the anchor that GitHub and MyST give it."""
    letters = [
        letter for letter in heading.lower() if letter.isalnum() or letter in " -_"
    ]
    anchor = "".join(letters).replace(" ", "-")
    return link(heading, f"#{anchor}")

"""Generates the table of `errors.md` from `streams.problems` and the OpenAPI document.

The table of problems has status, type and titles. The OpenAPI document has the members
and headers that a problem adds.
"""

from collections.abc import Iterator, Mapping

from docs import api, markers
from docs.markers import code
from streams.problems import INTERNAL, PROBLEMS, Problem

COMMON_MEMBERS = {"type", "title", "status", "detail"}


def passages() -> markers.Passages:
    """Return the generators of the page's passages."""
    return {"errors": errors_table}


def errors_table() -> str:
    """Return one row per status and type."""
    headings = ("status", "type", "title", "members", "headers")
    return markers.table(headings, _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    document = api.load_document()

    for type_, problems in _by_type().items():
        titles = dict.fromkeys(problem.title for problem in problems)
        yield (
            str(problems[0].status),
            code(type_),
            "<br>".join(titles),
            _names(_members(document, type_)),
            _names(_headers(document, type_)),
        )


def _by_type() -> Mapping[str, list[Problem]]:
    """Return the problems of each type, ordered by status and type."""
    rows = [*PROBLEMS.values(), INTERNAL]
    rows.sort(key=lambda problem: (problem.status, problem.type))

    by_type: dict[str, list[Problem]] = {}
    for problem in rows:
        by_type.setdefault(problem.type, []).append(problem)

    return by_type


def _members(document: api.Document, type_: str) -> list[str]:
    for schema in document["components"]["schemas"].values():
        properties = schema.get("properties", {})
        if properties.get("type", {}).get("enum") == [type_]:
            return [name for name in properties if name not in COMMON_MEMBERS]

    return []


def _headers(document: api.Document, type_: str) -> list[str]:
    """Return the headers of the responses that can be a problem of this type."""
    responses = document["components"]["responses"]
    headers = [
        header
        for name, response in responses.items()
        if type_ in name.split("-or-")
        for header in response.get("headers", {})
    ]
    return list(dict.fromkeys(headers))


def _names(names: list[str]) -> str:
    return ", ".join(map(code, names))

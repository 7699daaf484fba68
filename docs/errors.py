"""Generates the table of `errors.md` from `streams.problems` and the OpenAPI document.

The table of problems has status, type and titles. The OpenAPI document has the members
and headers that a problem adds.
"""

from collections.abc import Iterator, Mapping

from docs import api, markers
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

    for (status, type_), problems in sorted(_by_type().items()):
        titles = dict.fromkeys(problem.title for problem in problems)
        yield (
            str(status),
            f"`{type_}`",
            "<br>".join(titles),
            _quoted(_members(document, type_)),
            _quoted(_headers(document, type_)),
        )


def _by_type() -> Mapping[tuple[int, str], list[Problem]]:
    grouped: dict[tuple[int, str], list[Problem]] = {}
    for problem in [*PROBLEMS.values(), INTERNAL]:
        grouped.setdefault((problem.status, problem.type), []).append(problem)

    return grouped


def _members(document: api.Document, type_: str) -> list[str]:
    schema = document["components"]["schemas"].get(type_, {})
    properties = schema.get("properties", {})
    return [name for name in properties if name not in COMMON_MEMBERS]


def _headers(document: api.Document, type_: str) -> list[str]:
    """Return the headers of the responses that can be a problem of this type."""
    responses = document["components"]["responses"].items()
    headers = [
        header
        for name, response in responses
        if type_ in name.split("-or-")
        for header in response.get("headers", {})
    ]
    return list(dict.fromkeys(headers))


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

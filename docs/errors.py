"""Generates the table of `errors.md` from `streams.problems` and the OpenAPI document.

The table of problems has status, type and titles. The OpenAPI document has the members
and headers that a problem adds.
"""

from collections.abc import Iterator

from docs import api, markers
from docs.markers import code, section
from streams.problems import Problem, problems_by_type

COMMON_HEADERS = {"Content-Language", "Link", "Vary"}
COMMON_MEMBERS = {"type", "title", "status", "detail"}


def passages() -> markers.Passages:
    """Return the generators of the page's passages."""
    return {"errors": errors_table, "explained-errors": explained_errors}


def errors_table() -> str:
    """Return one row per status and type."""
    headings = ("status", "type", "title", "members", "headers")
    return markers.table(headings, _rows())


def explained_errors() -> str:
    """Return a section per type, to which the `Link` of a problem can lead."""
    return section(*(_explained(*each) for each in problems_by_type().items()))


def _explained(type_: str, problems: list[Problem]) -> str:
    causes = [f"* {problem.title} {problem.occurs}" for problem in problems]
    return section(f"### {type_}", "\n".join(dict.fromkeys(causes)))


def _rows() -> Iterator[tuple[str, ...]]:
    document = api.load_document()

    for type_, problems in problems_by_type().items():
        titles = dict.fromkeys(problem.title for problem in problems)
        yield (
            str(problems[0].status),
            code(type_),
            "<br>".join(titles),
            _names(_members(document, type_)),
            _names(_headers(document, type_)),
        )


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
        if header not in COMMON_HEADERS
    ]
    return list(dict.fromkeys(headers))


def _names(names: list[str]) -> str:
    return ", ".join(map(code, names))

"""Draws the picture and the list of rooms in `architecture.md` from the code: `make architecture`.

A room is a package, or a module of `streams` or `streams.storage`. An arrow is an import. One that a chain of others
implies is left out, or every room would point at `rules` and `errors`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

PROJECT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).with_suffix(".md")
PACKAGES = (
    "streams",
    "streams_project",
    "openapi",
    "stages",
    "capacity",
    "deploy",
    "insights",
    "reporting",
    "bench",
)
OPEN = ("streams", "streams.storage")
"""Packages of which each module is a room."""
BEGIN, END = "<!-- drawn by make architecture -->\n", "<!-- end -->"

type Arrows = Mapping[str, set[str]]
"""The rooms that a room imports."""


def drawn() -> str:
    """What stands between the page's marks."""
    arrows = _reduced(_arrows())
    rooms = sorted({*arrows}.union(*arrows.values()))
    return "\n".join([*_picture(rooms, arrows), "", *_table(rooms), ""])


def page() -> str:
    """The page as it has to be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}{drawn()}{END}{rest.partition(END)[2]}"


def _room(module: str) -> str:
    """Up to the first part that is not open."""
    parts = module.split(".")
    names = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    return next((name for name in names if name not in OPEN), module)


def _arrows() -> Arrows:
    graph = grimp.build_graph(
        *PACKAGES, exclude_type_checking_imports=True, cache_dir=None
    )
    arrows: dict[str, set[str]] = {}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if _room(imported) != _room(module) and imported not in OPEN:
                arrows.setdefault(_room(module), set()).add(_room(imported))
    return arrows


def _reduced(arrows: Arrows) -> Arrows:
    def is_implied(room: str, target: str) -> bool:
        return any(
            target in _reached(other, arrows) for other in arrows[room] - {target}
        )

    return {
        room: {target for target in targets if not is_implied(room, target)}
        for room, targets in arrows.items()
    }


def _reached(room: str, arrows: Arrows) -> set[str]:
    found: set[str] = set()
    waiting = [room]
    while waiting:
        for target in arrows.get(waiting.pop(), set()) - found:
            found.add(target)
            waiting.append(target)
    return found


def _picture(rooms: list[str], arrows: Arrows) -> Iterator[str]:
    yield from ("```mermaid", "flowchart TD")
    yield from _boxes(rooms, package="", indent="    ")
    for room in rooms:
        yield from (
            f"    {room} --> {target}" for target in sorted(arrows.get(room, ()))
        )
    yield "```"


def _boxes(rooms: list[str], *, package: str, indent: str) -> Iterator[str]:
    """The rooms directly in a package, then the packages in it that are open."""
    for room in rooms:
        if room.rpartition(".")[0] == package:
            yield f"{indent}{room}[{room.rpartition('.')[2]}]"
    for inner in OPEN:
        if inner.rpartition(".")[0] == package:
            yield f'{indent}subgraph {inner}.all ["{inner.rpartition(".")[2]}/"]'
            yield from _boxes(rooms, package=inner, indent=indent + "    ")
            yield f"{indent}end"


def _table(rooms: list[str]) -> Iterator[str]:
    yield from ("| room | what it is |", "|---|---|")
    for room in rooms:
        path = PROJECT / room.replace(".", "/")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        first = (ast.get_docstring(ast.parse(source.read_text())) or "").partition(
            "\n\n"
        )[0]
        shown = source.parent if path.is_dir() else source
        what = re.split(r"(?<=\.)\s", " ".join(first.split()))[0]
        yield f"| [`{shown.relative_to(PROJECT)}`](../{shown.relative_to(PROJECT)}) | {what} |"


if __name__ == "__main__":
    PAGE.write_text(page())

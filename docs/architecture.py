"""Draws the picture and the list of packages in `architecture.md` from the code.

A box is a package, or a module of an open package. An arrow is an import. The picture
leaves out arrows that a chain of other arrows implies; otherwise every box would point at
`rules` and `errors`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

from docs import markers

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "streams",
    "streams_project",
    "stages",
    "capacity",
    "deploy",
    "insights",
    "openapi",
    "bench",
)
OPEN = ("streams", "streams.storage", "streams.dynamodb")
"""Packages whose modules are boxes themselves."""

type Arrows = Mapping[str, set[str]]
"""The boxes that each box imports."""


def passages() -> markers.Passages:
    """Return the generators of the page's passages."""
    return {"picture": picture, "packages": packages}


def picture() -> str:
    """Return the boxes and arrows as a Mermaid flow chart."""
    arrows = _arrows()
    boxes = _boxes(arrows)
    needed = _without_implied(arrows)
    lines = [
        f"    {box} --> {target}"
        for box in boxes
        for target in sorted(needed.get(box, ()))
    ]
    chart = ["flowchart TD", *_groups(boxes, package="", indent="    "), *lines]
    return "\n".join(["```mermaid", *chart, "```"])


def packages() -> str:
    """Return one row per box, with the first sentence of its docstring."""
    rows = (_row(box) for box in _boxes(_arrows()))
    return markers.table(("package or module", "purpose"), rows)


def _boxes(arrows: Arrows) -> list[str]:
    return sorted({*arrows}.union(*arrows.values()))


def _arrows() -> Arrows:
    existing = [name for name in PACKAGES if (PROJECT / name).is_dir()]
    graph = grimp.build_graph(
        *existing,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )

    arrows: dict[str, set[str]] = {}
    for module in graph.modules:
        targets = map(_box, graph.find_modules_directly_imported_by(module))
        outside = {target for target in targets if target not in OPEN}
        arrows.setdefault(_box(module), set()).update(outside - {_box(module)})

    return {box: targets for box, targets in arrows.items() if box not in OPEN}


def _box(module: str) -> str:
    """Return the first package on the way to a module that is not open."""
    parts = module.split(".")
    names = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    return next((name for name in names if name not in OPEN), module)


def _without_implied(arrows: Arrows) -> Arrows:
    def is_implied(box: str, target: str) -> bool:
        others = arrows[box] - {target}
        return any(target in _reachable(other, arrows) for other in others)

    return {
        box: {target for target in targets if not is_implied(box, target)}
        for box, targets in arrows.items()
    }


def _reachable(box: str, arrows: Arrows) -> set[str]:
    reached: set[str] = set()
    waiting = [box]

    while waiting:
        targets = arrows.get(waiting.pop(), set())
        for target in targets - reached:
            reached.add(target)
            waiting.append(target)

    return reached


def _groups(boxes: list[str], *, package: str, indent: str) -> Iterator[str]:
    """Yield the boxes of a package, then the groups of the open packages in it."""
    for box in boxes:
        if _parent(box) == package:
            yield f"{indent}{box}[{_last(box)}]"

    for inner in OPEN:
        is_inside = _parent(inner) == package
        if is_inside and any(box.startswith(f"{inner}.") for box in boxes):
            yield f'{indent}subgraph {inner}.all ["{_last(inner)}/"]'
            yield from _groups(boxes, package=inner, indent=indent + "    ")
            yield f"{indent}end"


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _row(box: str) -> tuple[str, str]:
    path = PROJECT / box.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    shown = (
        f"{path.relative_to(PROJECT)}/"
        if path.is_dir()
        else str(source.relative_to(PROJECT))
    )
    link = source.relative_to(PROJECT)
    return f"[`{shown}`](../{link})", _first_sentence(source)


def _first_sentence(source: Path) -> str:
    docstring = ast.get_docstring(ast.parse(source.read_text())) or ""
    paragraph = docstring.partition("\n\n")[0]
    return re.split(r"(?<=\.)\s", " ".join(paragraph.split()))[0]

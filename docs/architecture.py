"""Draws the picture and the list of packages in `architecture.md` from the code.

A box is a package, or a module of an open package. An arrow is an import. The picture
leaves out arrows that a chain of other arrows implies. Otherwise every box would point
at `rules` and `errors`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

from docs import markers
from docs.markers import code, link

PROJECT = Path(__file__).resolve().parent.parent
END_OF_SENTENCE = re.compile(r"(?<=\.)\s")
INDENT = "    "
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

    return "\n".join(
        [
            "```mermaid",
            "flowchart TD",
            *_draw_boxes(boxes, package="", indent=INDENT),
            *_draw_arrows(boxes, needed),
            "```",
        ]
    )


def packages() -> str:
    """Return one row per box, with the first sentence of its docstring."""
    boxes = _boxes(_arrows())
    rows = [_row(box) for box in boxes]
    return markers.table(("package or module", "purpose"), rows)


def _arrows() -> Arrows:
    graph = grimp.build_graph(
        *PACKAGES,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )

    arrows: dict[str, set[str]] = {}
    for module in graph.modules:
        box = _box(module)
        if box in OPEN:
            continue

        imported = graph.find_modules_directly_imported_by(module)
        targets = {_box(target) for target in imported} - {box, *OPEN}
        arrows.setdefault(box, set()).update(targets)

    return arrows


def _box(module: str) -> str:
    """Return the first package on the way to a module that is not open."""
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        if name not in OPEN:
            break

    return name


def _boxes(arrows: Arrows) -> list[str]:
    return sorted(arrows)


def _without_implied(arrows: Arrows) -> Arrows:
    """Return the arrows that no chain of other arrows implies."""
    needed: dict[str, set[str]] = {}

    for box, targets in arrows.items():
        implied: set[str] = set()
        for target in targets:
            implied |= _reachable(target, arrows)
        needed[box] = targets - implied

    return needed


def _reachable(box: str, arrows: Arrows) -> set[str]:
    """Return the boxes that a box imports directly or indirectly."""
    reached: set[str] = set()
    waiting = [box]

    while waiting:
        targets = arrows[waiting.pop()] - reached
        reached |= targets
        waiting.extend(targets)

    return reached


def _draw_boxes(
    boxes: list[str],
    *,
    package: str,
    indent: str,
) -> Iterator[str]:
    """Yield the boxes of a package, then the open packages in it."""
    for box in boxes:
        if _parent(box) == package:
            yield f"{indent}{box}[{_last(box)}]"

    for inner in OPEN:
        if _parent(inner) == package:
            title = f"{_last(inner)}/"
            yield f'{indent}subgraph {inner}.all ["{title}"]'
            yield from _draw_boxes(
                boxes,
                package=inner,
                indent=indent + INDENT,
            )
            yield f"{indent}end"


def _draw_arrows(boxes: list[str], arrows: Arrows) -> Iterator[str]:
    for box in boxes:
        for target in sorted(arrows[box]):
            yield f"{INDENT}{box} --> {target}"


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _row(box: str) -> tuple[str, str]:
    folder = box.replace(".", "/")
    is_package = (PROJECT / folder).is_dir()

    name = f"{folder}/" if is_package else f"{folder}.py"
    source = f"{folder}/__init__.py" if is_package else name
    text = (PROJECT / source).read_text()
    return link(code(name), f"../{source}"), _first_sentence(text)


def _first_sentence(source: str) -> str:
    docstring = ast.get_docstring(ast.parse(source)) or ""
    paragraph, *_ = docstring.split("\n\n")
    sentence, *_ = END_OF_SENTENCE.split(paragraph)
    return sentence

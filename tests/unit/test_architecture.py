"""How the code is laid out, beside what import-linter holds (`make check`)."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from docs import architecture

PROJECT = Path(__file__).parents[2]
PACKAGES = (
    "streams",
    "streams_project",
    "openapi",
    "capacity",
    "deploy",
    "insights",
    "bench",
    "tests",
    "docs",
)


def definitions() -> Iterator[tuple[str, Path]]:
    """Every class and type at the top of a module, with its file."""
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            for statement in ast.parse(path.read_text()).body:
                if isinstance(statement, ast.ClassDef):
                    yield statement.name, path
                elif isinstance(statement, ast.TypeAlias):
                    yield ast.unparse(statement.name), path


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        name for name, path in definitions() if path.parent.name != "commands"
    )  # Django's: all `Command`
    assert [name for name, count in names.items() if count > 1] == []


def test_the_page_about_the_architecture_shows_the_rooms_and_arrows_of_the_code() -> (
    None
):
    assert architecture.PAGE.read_text() == architecture.page(), (
        "Draw it anew: make architecture"
    )

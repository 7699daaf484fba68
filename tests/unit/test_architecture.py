"""How the code is laid out, beside what import-linter holds (`make check`)."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PACKAGES = ("streams",)


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

"""How the code is laid out, in addition to what import-linter checks."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("streams",)

MIRRORED = ("rules", "storage", "dynamodb")
"""Packages of `streams` whose modules each have a module of unit tests."""
TESTED_ELSEWHERE = {
    "storage/store.py": "tests/engine/test_store.py runs it on a real engine",
}


def definitions() -> Iterator[tuple[str, Path]]:
    """Give every class and type at the top of a module, with its file."""
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            for statement in ast.parse(path.read_text()).body:
                if isinstance(statement, ast.ClassDef):
                    yield statement.name, path
                elif isinstance(statement, ast.TypeAlias):
                    yield ast.unparse(statement.name), path


def modules_of(package: str) -> set[str]:
    folder = PROJECT / "streams" / package
    return {path.name for path in folder.glob("*.py")} - {"__init__.py"}


def test_no_two_classes_have_the_same_name() -> None:
    names = Counter(
        name
        for name, path in definitions()
        if path.parent.name != "commands"  # Django requires the name `Command`
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("package", MIRRORED)
def test_each_module_has_a_module_of_unit_tests(package: str) -> None:
    tests = {path.name for path in (PROJECT / "tests/unit" / package).glob("*.py")}
    untested = {
        module
        for module in modules_of(package)
        if f"test_{module}" not in tests
        and f"{package}/{module}" not in TESTED_ELSEWHERE
    }
    assert untested == set()


@pytest.mark.parametrize("module", TESTED_ELSEWHERE)
def test_a_module_that_is_tested_elsewhere_exists(module: str) -> None:
    assert (PROJECT / "streams" / module).exists()

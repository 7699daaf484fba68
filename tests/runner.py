"""`manage.py test` runs pytest.

It accepts paths, module paths (`tests.unit.test_tokens`), labels of apps, and the
usual options of Django.
"""

import ast
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.apps import apps

PROJECT = Path(__file__).parent.parent
TESTS = "tests"
UNIT_TESTS = "tests/unit"
NO_TESTS_COLLECTED = 5
"""The exit status of pytest."""


class PytestRunner:
    """A test runner of Django that starts pytest."""

    def __init__(
        self, *, verbosity: int = 1, failfast: bool = False, **options: Any
    ) -> None:
        self.arguments = ["-v"] * (verbosity > 1) + ["-x"] * failfast
        self.selection = _selection(options)
        self.arguments += self.selection
        if options.get("pdb"):
            self.arguments += ["--pdb", "-n", "0"]
        elif options.get("parallel") is not None:
            self.arguments += ["-n", str(options["parallel"])]
        self.arguments += shlex.split(options.get("pytest") or "")

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Add the options that Django's command does not have."""
        parser.add_argument(
            "--failfast", action="store_true", help="Stop after the first failure."
        )
        parser.add_argument(
            "-k",
            action="append",
            metavar="PATTERN",
            help="Run the tests whose names match. It may be repeated.",
        )
        parser.add_argument("-m", help="Run the tests with these markers.")
        parser.add_argument(
            "--parallel",
            nargs="?",
            const="auto",
            metavar="N",
            help="Run the tests in N processes (default: by the number of cores).",
        )
        parser.add_argument(
            "--pdb", action="store_true", help="Debug a failure in this process."
        )
        for option in ("--keepdb", "--buffer"):
            parser.add_argument(
                option,
                action="store_true",
                help="Accepted without effect, because pytest does so anyway.",
            )
        parser.add_argument("--pytest", help="More options for pytest, in one string.")

    def run_tests(self, test_labels: list[str]) -> int:
        """Return pytest's exit status: 0 if every test passed."""
        paths = {label: path_of(label) for label in test_labels}
        unknown = [label for label, path in paths.items() if not _has_tests(path)]
        if unknown:
            sys.stderr.write(
                f"No tests found for {', '.join(unknown)}. Write a path "
                "(tests/unit), a module (tests.unit.test_tokens) or an app "
                "(insights).\n"
            )
            return 1

        command = [sys.executable, "-m", "pytest", *self.arguments]
        status = subprocess.call([*command, *map(str, paths.values())], cwd=PROJECT)
        if status == NO_TESTS_COLLECTED:
            labels = ", ".join(test_labels) or "the project"
            selection = shlex.join(self.selection) or "these options"
            sys.stderr.write(f"No test of {labels} matches {selection}.\n")
        return status


def _selection(options: Mapping[str, Any]) -> list[str]:
    """Return pytest's options that select tests by their names and markers."""
    selection = []
    names = options.get("k") or []
    if isinstance(names, str):
        names = [names]
    if names:
        # Django's patterns may have an asterisk at each end, which pytest implies.
        selection += ["-k", " or ".join(name.strip("*") for name in names)]
    if options.get("m"):
        selection += ["-m", options["m"]]
    return selection


def _has_tests(path: str | None) -> bool:
    """Return whether a path contains tests, or the named class and test."""
    if path is None:
        return False

    place, *names = path.split("::")
    file = PROJECT / place
    if file.is_dir():
        return any(file.rglob("test_*.py"))
    return file.suffix == ".py" and _defines(ast.parse(file.read_text()), names)


def _defines(tree: ast.Module | ast.ClassDef, names: Sequence[str]) -> bool:
    """Return whether a module or class defines a name, or any test."""
    tests = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name.lower().startswith("test")
    ]
    if not names:
        return bool(tests)

    first, *others = names
    name = first.partition("[")[0]
    for node in tests:
        if node.name == name and not others:
            return True
        if node.name == name:
            return isinstance(node, ast.ClassDef) and _defines(node, others)
    # A class can inherit its tests.
    return isinstance(tree, ast.ClassDef) and bool(tree.bases)


def path_of(label: str) -> str | None:
    """Return what pytest calls the tests of a label, or None if there are none."""
    if label in apps.app_configs:
        folder = f"{UNIT_TESTS}/{label}"
        return folder if (PROJECT / folder).is_dir() else TESTS
    if (PROJECT / label.partition("::")[0]).exists():
        return label
    return _path_of_module(label)


def _path_of_module(label: str) -> str | None:
    """Return the path of `package.module`, `package.module.Class` or `….test`."""
    parts = label.split(".")
    for length in range(len(parts), 0, -1):
        path = Path(*parts[:length])
        names = parts[length:]
        if (PROJECT / path).is_dir() and not names:
            return str(path)
        if (PROJECT / path).with_suffix(".py").is_file():
            return "::".join([str(path.with_suffix(".py")), *names])
    return None

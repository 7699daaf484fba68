"""`manage.py test` runs pytest.

It accepts paths, module paths (`tests.unit.test_tokens`), labels of apps, and the
usual options of Django.
"""

import shlex
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps

PROJECT = Path(__file__).parent.parent
TESTS = "tests"
UNIT_TESTS = "tests/unit"


class PytestRunner:
    """A test runner of Django that starts pytest."""

    def __init__(
        self, *, verbosity: int = 1, failfast: bool = False, **options: Any
    ) -> None:
        self.arguments = ["-v"] * (verbosity > 1) + ["-x"] * failfast
        for option in ("k", "m"):
            if options.get(option):
                self.arguments += [f"-{option}", options[option]]
        if options.get("parallel") is not None:
            self.arguments += ["-n", options["parallel"]]
        self.arguments += shlex.split(options.get("pytest") or "")

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Add the options that Django's command does not have."""
        parser.add_argument("-k", help="Run the tests whose names match.")
        parser.add_argument("-m", help="Run the tests with these markers.")
        parser.add_argument(
            "--parallel",
            nargs="?",
            const="auto",
            metavar="N",
            help="Run the tests in N processes (default: by the number of cores).",
        )
        parser.add_argument("--pytest", help="More options for pytest, in one string.")

    def run_tests(self, test_labels: list[str]) -> int:
        """Return pytest's exit status: 0 if every test passed."""
        paths = {label: path_of(label) for label in test_labels}
        unknown = [label for label, path in paths.items() if path is None]
        if unknown:
            sys.stderr.write(
                f"No tests found for {', '.join(unknown)}. Write a path "
                "(tests/unit), a module (tests.unit.test_tokens) or an app "
                "(insights).\n"
            )
            return 1

        command = [sys.executable, "-m", "pytest", *self.arguments]
        return subprocess.call([*command, *map(str, paths.values())], cwd=PROJECT)


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

"""`manage.py test` runs pytest."""

import shlex
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any


class PytestRunner:
    """A Django test runner that hands over: `manage.py test [paths] [-k EXPRESSION] [-m MARKER] [--pytest OPTIONS]`."""

    def __init__(
        self, *, verbosity: int = 1, failfast: bool = False, **options: Any
    ) -> None:
        self.arguments = ["-v"] * (verbosity > 1) + ["-x"] * failfast
        for option in ("k", "m"):
            if options.get(option):
                self.arguments += [f"-{option}", options[option]]
        self.arguments += shlex.split(options.get("pytest") or "")

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        parser.add_argument("-k", help="Run the tests whose names match.")
        parser.add_argument("-m", help="Run the tests with these markers.")
        parser.add_argument("--pytest", help="More options for pytest, in one string.")

    def run_tests(self, test_labels: list[str]) -> int:
        """pytest's exit status: 0 when every test passed."""
        return subprocess.call(
            [sys.executable, "-m", "pytest", *self.arguments, *test_labels]
        )

"""Plants bugs into a copy of the product, one at a time. The tests must find each.

make mutants                       # all
python -m tests.mutants epoch      # those with this word in their name
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.planted_bugs import MUTANTS, Mutant
from tests.servers import PROJECT

ALL = ("tests/unit", "tests/engine", "tests/faults")
OPTIONS = ("-x", "-n", "2", "-q", "-p", "no:cacheprovider")
NOT_COPIED = (
    ".venv",
    ".git",
    ".cache",
    ".local",
    ".hypothesis",
    "__pycache__",
    "*_cache",
)
FAILED = (1, 2)
"""Exit statuses of pytest: tests failed, or it stopped after the first failure."""


def path_of(mutant: Mutant, folder: Path = PROJECT) -> Path:
    """Return the file that a bug is planted into."""
    return folder / "streams" / mutant.file


def applied(mutant: Mutant, folder: Path = PROJECT) -> str:
    """Return the text of the file with the bug in it.

    Raises:
        LookupError: the code to replace does not occur exactly once.
    """
    text = path_of(mutant, folder).read_text()
    count = text.count(mutant.old)
    if count != 1:
        message = f"{mutant.name}: {mutant.old!r} occurs {count} times"
        raise LookupError(f"{message} in {mutant.file}")
    return text.replace(mutant.old, mutant.new)


def is_found(mutant: Mutant, folder: Path) -> bool:
    """Return whether the tests fail on a copy with the bug.

    The likely tests run first, then all that concern the stored streams.
    """
    path = path_of(mutant, folder)
    original = path.read_text()
    path.write_text(applied(mutant, folder))
    try:
        return any(_fails(mutant, tests, folder) for tests in (mutant.killers, ALL))
    finally:
        path.write_text(original)


def _fails(mutant: Mutant, tests: tuple[str, ...], folder: Path) -> bool:
    """Return whether at least one of these tests fails.

    Raises:
        RuntimeError: the tests could not run.
    """
    command = [sys.executable, "-m", "pytest", *tests, *OPTIONS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode in FAILED and "\nFAILED " in done.stdout:
        return True
    if done.returncode:
        output = done.stdout[-2000:] + done.stderr[-2000:]
        raise RuntimeError(f"{mutant.name}: {output}")
    return False


def main(word: str = "") -> int:
    """Plant the bugs with this word in their name; return how many survive."""
    survivors = 0
    with TemporaryDirectory(prefix="mutants-") as temporary:
        folder = Path(temporary) / "project"
        ignore = shutil.ignore_patterns(*NOT_COPIED)
        shutil.copytree(PROJECT, folder, ignore=ignore)

        for mutant in MUTANTS:
            if word not in mutant.name:
                continue
            began = time.monotonic()
            found = is_found(mutant, folder)
            survivors += not found

            verdict = "found" if found else "SURVIVES"
            seconds = time.monotonic() - began
            sys.stdout.write(f"{verdict:8} {seconds:4.0f} s  {mutant.name}\n")
            sys.stdout.flush()

    sys.stdout.write(f"{survivors} survive\n")
    return survivors


if __name__ == "__main__":
    sys.exit(min(1, main(" ".join(sys.argv[1:]))))

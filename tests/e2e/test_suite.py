"""How the tests are started: from nothing but the environment that is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PROJECT

UNIT = "tests/unit/test_tokens.py"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Run the tests without settings, where no engine is installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: "
        "None if name == 'ministack' else find(name, *rest)\n"
    )
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(tmp_path),
    }


@pytest.mark.parametrize(
    "command",
    [
        [str(Path(sys.executable).with_name("pytest")), UNIT, "-n", "0"],
        [sys.executable, "manage.py", "test", UNIT, "--pytest", "-n 0"],
        ["make", "test", f"TESTS={UNIT} -n 0", f"PYTHON={sys.executable}", "READY="],
    ],
    ids=["pytest", "manage.py test", "make test"],
)
def test_unit_tests_run_without_an_engine_however_they_are_started(
    environment: dict[str, str], command: list[str]
) -> None:
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_what_needs_an_engine_starts_one_or_says_that_none_is_installed(
    environment: dict[str, str],
) -> None:
    command = [sys.executable, "-m", "pytest", "tests/engine/test_store.py", "-n", "0"]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "requirements-dev.txt" in done.stdout + done.stderr

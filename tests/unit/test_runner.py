"""The tests that `manage.py test` runs for a label."""

import pytest
from django.core.management import execute_from_command_line

from tests.runner import PytestRunner, path_of


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("tests/unit/test_tokens.py", "tests/unit/test_tokens.py"),
        ("tests/unit/test_tokens.py::test_x", "tests/unit/test_tokens.py::test_x"),
        ("tests.unit", "tests/unit"),
        ("tests.unit.test_tokens", "tests/unit/test_tokens.py"),
        ("tests.unit.test_tokens.test_x", "tests/unit/test_tokens.py::test_x"),
        ("insights", "tests/unit/insights"),
        ("streams", "tests"),
    ],
)
def test_a_label_is_a_path_or_a_module(label: str, path: str) -> None:
    assert path_of(label) == path


def test_a_label_without_tests_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert PytestRunner().run_tests(["tests.unit", "tests.unit.test_nothing"]) == 1
    assert "No tests found for tests.unit.test_nothing." in capsys.readouterr().err


@pytest.mark.parametrize(
    "label",
    [
        "docs",
        "stages.lookup",
        "tests.builders",
        "tests/README.md",
        "tests.unit.test_runner.test_x",
        "tests/unit/test_runner.py::test_x",
        "tests/unit/test_runner.py::TestX::test_y",
    ],
)
def test_a_label_of_files_without_the_test_is_named(
    label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PytestRunner().run_tests(["tests.unit", label]) == 1
    assert f"No tests found for {label}." in capsys.readouterr().err


def test_a_selection_without_tests_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.call", lambda *arguments, **options: 5)
    assert PytestRunner(k=["no such"]).run_tests(["insights"]) == 5
    expected = "No test of insights matches -k 'no such'.\n"
    assert capsys.readouterr().err == expected


def test_the_command_line_accepts_djangos_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[list[str]] = []

    def call(command: list[str], **options: object) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr("subprocess.call", call)
    execute_from_command_line(
        [
            *("manage.py", "test", "tests.unit.test_runner", "--failfast"),
            *("--parallel", "-k", "*one*", "-k", "two", "--keepdb", "--noinput"),
            *("--testrunner", "tests.runner.PytestRunner"),
        ]
    )
    [command] = commands
    assert command[3:7] == ["-x", "-k", "one or two", "-n"]
    assert command[7].isdecimal()
    assert command[8] == "tests/unit/test_runner.py"


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, []),
        ({"failfast": True}, ["-x"]),
        ({"parallel": "4"}, ["-n", "4"]),
        ({"k": "limit", "m": "engine"}, ["-k", "limit", "-m", "engine"]),
        (
            {"verbosity": 2, "pytest": "-p no:cacheprovider"},
            ["-v", "-p", "no:cacheprovider"],
        ),
    ],
    ids=["none", "failfast", "parallel", "selection", "verbose"],
)
def test_options_of_django_become_options_of_pytest(
    options: dict[str, object], arguments: list[str]
) -> None:
    assert PytestRunner(**options).arguments == arguments  # type: ignore[arg-type]

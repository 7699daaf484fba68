"""The tests that `manage.py test` runs for a label."""

import pytest

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

"""`manage.py plans compare` reads the events of this machine, a file or a pipe."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from insights.management.commands import plans

EVENTS: list[dict[str, Any]] = [
    {"kind": "admitted"},
    {"kind": "denied"},
    {"kind": "shadow-denied", "plan": "family", "rule": "big"},
]
DIFFERENT = "The shadow plans would have decided 1 of 2 starts differently.\n"


def compared(*arguments: str) -> str:
    output = StringIO()
    call_command("plans", "compare", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events of this machine."""
    events = list(EVENTS)
    monkeypatch.setattr(plans, "kept_here", lambda **options: events)
    return events


@pytest.mark.usefixtures("kept")
def test_the_events_of_this_machine_are_the_default() -> None:
    assert compared().startswith(DIFFERENT)


def test_a_hyphen_reads_standard_input(
    kept: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.clear()
    monkeypatch.setattr("sys.stdin", StringIO("\n".join(map(json.dumps, EVENTS))))

    assert compared("-").startswith(DIFFERENT)


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([], "The events contain no start."),
        (
            EVENTS[:1],
            "The shadow plans would have decided all of 1 start in the same way.",
        ),
        (
            EVENTS[:2],
            "The shadow plans would have decided all of 2 starts in the same way.",
        ),
    ],
)
def test_a_comparison_without_a_difference_counts_the_starts(
    kept: list[dict[str, Any]], events: list[dict[str, Any]], sentence: str
) -> None:
    kept[:] = events

    assert compared() == f"{sentence}\n"


@pytest.mark.usefixtures("kept")
def test_a_comparison_is_json_for_programs() -> None:
    decision = {"result": "denied", "plan": "family", "rule": "big", "starts": 1}

    assert json.loads(compared("--json")) == {
        "starts": 2,
        "different": 1,
        "decisions": [decision],
    }


def test_the_plans_of_a_file_have_the_shape_of_the_api(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text("[solo]\nlimit = 1\n")
    output = StringIO()

    call_command("plans", "check", str(file), "--json", stdout=output)

    listed = json.loads(output.getvalue())["plans"]
    assert [plan["name"] for plan in listed] == ["default", "solo"]
    assert listed[1]["limit"] == 1

"""An operator's command on a deployed stage."""

import os

import pytest

from stages import stage_of
from stages.lookup import Stage
from stages.operators import stage_named_in, work_on


@pytest.mark.parametrize(
    "arguments",
    [["--stage", "a"], ["--stage=a"], ["--sta", "a"], ["x", "--stage", "a", "y"]],
    ids=" ".join,
)
def test_every_spelling_of_the_option_names_the_stage(arguments: list[str]) -> None:
    assert stage_named_in(["list", "ana", *arguments]) == "a"


def test_a_command_line_without_the_option_names_no_stage() -> None:
    assert stage_named_in(["list", "ana"]) is None


def test_the_option_without_a_name_is_refused() -> None:
    with pytest.raises(SystemExit, match="name a stage"):
        stage_named_in(["list", "ana", "--stage"])


def test_the_profile_of_a_stage_takes_precedence_over_the_keys_of_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = stage_of("test")
    with_profile = Stage("test", {**test.settings, "profile_name": "live"})
    monkeypatch.setattr("stages.operators.stage_of", lambda name: with_profile)
    for variable in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_STAGE",
    ):
        monkeypatch.setenv(variable, "of the shell")
    for variable in (
        "DYNAMODB_TABLE",
        "AWS_REGION",
        "DYNAMODB_ENDPOINT",
        "STREAM_LIMIT",
        "WHEN_FULL",
        "LEASE_SECONDS",
        "PLANS",
    ):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))

    work_on("test")

    assert "of the shell" not in os.environ.values()
    assert os.environ["AWS_PROFILE"] == "live"
    assert os.environ["DYNAMODB_TABLE"] == test.table


def test_a_stage_without_a_table_or_region_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stages.operators.stage_of", lambda name: Stage(name, {}))

    with pytest.raises(SystemExit, match="names no table, or no region"):
        work_on("test")

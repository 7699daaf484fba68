"""The environment of an operator's command on a deployed stage."""

import pytest

from stages import stage_of
from stages.lookup import Stage
from stages.operators import variables_of


def test_a_command_uses_the_table_and_region_of_the_stage() -> None:
    stage = stage_of("test")

    variables = variables_of("test")

    assert variables["DYNAMODB_TABLE"] == stage.table
    assert variables["AWS_REGION"] == stage.region


def test_variables_that_the_stage_does_not_set_are_removed() -> None:
    variables = variables_of("test")

    assert variables["DYNAMODB_ENDPOINT"] is None


def test_the_profile_of_a_stage_takes_precedence_over_the_keys_of_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = stage_of("test")
    with_profile = Stage("test", {**test.settings, "profile_name": "live"})
    monkeypatch.setattr("stages.operators.stage_of", lambda name: with_profile)

    variables = variables_of("test")

    assert variables["AWS_PROFILE"] == "live"
    assert variables["AWS_ACCESS_KEY_ID"] is None
    assert variables["AWS_SECRET_ACCESS_KEY"] is None
    assert variables["AWS_SESSION_TOKEN"] is None


def test_a_stage_without_a_table_or_region_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stages.operators.stage_of", lambda name: Stage(name, {}))

    with pytest.raises(LookupError, match="has no table or no region"):
        variables_of("test")

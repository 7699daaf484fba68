"""The lookup of a stage, and the stages of `zappa_settings.json`."""

import json
from pathlib import Path

import pytest

from stages import SETTINGS, Stage, group_of, stage_of, stages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            '{"a": {"extends": "b"}, "b": {"extends": "a"}}',
            "extend each other in a circle",
            id="a circle",
        ),
        pytest.param(
            '{"a": {"extends": "b"}}',
            "no stage 'b', which a extends",
            id="no base",
        ),
        pytest.param("{}", "no stage 'a'", id="no stage"),
        pytest.param('{"a": ', "cannot be read as JSON", id="invalid JSON"),
        pytest.param(None, "cannot be read as JSON", id="no file"),
    ],
)
def test_invalid_settings_raise_an_error_that_explains_them(
    tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "zappa_settings.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(LookupError, match=message):
        stage_of("a", file)


def test_the_settings_of_a_stage_override_those_of_its_base(tmp_path: Path) -> None:
    file = tmp_path / "zappa_settings.json"
    file.write_text(
        '{"base": {"memory_size": 128, "timeout_seconds": 10},'
        ' "a": {"extends": "base", "memory_size": 512}}'
    )

    stage = stage_of("a", file)

    assert stage.settings["memory_size"] == 512
    assert stage.settings["timeout_seconds"] == 10
    assert [stage.name for stage in stages(file)] == ["a"]


def test_a_stage_owns_the_resources_whose_names_begin_with_its_function(
    tmp_path: Path,
) -> None:
    file = tmp_path / "zappa_settings.json"
    file.write_text('{"eu": {"project_name": "x"}, "eu-test": {"project_name": "x"}}')

    stage = stage_of("eu", file)

    assert stage.owns("x-eu-alarm")
    assert not stage.owns("x-eu-test-alarm"), "it belongs to the stage eu-test"
    assert not stage.owns("y-eu-alarm")


def test_a_stage_has_the_names_that_zappa_makes() -> None:
    stage = Stage(
        "EU_prod", {"project_name": "stream-limits", "aws_region": "eu-west-1"}
    )

    assert stage.function == "stream-limits-eu-prod"
    assert stage.role == "stream-limits-eu-prod-eu-west-1", (
        "one role per region: its policy names one table"
    )
    assert group_of(stage) == "/aws/lambda/stream-limits-eu-prod"


def test_a_stage_that_others_extend_is_not_deployed() -> None:
    assert [stage.name for stage in stages()] == ["test", "production"]


def test_every_stage_loads_the_application_when_its_handler_is_imported() -> None:
    for stage in stages():
        assert stage.settings["aws_environment_variables"] == {
            "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1"
        }


def test_production_resumes_from_a_snapshot_and_has_no_other_warm_up() -> None:
    settings = stage_of("production").settings

    assert settings["snap_start"] == "PublishedVersions"
    assert settings["architecture"] == "arm64"
    assert settings["keep_warm"] is False
    assert settings.get("provisioned_concurrency") is None, (
        "Lambda accepts either snapshots or provisioned concurrency"
    )


def test_the_repository_contains_no_secret_of_a_stage() -> None:
    secrets = {"LEASE_TOKEN_KEYS", "AUTH_JWT_SECRETS", "API_KEYS"}
    for stage in json.loads(SETTINGS.read_text()).values():
        variables = stage.get("environment_variables", {})
        assert secrets.isdisjoint(variables)

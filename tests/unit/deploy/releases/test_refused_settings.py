"""Settings of Zappa that a stage cannot have."""

from typing import Any

import pytest

from deploy.releases.refused_settings import REFUSED, refused_settings
from stages import Stage, stage_of

DOMAIN = {
    "domain": "tv.example",
    "certificate_arn": "arn:aws:acm:us-east-1:1:certificate/1",
    "environment_variables": {"ALLOWED_HOSTS": ".example"},
}


def problems(**settings: Any) -> list[str]:
    """Return the problems of the stage `test` with other settings."""
    stage = stage_of("test")
    return list(refused_settings(Stage("test", {**stage.settings, **settings})))


def test_the_stages_of_this_project_have_no_refused_setting() -> None:
    for name in ("test", "production"):
        assert list(refused_settings(stage_of(name))) == []


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_setting_is_named_with_the_reason(name: str) -> None:
    (problem,) = problems(**{name: ["a value"]})
    assert problem.startswith(name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"apigateway_enabled": False}, "no caller reaches", id="no API"),
        pytest.param({"keep_warm": None}, "", id="null"),
        pytest.param(
            {"snap_start": "PublishedVersions", "provisioned_concurrency": 5},
            "exclude each other",
            id="a snapshot and provisioned concurrency",
        ),
        pytest.param(
            {"snap_start": "PublishedVersions", "ephemeral_storage": {"Size": 1024}},
            "512 MB",
            id="a snapshot and a large disk",
        ),
        pytest.param(
            DOMAIN | {"certificate_arn": "arn:aws:acm:eu-west-1:1:certificate/1"},
            "us-east-1",
            id="a certificate elsewhere",
        ),
        pytest.param(
            DOMAIN | {"environment_variables": {"ALLOWED_HOSTS": "a.example"}},
            "would get 400",
            id="a domain that no host names",
        ),
        pytest.param(DOMAIN, "", id="a domain"),
        pytest.param({"tags": {"team": "video"}}, "", id="tags"),
    ],
)
def test_settings_that_fit_together_are_accepted(
    settings: dict[str, Any], message: str
) -> None:
    observed = problems(**settings)

    assert len(observed) == bool(message)
    assert message in "".join(observed)


def test_zappas_own_default_of_keep_warm_is_refused() -> None:
    settings = dict(stage_of("test").settings)
    settings.pop("keep_warm")
    (problem,) = refused_settings(Stage("test", settings))
    assert problem.startswith("keep_warm")

"""Zappa's callbacks."""

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click import ClickException

from deploy.releases import Live, NotFit, hooks
from deploy.releases.deployment import Deployment
from deploy.releases.environment import Environment
from stages import Stage

KEY = "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe"
PEM_KEY = "-----BEGIN EC " + "PRIVATE KEY-----"
STAGE = Stage("test", {"project_name": "limits", "aws_region": "eu-west-1"})


@pytest.mark.parametrize(
    ("key", "is_warned"),
    [pytest.param(PEM_KEY, True, id="PEM"), pytest.param(KEY, False, id="a secret")],
)
def test_a_pem_key_warns_that_cloudfront_functions_cannot_check_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    key: str,
    is_warned: bool,
) -> None:
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr("zappa_settings.py", "")
    for step in ("build", "size_table", "check_that_it_starts"):
        monkeypatch.setattr(hooks, step, lambda *arguments, **options: "done")
    monkeypatch.setattr(Stage, "client", lambda *arguments: None)
    variables = {"EDGE_TOKEN_KEYS": key}
    deployment = Deployment(STAGE, Environment(variables, variables))

    hooks.zip(
        SimpleNamespace(zip_path=archive, deployment=deployment, command="update")
    )

    output = capsys.readouterr().out
    assert ("CloudFront Functions cannot check" in output) is is_warned


def test_tail_reads_every_page_from_the_same_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests: list[dict[str, Any]] = []
    pages = [{"events": [{"timestamp": 2}]}, {"events": [{"timestamp": 1}]}]

    def paginate(**request: Any) -> list[dict[str, Any]]:
        requests.append(request)
        return pages

    paginator = SimpleNamespace(paginate=paginate)
    logs = SimpleNamespace(get_paginator=lambda operation: paginator)
    monkeypatch.setattr(Stage, "client", lambda stage, service: logs)
    cli = zappa("tail")

    hooks.settings(cli)
    events = cli.zappa.fetch_logs("limits-test", start_time=1000, limit=5)

    assert [event["timestamp"] for event in events] == [1, 2]
    assert [request["startTime"] for request in requests] == [1_000_000]


def zappa(command: str, *, region: str = "eu-west-1", **options: Any) -> Any:
    """Return Zappa's command as the callback `settings` receives it."""
    return SimpleNamespace(
        command=command,
        api_stage=STAGE.name,
        stage_config=STAGE.settings,
        vargs=options,
        zappa=SimpleNamespace(boto_session=SimpleNamespace(region_name=region)),
    )


class FailingVersions:
    """A function whose new version fails to initialise."""

    def __init__(self) -> None:
        self.variables: dict[str, str] | None = None
        self.is_deleted = False

    def wait_until_active(self, version: str) -> None:
        raise NotFit(f"Version {version} fails to initialise: LEASE_SECONDS is '2'")

    def set_environment(self, variables: dict[str, str]) -> None:
        self.variables = variables

    def delete_function(self) -> None:
        self.is_deleted = True


@pytest.mark.parametrize(
    ("command", "live"),
    [("deploy", None), ("update", Live("7"))],
    ids=["a first deployment", "an update"],
)
def test_a_snapshot_that_fails_gives_the_reason_and_leaves_nothing_half_done(
    monkeypatch: pytest.MonkeyPatch, command: str, live: Live | None
) -> None:
    versions = FailingVersions()
    monkeypatch.setattr(Deployment, "versions", versions)
    cli = zappa(command)
    cli.deployment = Deployment(
        STAGE, Environment({}, {}), remote={"A": "1"}, live=live
    )

    hooks._explain_failed_versions(cli)
    with pytest.raises(ClickException, match="LEASE_SECONDS is '2'"):
        cli.zappa.wait_until_lambda_function_version_is_active("limits-test", "8")

    assert versions.is_deleted == (live is None)
    assert versions.variables == (None if live is None else {"A": "1"})


@pytest.mark.parametrize("command", ["schedule", "certify"])
def test_a_command_that_applies_a_refused_setting_gives_the_reason(
    command: str,
) -> None:
    with pytest.raises(ClickException, match=r"keep_warm goes past the alias"):
        hooks.settings(zappa(command))


def test_zappas_rollback_is_refused_because_it_leaves_the_environment() -> None:
    with pytest.raises(ClickException, match=r"manage\.py promote test VERSION"):
        hooks.settings(zappa("rollback"))


def test_a_region_of_the_shell_that_is_not_the_stages_is_refused() -> None:
    with pytest.raises(ClickException, match="Zappa would go to us-east-1"):
        hooks.settings(zappa("tail", region="us-east-1"))


@pytest.mark.parametrize(
    ("options", "qualifier"),
    [({}, "live"), ({"qualifier": "7"}, "7")],
    ids=["by default", "as named"],
)
def test_an_invocation_goes_to_the_live_version(
    options: dict[str, str], qualifier: str
) -> None:
    cli = zappa("invoke", **options)

    hooks.settings(cli)

    assert cli.vargs["qualifier"] == qualifier
    assert cli.zappa.role_name == "limits-test-eu-west-1"

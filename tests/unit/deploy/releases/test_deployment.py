"""The preparation of a deployment, without AWS."""

from types import SimpleNamespace
from typing import Any

import pytest
from click import ClickException

from deploy.releases import deployment
from deploy.releases.deployment import keep_reserved_concurrency, prepare
from deploy.releases.environment import Environment
from deploy.releases.preflight import DeployedVariables, Preflight
from stages import Stage

KEY = "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe"
OTHER_KEY = "a9Xc2Vb7Nm4Qw1Er6Ty3Ui8Op5As0DfG"
STAGE = Stage("test", {"project_name": "limits", "aws_region": "eu-west-1"})


def zappa(command: str = "deploy", **options: Any) -> Any:
    """Return Zappa's command."""
    return SimpleNamespace(command=command, vargs=options)


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the operator's choices from the environment, and any terminal."""
    for name in ("KEEP", "UNSET", "YES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))


def stub_checks(
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: dict[str, str] | None,
    after: dict[str, str] | None = None,
    problems: list[str] | None = None,
    is_known: bool = True,
) -> None:
    """Replace the checks of preflight by their result."""
    deployed = DeployedVariables(newest=before, live=before, is_known=is_known)
    environment = Environment(after or {}, after or {})
    result = Preflight(deployed, environment, problems or [])
    monkeypatch.setattr(deployment, "check_deployment", lambda *args, **kwargs: result)


@pytest.mark.parametrize(
    "options",
    [{"zip": "some.zip"}, {"docker_image_uri": "some/image"}],
    ids=["an archive", "an image"],
)
def test_a_package_that_was_built_elsewhere_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ClickException, match="Only what is packed here is checked"):
        prepare(zappa(**options), STAGE)


def test_an_invalid_number_of_versions_to_keep_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEEP", "-1")

    with pytest.raises(ClickException, match="KEEP is '-1'"):
        prepare(zappa(), STAGE)


def test_every_problem_of_the_preflight_is_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stub_checks(monkeypatch, before=None, problems=["no region", "no bucket"])

    with pytest.raises(ClickException) as raised:
        prepare(zappa(), STAGE)

    assert raised.value.message == (
        "No change was made. Not ready:\n- no region\n- no bucket"
    )


@pytest.mark.parametrize(
    ("command", "before", "message"),
    [
        pytest.param(
            "update",
            None,
            "There is no function limits-test in eu-west-1: zappa deploy test",
            id="an update without a function",
        ),
        pytest.param(
            "deploy",
            {"A": "1"},
            "limits-test is deployed already in eu-west-1: zappa update test",
            id="a second deployment",
        ),
    ],
)
def test_the_wrong_command_is_refused_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    before: dict[str, str] | None,
    message: str,
) -> None:
    stub_checks(monkeypatch, before=before)

    with pytest.raises(ClickException, match=message):
        prepare(zappa(command), STAGE)


def test_new_token_keys_need_a_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    stub_checks(
        monkeypatch,
        before={"LEASE_TOKEN_KEYS": KEY},
        after={"LEASE_TOKEN_KEYS": OTHER_KEY},
    )

    with pytest.raises(ClickException, match="YES=lease-token-keys"):
        prepare(zappa("update"), STAGE)


def test_uncommitted_files_need_a_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    stub_checks(monkeypatch, before={"A": "1"}, after={"A": "2"})
    monkeypatch.setattr(deployment, "changed_files", lambda: ["streams/views.py"])

    with pytest.raises(ClickException, match=r"streams/views\.py.*YES=dirty-tree"):
        prepare(zappa("update"), STAGE)


def test_the_operator_confirms_a_question_with_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("YES", "lease-token-keys, dirty-tree")

    deployment.confirm("dirty-tree", "1 file differs.")


@pytest.mark.parametrize(
    ("reserved", "of_the_stage", "expected"),
    [
        pytest.param(None, 100, 100, id="none reserved"),
        pytest.param(50, None, 50, id="the stage names none"),
        pytest.param(50, 100, 100, id="the stage names another"),
        pytest.param(0, 100, 0, id="stopped by an operator"),
    ],
)
def test_an_update_keeps_the_reserved_concurrency(
    monkeypatch: pytest.MonkeyPatch,
    reserved: int | None,
    of_the_stage: int | None,
    expected: int | None,
) -> None:
    answer = {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
    client = SimpleNamespace(get_function_concurrency=lambda **arguments: answer)
    monkeypatch.setattr(Stage, "client", lambda stage, service: client)
    cli = SimpleNamespace(lambda_name="limits-test", lambda_concurrency=of_the_stage)

    keep_reserved_concurrency(cli, STAGE)

    assert cli.lambda_concurrency == expected

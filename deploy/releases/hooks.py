"""Zappa's callbacks: they check each step of a deployment.

Zappa calls `settings` before every command of a stage, `zip` after it created a package
and before the upload, and `post` after it deployed or updated the function.

A version receives traffic only after its package started here as Lambda starts it, and
after the published version did what a viewer asks of it.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from operator import itemgetter
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException, echo

# Zappa's command does not add the project to its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.infrastructure import answer_changes, api_of, apply_all, stack_of
from deploy.package import build, check_that_it_starts, code_sha256, size_table
from deploy.releases.deployment import (
    Deployment,
    complete_infrastructure,
    prepare,
)
from deploy.releases.environment import (
    NOT_ON_CLOUDFRONT_FUNCTIONS,
    merged_environment,
    needs_cryptography,
    shell_variables,
)
from deploy.releases.refused_settings import refused_settings
from deploy.releases.traffic import move_traffic
from deploy.releases.trial import try_version
from deploy.releases.versions import NotFit
from stages import ALIAS, SETTINGS, Stage, group_of, resolve
from streams.edge_keys import PEM

DEPLOYING_COMMANDS = ("deploy", "update")
SETTING_COMMANDS = ("certify", "schedule")
"""Commands that apply settings without an update."""


def _readable_errors(callback: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make a callback raise `ClickException`, which Zappa prints without traceback."""

    @wraps(callback)
    def wrapped(cli: Any) -> None:
        try:
            callback(cli)
        except (BotoCoreError, ClientError) as exc:
            raise ClickException(
                f"AWS refused, or cannot be reached: {exc}\nThe traffic did not move, "
                "unless a line above says otherwise. Renew the credentials if they "
                "expired, and run the command again: completed steps remain."
            ) from exc
        except LookupError as exc:
            raise ClickException(str(exc)) from exc

    return wrapped


@_readable_errors
def settings(cli: Any) -> None:
    """Refuse a deployment that would not start, and show what it changes."""
    _activate_environment()
    stage = _stage_of(cli)
    _refuse_another_region(cli, stage)
    _refuse_rollback(cli, stage)
    _refuse_undeploy_of_attached(cli, stage)
    _default_to_alias(cli)
    _tail_every_page(cli, stage)

    cli.zappa.role_name = stage.role
    if cli.command in DEPLOYING_COMMANDS:
        cli.deployment = prepare(cli, stage)
        _explain_failed_versions(cli)
    else:
        _refuse_settings(cli, stage)
        environment = merged_environment(stage, remote={}, shell=shell_variables())
        cli.deployment = Deployment(stage, environment)


@_readable_errors
def zip(cli: Any) -> None:
    """Replace Zappa's archive with the package, and run it as Lambda would."""
    archive = Path(cli.zip_path)
    deployment: Deployment = cli.deployment
    stage = deployment.stage
    is_deploying = cli.command in DEPLOYING_COMMANDS

    variables = deployment.environment.effective
    if is_deploying:
        variables = variables | resolve(variables, stage.client)

    build(
        archive,
        zappa_settings=_zappa_settings(archive),
        runtime=stage.runtime,
        architecture=stage.architecture,
        with_published_keys=needs_cryptography(variables),
    )
    echo(size_table(archive))

    if is_deploying:
        _check_package(archive, stage, variables)
        deployment.code_sha256 = code_sha256(archive)
        deployment.reset_environment()


@_readable_errors
def post(cli: Any) -> None:
    """Publish a version, check it, and then move the traffic to it."""
    deployment: Deployment = cli.deployment
    stage = deployment.stage
    versions = deployment.versions
    _restore_gateway_answers(stage)

    with _environment_restored(deployment):
        version = versions.publish(deployment.intended)
        try_version(versions, version, stage, deployment.credentials)

        if os.environ.get("HOLD") and deployment.live:
            echo(
                f"Version {version} is checked and has no traffic: "
                f"manage.py promote {stage.name} {version}"
            )
            return
        move_traffic(
            stage,
            version,
            deployment.live,
            canary=deployment.canary,
            credentials=deployment.credentials,
            say=echo,
        )

    deleted = versions.prune(keep=deployment.keep)
    if deleted:
        echo(f"Deleted versions that no rollback needs: {', '.join(deleted)}")
    if deployment.live is None:
        complete_infrastructure(deployment)


@contextmanager
def _environment_restored(deployment: Deployment) -> Iterator[None]:
    """Restore the function's environment if the version gets no traffic."""
    live = deployment.live
    try:
        yield
    except NotFit as exc:
        if live is None:
            raise ClickException(
                f"{exc}\nIt has no traffic. Correct the cause, then: zappa update "
                f"{deployment.stage.name}"
            ) from exc
        # The next update would otherwise begin with the variables that failed.
        deployment.versions.set_environment(deployment.remote)
        raise ClickException(
            f"{exc}\nVersion {live.version} keeps the traffic."
        ) from exc


def _activate_environment() -> None:
    """Set the variable of an active virtual environment, which Zappa requires.

    The packages that are installed there do not ship.
    """
    if sys.prefix != sys.base_prefix:
        os.environ["VIRTUAL_ENV"] = sys.prefix


def _stage_of(cli: Any) -> Stage:
    file = Path(cli.vargs.get("settings_file") or SETTINGS)
    return Stage(cli.api_stage, cli.stage_config, file.absolute())


def _refuse_another_region(cli: Any, stage: Stage) -> None:
    session = getattr(cli.zappa, "boto_session", None)  # `zappa package` has none
    region = session.region_name if session else stage.region
    if stage.region and region != stage.region:
        raise ClickException(
            f"The stage {stage.name} is in {stage.region}, and Zappa would go to "
            f"{region}, which AWS_DEFAULT_REGION names in the shell: remove that."
        )


def _refuse_rollback(cli: Any, stage: Stage) -> None:
    if cli.command == "rollback":
        raise ClickException(
            "zappa rollback restores code and not the environment, so it does not help "
            f"after a bad key. Use manage.py versions {stage.name}, then "
            f"manage.py promote {stage.name} VERSION."
        )


def _refuse_settings(cli: Any, stage: Stage) -> None:
    """Refuse commands that act on settings which a stage cannot have."""
    problems = list(refused_settings(stage))
    if cli.command in SETTING_COMMANDS and problems:
        raise ClickException("\n".join(["No change was made.", *problems]))


def _refuse_undeploy_of_attached(cli: Any, stage: Stage) -> None:
    """Refuse to delete an API that usage plans and a web ACL of the stack refer to."""
    if cli.command != "undeploy":
        return
    if stack_of(stage).parameters().get("Api"):
        raise ClickException(
            "The stack refers to the API. Detach it first: "
            f"manage.py provision {stage.name} --without-api"
        )


def _default_to_alias(cli: Any) -> None:
    """Send `zappa manage` and `zappa invoke` to the version that has the traffic."""
    if cli.command in ("manage", "invoke") and cli.vargs.get("qualifier") is None:
        cli.vargs["qualifier"] = ALIAS


def _tail_every_page(cli: Any, stage: Stage) -> None:
    """Let `zappa tail` read every page of the log, and every stream of it.

    Zappa 0.63 multiplies the start by a thousand again for the second page, which AWS
    refuses, and reads the last fifty streams.
    """
    if cli.command != "tail":
        return
    pages = stage.client("logs").get_paginator("filter_log_events")

    def fetch_logs(
        name: str, filter_pattern: str = "", limit: int = 0, start_time: int = 0
    ) -> list[dict[str, Any]]:
        events = pages.paginate(
            logGroupName=group_of(stage),
            filterPattern=filter_pattern,
            startTime=start_time * 1000,
        )
        return sorted(
            (event for page in events for event in page["events"]),
            key=itemgetter("timestamp"),
        )

    cli.zappa.fetch_logs = fetch_logs


def _zappa_settings(archive: Path) -> bytes:
    """Return the settings module of Zappa's handler, from the archive of Zappa."""
    with zipfile.ZipFile(archive) as entries:
        return entries.read("zappa_settings.py")


def _check_package(archive: Path, stage: Stage, variables: Mapping[str, str]) -> None:
    if PEM in variables.get("EDGE_TOKEN_KEYS", ""):
        echo(f"Edge tokens: {NOT_ON_CLOUDFRONT_FUNCTIONS}")
    echo(check_that_it_starts(archive, stage, variables))


def _explain_failed_versions(cli: Any) -> None:
    """Let a version that fails to initialise say why, and leave nothing half done.

    With SnapStart, Zappa publishes a version itself and waits for its snapshot.
    """
    deployment: Deployment = cli.deployment
    versions = deployment.versions

    def wait(function_name: str, version: str) -> None:
        with _environment_restored(deployment):
            try:
                versions.wait_until_active(version)
            except NotFit:
                if cli.command == "deploy":
                    # The function has no API yet, so it would block the next deploy.
                    versions.delete_function()
                raise

    cli.zappa.wait_until_lambda_function_version_is_active = wait


def _restore_gateway_answers(stage: Stage) -> None:
    """Configure API Gateway's own answers, which a new API does not have."""
    apigateway = stage.client("apigateway")
    api = api_of(stage, apigateway)
    if api is None:
        return
    apply_all(answer_changes(stage, api["id"], apigateway))

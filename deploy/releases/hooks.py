"""Zappa's callbacks: they check each step of a deployment.

Zappa calls `settings` before every command of a stage, `zip` after it created a package
and before the upload, and `post` after it deployed or updated the function.

A version receives traffic only after its package started here as Lambda starts it, and
after the published version answered.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException, echo

# Zappa's command does not add the project to its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.infrastructure import answer_changes, api_of, apply_all, stack_of
from deploy.package import build, check_that_it_starts, size_table
from deploy.releases.deployment import Deployment, prepare
from deploy.releases.environment import (
    NOT_ON_CLOUDFRONT_FUNCTIONS,
    merged_environment,
    needs_cryptography,
    shell_variables,
)
from deploy.releases.versions import NotFit, Versions
from stages import ALIAS, SETTINGS, Stage, resolve
from streams.edge_keys import PEM

DEPLOYING_COMMANDS = ("deploy", "update")


def _readable_errors(callback: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make a callback raise `ClickException`, which Zappa prints without traceback."""

    @wraps(callback)
    def wrapped(cli: Any) -> None:
        try:
            callback(cli)
        except (BotoCoreError, ClientError) as exc:
            raise ClickException(f"AWS refused, or cannot be reached: {exc}") from exc
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

    cli.zappa.role_name = stage.role
    if cli.command in DEPLOYING_COMMANDS:
        cli.deployment = prepare(cli, stage)
    else:
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
        deployment.remove_unset_variables()


@_readable_errors
def post(cli: Any) -> None:
    """Publish a version, check it, and then move the traffic to it."""
    deployment: Deployment = cli.deployment
    stage = deployment.stage
    versions = deployment.versions
    _restore_gateway_answers(stage)

    version = versions.publish()
    _check_version(versions, version, deployment)

    if os.environ.get("HOLD"):
        echo(
            f"Version {version} is checked and has no traffic: "
            f"manage.py promote {stage.name} {version}"
        )
        return
    versions.promote(version)
    echo(f"Version {version} is live.")

    deleted = versions.prune(keep=deployment.keep)
    if deleted:
        echo(f"Deleted versions that no rollback needs: {', '.join(deleted)}")


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


def _zappa_settings(archive: Path) -> bytes:
    """Return the settings module of Zappa's handler, from the archive of Zappa."""
    with zipfile.ZipFile(archive) as entries:
        return entries.read("zappa_settings.py")


def _check_package(archive: Path, stage: Stage, variables: Mapping[str, str]) -> None:
    if PEM in variables.get("EDGE_TOKEN_KEYS", ""):
        echo(f"Edge tokens: {NOT_ON_CLOUDFRONT_FUNCTIONS}")
    echo(check_that_it_starts(archive, stage, variables))


def _check_version(versions: Versions, version: str, deployment: Deployment) -> None:
    """Raise `ClickException` if the published version does not answer."""
    live = versions.live()
    # A first deployment may have no table yet, so it need not be ready.
    paths = ("/healthz", "/readyz") if live else ("/healthz",)
    try:
        versions.check(version, paths=paths)
    except NotFit as exc:
        if live is None:
            raise ClickException(f"{exc}\nIt has no traffic.") from exc
        # The next update would otherwise begin with the variables that failed.
        versions.set_environment(deployment.remote)
        raise ClickException(
            f"{exc}\nVersion {live.version} keeps the traffic."
        ) from exc


def _restore_gateway_answers(stage: Stage) -> None:
    """Configure API Gateway's own answers, which a new API does not have."""
    apigateway = stage.client("apigateway")
    api = api_of(stage, apigateway)
    if api is None:
        return
    apply_all(answer_changes(stage, api["id"], apigateway))

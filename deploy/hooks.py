"""Zappa's callbacks. `settings` comes before every command of a stage, `zip` when a package was made and before it is
uploaded, `post` when the function was deployed or updated.

Nothing gets traffic here that was not started as Lambda starts it and has not answered as a published version.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException, echo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # Zappa's own command has the project not on its path

import zipfile

from deploy import logs, preflight
from deploy.environment import (
    FROM_THE_SHELL,
    NOT_ON_CLOUDFRONT_FUNCTIONS,
    Environment,
    changes,
    given,
    listed,
    logs_everyone_out,
    needs_cryptography,
    will_have,
)
from deploy.package import build, report
from deploy.references import resolve
from deploy.release import changed, release
from deploy.role import policy
from deploy.stages import ALIAS, Stage
from deploy.start import check_that_it_starts
from deploy.versions import KEPT, NotFit, Versions
from streams_project.edge_keys import PEM


@dataclass
class Deployment:
    """What the callbacks of one command know of it."""

    stage: Stage
    environment: Environment
    remote: dict[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)


def settings(cli: Any) -> None:
    """Refuse what would not start; say what changes; have Zappa keep what it would overwrite."""
    if sys.prefix != sys.base_prefix:
        os.environ["VIRTUAL_ENV"] = sys.prefix  # Zappa wants one that is active; what is installed there does not ship
    stage = Stage(cli.api_stage, cli.stage_config)
    cli.zappa.role_name = stage.role
    if cli.command == "rollback":
        raise ClickException(
            "zappa rollback brings code back and leaves the environment: after a bad key it would help nobody. "
            f"manage.py versions {stage.name}, then manage.py promote {stage.name} VERSION."
        )
    if cli.command in ("manage", "invoke") and cli.vargs.get("qualifier") is None:
        cli.vargs["qualifier"] = ALIAS
    cli.deployment = Deployment(stage, will_have(stage, remote={}, shell=given()))
    if cli.command in ("deploy", "update"):
        _prepare(cli, stage)


def _prepare(cli: Any, stage: Stage) -> None:
    if cli.vargs.get("zip") or cli.vargs.get("docker_image_uri"):
        raise ClickException("Only what is packed here is checked: leave --zip and --docker-image-uri out.")
    unset = listed(os.environ.get("UNSET"))
    if unset and cli.vargs.get("no_upload"):
        raise ClickException("UNSET goes with a whole update: leave --no-upload out.")
    if unknown := set(unset) - set(FROM_THE_SHELL):
        raise ClickException(f"UNSET names {', '.join(sorted(unknown))}; it can name {', '.join(FROM_THE_SHELL)}.")
    try:
        remote = Versions(stage, stage.client("lambda")).environment()
    except (BotoCoreError, ClientError, ValueError):
        remote = None  # no way to AWS, which preflight says in words
    if remote is None and cli.command == "update" and stage.region:
        echo(f"There is no function {stage.function} in {stage.region}, or no way to see it.")
    remote = remote or {}
    environment = will_have(stage, remote=remote, shell=given(), unset=unset)
    cli.deployment = Deployment(stage, environment, remote, [name for name in unset if name in remote])
    if wrong := list(preflight.problems(stage, environment, stage.client)):
        raise ClickException("\n".join(["Nothing was touched. Not ready:", *(f"- {problem}" for problem in wrong)]))
    for line in changes(remote, environment.of_lambda):
        echo(f"  {line}")
    if logs_everyone_out(remote, environment.of_lambda):
        _yes("lease-token-keys", "LEASE_TOKEN_KEYS shares no key with what is there: every player's token ends now.")
    if files := changed():
        _yes("dirty-tree", f"{len(files)} files differ from the commit ({', '.join(files[:3])} …) and would ship.")
    cli.aws_environment_variables = dict(environment.of_lambda)
    now = release()
    cli.lambda_description = f"{now.version} {now.commit[:12]}{'-dirty' if now.commit.endswith('-dirty') else ''}"
    cli.num_retained_versions = None  # `post` prunes: Zappa would delete the version that is live after failed updates
    cli.zappa.attach_policy = policy(
        region=cli.aws_region,
        account=_account(stage),
        table=str(stage.table),
        function=cli.lambda_name,
        environment=environment.effective,
    )
    if cli.command == "update":
        _keep_concurrency(cli, stage)
        versions = Versions(stage, stage.client("lambda"))
        if versions.live() is None:
            versions.promote(versions.publish())


def _account(stage: Stage) -> str:
    try:
        return str(stage.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as exc:
        raise ClickException(f"AWS does not say whose account this is: {exc}") from exc


def _keep_concurrency(cli: Any, stage: Stage) -> None:
    """Zappa deletes the reserved concurrency that the stage does not name. What is there stays; a 0 that was set to
    stop an incident stays, whatever the stage names."""
    found = stage.client("lambda").get_function_concurrency(FunctionName=cli.lambda_name)
    reserved = found.get("ReservedConcurrentExecutions")
    if reserved is not None and (reserved == 0 or cli.lambda_concurrency is None):
        cli.lambda_concurrency = reserved
        echo(f"  Reserved concurrency stays at {reserved}." + (" Nothing is served." if reserved == 0 else ""))


def _yes(name: str, question: str) -> None:
    """Go on only with a yes: `YES=name` in the environment, or typed at a terminal."""
    if name in listed(os.environ.get("YES")):
        return
    if sys.stdin.isatty() and input(f"{question} Go on? [y/N] ").strip().lower() == "y":
        return
    raise ClickException(f"{question} Nothing was touched. To do it all the same: YES={name}")


def zip(cli: Any) -> None:
    """Make the package, and start it as Lambda would."""
    archive, deployment = Path(cli.zip_path), cli.deployment
    with zipfile.ZipFile(archive) as entries:
        zappa_settings = entries.read("zappa_settings.py")
    stage, environment = deployment.stage, deployment.environment
    build(
        archive,
        zappa_settings=zappa_settings,
        runtime=stage.runtime,
        architecture=stage.architecture,
        with_published_keys=needs_cryptography(environment.effective),
    )
    echo(report(archive))
    if cli.command not in ("deploy", "update"):
        return
    values = environment.effective | resolve(environment.effective, stage.client)
    if PEM in values.get("EDGE_TOKEN_KEYS", ""):
        echo(f"Edge tokens: {NOT_ON_CLOUDFRONT_FUNCTIONS}")
    echo(check_that_it_starts(archive, stage, values))
    if deployment.unset:
        # Zappa merges what is there. Only $LATEST loses it now, which has no traffic.
        kept = {name: value for name, value in deployment.remote.items() if name not in deployment.unset}
        client = stage.client("lambda")
        client.update_function_configuration(FunctionName=cli.lambda_name, Environment={"Variables": kept})
        client.get_waiter("function_updated_v2").wait(FunctionName=cli.lambda_name)


def post(cli: Any) -> None:
    """Publish, check, and only then move the traffic."""
    stage: Stage = cli.deployment.stage
    versions = Versions(stage, stage.client("lambda"))
    logs.keep_for_a_while(stage, stage.client("logs"))
    version = versions.publish()
    is_first = versions.live() is None
    try:
        versions.check(version, paths=("/healthz",) if is_first else ("/healthz", "/readyz"))
    except NotFit as exc:
        live = versions.live()
        stays = f"Version {live.version} keeps the traffic." if live else "It has no traffic."
        raise ClickException(f"{exc}\n{stays}") from exc
    if os.environ.get("HOLD"):
        echo(f"Version {version} is checked and has no traffic: manage.py promote {stage.name} {version}")
        return
    versions.promote(version)
    echo(f"Version {version} is live.")
    if spare := versions.prune(keep=int(os.environ.get("KEEP") or KEPT)):
        echo(f"Deleted versions that nobody goes back to: {', '.join(spare)}")

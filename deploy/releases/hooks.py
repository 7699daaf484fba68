"""Zappa's callbacks. `settings` comes before every command of a stage, `zip` when a package was made and before it is
uploaded, `post` when the function was deployed or updated.

Nothing gets traffic here that was not started as Lambda starts it and has not answered as a published version.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException, echo

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # Zappa's own command has the project not on its path

import zipfile

from deploy import logs, preflight
from deploy.environment import (
    NOT_ON_CLOUDFRONT_FUNCTIONS,
    Environment,
    changes,
    given,
    logs_everyone_out,
    needs_cryptography,
    stays,
    will_have,
)
from deploy.gateway import api_of, plan_answers
from deploy.package import build, report
from deploy.release import changed, release
from deploy.role import policy
from deploy.start import check_that_it_starts
from deploy.versions import KEPT, NotFit, Versions
from stages import ALIAS, SETTINGS, Stage, comma_separated, resolve
from streams_project.edge_keys import PEM


@dataclass
class Deployment:
    """What the callbacks of one command know of it. `remote` is what the function has now, whoever gets the traffic."""

    stage: Stage
    environment: Environment
    remote: dict[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    keep: int = KEPT


def in_sentences(callback: Callable[[Any], None]) -> Callable[[Any], None]:
    """What AWS refuses, without a traceback."""

    @wraps(callback)
    def wrapped(cli: Any) -> None:
        try:
            callback(cli)
        except (BotoCoreError, ClientError) as exc:
            raise ClickException(f"AWS refused, or cannot be reached: {exc}") from exc
        except LookupError as exc:
            raise ClickException(str(exc)) from exc

    return wrapped


@in_sentences
def settings(cli: Any) -> None:
    """Refuse what would not start; say what changes; have Zappa keep what it would overwrite."""
    if sys.prefix != sys.base_prefix:
        os.environ["VIRTUAL_ENV"] = (
            sys.prefix
        )  # Zappa wants one that is active; what is installed there does not ship
    file = Path(cli.vargs.get("settings_file") or SETTINGS)
    stage = Stage(cli.api_stage, cli.stage_config, file.absolute())
    session = getattr(
        cli.zappa, "boto_session", None
    )  # `zappa package` asks AWS nothing
    goes_to = session.region_name if session else stage.region
    if stage.region and goes_to != stage.region:
        raise ClickException(
            f"The stage {stage.name} is in {stage.region}, and Zappa would go to {goes_to}, which AWS_DEFAULT_REGION "
            "names in the shell: take that out."
        )
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
        raise ClickException(
            "Only what is packed here is checked: leave --zip and --docker-image-uri out."
        )
    keep = os.environ.get("KEEP") or str(KEPT)
    if not keep.isdecimal():
        raise ClickException(
            f"KEEP is {keep!r}: set it to a whole number from 0, or leave it out for {KEPT}."
        )
    unset, shell, has_way_to_aws = (
        comma_separated(os.environ.get("UNSET")),
        given(),
        True,
    )
    remote = before = None
    try:
        versions = Versions(stage, stage.client("lambda"))
        remote, live = versions.environment(), versions.live()
        before = versions.environment_of(live.version) if live else remote
    except (BotoCoreError, ClientError, ValueError):
        has_way_to_aws = False  # which preflight says in words
    environment = will_have(stage, remote=remote or {}, shell=shell, unset=unset)
    gone = [name for name in unset if name in (remote or {})]
    cli.deployment = Deployment(stage, environment, remote or {}, gone, int(keep))
    wrong = [
        *stays(unset, stage, remote=remote or {}, shell=shell),
        *preflight.problems(stage, environment, stage.client),
    ]
    if has_way_to_aws and (remote is None) == (cli.command == "update"):
        other = "deploy" if remote is None else "update"
        there = (
            f"There is no function {stage.function}"
            if remote is None
            else f"{stage.function} is deployed already"
        )
        wrong.append(f"{there} in {stage.region}: zappa {other} {stage.name}.")
    if wrong:
        raise ClickException(
            "\n".join(
                [
                    "Nothing was touched. Not ready:",
                    *(f"- {problem}" for problem in wrong),
                ]
            )
        )
    for line in changes(before or {}, environment.of_lambda):
        echo(f"  {line}")
    if logs_everyone_out(
        _resolved(before or {}, stage), _resolved(environment.of_lambda, stage)
    ):
        _yes(
            "lease-token-keys",
            "LEASE_TOKEN_KEYS shares no key with what is there: every player's token ends now.",
        )
    if not cli.vargs.get("no_upload") and (files := changed()):
        _yes(
            "dirty-tree",
            f"{len(files)} files differ from the commit ({', '.join(files[:3])} …) and would ship.",
        )
    cli.aws_environment_variables = dict(environment.of_lambda)
    now = release()
    # AWS publishes nothing where nothing changed, not even what a reference stands for: the time is always another.
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    cli.lambda_description = f"{now.version} {now.commit[:12]}{'-dirty' if now.commit.endswith('-dirty') else ''} {at}"
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
        _adopt(versions)
        if cli.vargs.get("no_upload"):
            _unset(cli.deployment, versions)


def _resolved(variables: Mapping[str, str], stage: Stage) -> dict[str, str]:
    """With what the reference to the keys stands for now, where there is one and it can be read."""
    keys = {
        name: value for name, value in variables.items() if name == "LEASE_TOKEN_KEYS"
    }
    with suppress(ClickException):
        return keys | resolve(keys, stage.client)
    return {}


def _adopt(versions: Versions) -> None:
    """Give the alias to what has the traffic without one, as before there was an alias; not to what never answered."""
    if versions.live() is None:
        with suppress(NotFit):
            version = versions.publish()
            versions.check(version, paths=("/healthz",))
            versions.promote(version)


def _unset(deployment: Deployment, versions: Versions) -> None:
    """Zappa merges what is there. Only $LATEST loses it now, which has no traffic."""
    if deployment.unset:
        left = {
            name: value
            for name, value in deployment.remote.items()
            if name not in deployment.unset
        }
        versions.set_environment(left)


def _account(stage: Stage) -> str:
    try:
        return str(stage.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as exc:
        raise ClickException(f"AWS does not say whose account this is: {exc}") from exc


def _keep_concurrency(cli: Any, stage: Stage) -> None:
    """Zappa deletes the reserved concurrency that the stage does not name. What is there stays; a 0 that was set to
    stop an incident stays, whatever the stage names."""
    found = stage.client("lambda").get_function_concurrency(
        FunctionName=cli.lambda_name
    )
    reserved = found.get("ReservedConcurrentExecutions")
    if reserved is not None and (reserved == 0 or cli.lambda_concurrency is None):
        cli.lambda_concurrency = reserved
        echo(
            f"  Reserved concurrency stays at {reserved}."
            + (" Nothing is served." if reserved == 0 else "")
        )


def _yes(name: str, question: str) -> None:
    """Go on only with a yes: `YES=name` in the environment, or typed at a terminal."""
    if name in comma_separated(os.environ.get("YES")):
        return
    if sys.stdin.isatty() and input(f"{question} Go on? [y/N] ").strip().lower() == "y":
        return
    raise ClickException(
        f"{question} Nothing was touched. To do it all the same: YES={name}"
    )


@in_sentences
def zip(cli: Any) -> None:
    """Make the package, and start it as Lambda would."""
    archive, deployment = Path(cli.zip_path), cli.deployment
    with zipfile.ZipFile(archive) as entries:
        zappa_settings = entries.read("zappa_settings.py")
    stage, values = deployment.stage, deployment.environment.effective
    is_deployed = cli.command in ("deploy", "update")
    if is_deployed:
        values = values | resolve(values, stage.client)
    build(
        archive,
        zappa_settings=zappa_settings,
        runtime=stage.runtime,
        architecture=stage.architecture,
        with_published_keys=needs_cryptography(values),
    )
    echo(report(archive))
    if not is_deployed:
        return
    if PEM in values.get("EDGE_TOKEN_KEYS", ""):
        echo(f"Edge tokens: {NOT_ON_CLOUDFRONT_FUNCTIONS}")
    echo(check_that_it_starts(archive, stage, values))
    _unset(deployment, Versions(stage, stage.client("lambda")))


@in_sentences
def post(cli: Any) -> None:
    """Publish, check, and only then move the traffic."""
    stage: Stage = cli.deployment.stage
    versions = Versions(stage, stage.client("lambda"))
    logs.keep_for_a_while(stage, stage.client("logs"))
    _put_answers_back(stage)
    version = versions.publish()
    is_first = versions.live() is None
    try:
        versions.check(
            version, paths=("/healthz",) if is_first else ("/healthz", "/readyz")
        )
    except NotFit as exc:
        live = versions.live()
        if live:
            versions.set_environment(
                cli.deployment.remote
            )  # else the next update would begin with what failed
        keeps = (
            f"Version {live.version} keeps the traffic."
            if live
            else "It has no traffic."
        )
        raise ClickException(f"{exc}\n{keeps}") from exc
    if os.environ.get("HOLD"):
        echo(
            f"Version {version} is checked and has no traffic: manage.py promote {stage.name} {version}"
        )
        return
    versions.promote(version)
    echo(f"Version {version} is live.")
    if spare := versions.prune(keep=cli.deployment.keep):
        echo(f"Deleted versions that nobody goes back to: {', '.join(spare)}")


def _put_answers_back(stage: Stage) -> None:
    """A new API has API Gateway's own answers."""
    apigateway = stage.client("apigateway")
    if api := api_of(stage, apigateway):
        for step in plan_answers(stage, api["id"], apigateway):
            step.do()

"""Prepares a deployment: everything that must hold before Zappa changes AWS.

The operator's choices come from the shell: `UNSET` removes variables, `KEEP` is the
number of earlier versions that remain, `CANARY` and `MINUTES` are a share of the
traffic and its time, `HOLD` leaves the traffic where it is, and `YES` confirms
questions.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from click import ClickException, echo

from deploy.infrastructure import Provisioning, read_stage_file
from deploy.package import changed_files, current_release
from deploy.releases.canary import Canary, check_alarms, parse_share
from deploy.releases.environment import Environment, changes, shell_variables
from deploy.releases.order_of_stage import changes_out_of_order
from deploy.releases.preflight import (
    DeployedVariables,
    Preflight,
    check_deployment,
)
from deploy.releases.rotation import lost_keys, token_loss
from deploy.releases.trial import (
    RELEASE_KEY,
    Credentials,
    has_issuer,
    new_credentials,
)
from deploy.releases.versions import VERSIONS_KEPT, Code, Live, NotFit, Versions
from stages import Stage, comma_separated, resolve

AUTHENTICATION = "AUTH_"
"""The beginning of the variables that decide which bearer tokens are accepted."""


@dataclass
class Deployment:
    """The facts that the callbacks of one command share.

    `live` is the state of the alias, and `remote` are the variables of its version,
    when the command began. `code_sha256` is the hash of the code to publish.
    """

    stage: Stage
    environment: Environment
    remote: dict[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    keep: int = VERSIONS_KEPT
    live: Live | None = None
    canary: Canary | None = None
    credentials: Credentials = field(default_factory=Credentials)
    description: str = ""
    code_sha256: str = ""

    @property
    def versions(self) -> Versions:
        """The versions of the stage's function."""
        return Versions(self.stage, self.stage.client("lambda"))

    @property
    def intended(self) -> Code:
        """The code that this deployment is to publish."""
        variables = self.environment.of_lambda
        return Code(self.code_sha256, variables, self.description)

    def reset_environment(self) -> None:
        """Give the function the variables of the live version, without those to unset.

        Zappa keeps the function's variables, and a release that was taken back, or that
        ended half-way, may have left others. They get no traffic here.
        """
        kept = {
            name: value for name, value in self.remote.items() if name not in self.unset
        }
        if kept:
            self.versions.set_environment(kept)


def prepare(cli: Any, stage: Stage) -> Deployment:
    """Check a deployment, confirm it with the operator, and configure Zappa.

    `cli` is Zappa's command, `deploy` or `update`.

    Raises:
        ClickException: the deployment is not ready, or the operator does not confirm.
    """
    _refuse_other_packages(cli)
    keep = _versions_to_keep()
    unset = comma_separated(os.environ.get("UNSET"))

    result = check_deployment(stage, shell=shell_variables(), unset=unset)
    wrong_command = _wrong_command(cli.command, stage, result.deployed)
    _refuse_problems([*result.problems, *wrong_command])

    deployment = Deployment(
        stage=stage,
        environment=result.environment,
        remote=result.deployed.live or {},
        unset=unset,
        keep=keep,
        live=result.deployed.alias,
        canary=canary_of_shell(),
        credentials=new_credentials(),
    )
    _show_changes(result)
    _require_a_viewer_or_a_canary(cli, deployment)
    confirm_lost_keys(
        stage, deployment.live, deployment.remote, result.environment.of_lambda
    )
    confirm_order(stage, deployment.live, result.environment.of_lambda)
    _confirm_uncommitted_files(cli)
    if cli.command == "update" and cli.vargs.get("no_upload"):
        deployment.code_sha256 = _code_of_live(deployment)
    _provide_infrastructure(deployment)

    if cli.command == "update":
        _prepare_update(cli, deployment)
    _configure_zappa(cli, deployment)
    return deployment


def canary_of_shell() -> Canary | None:
    """Return the canary that `CANARY` and `MINUTES` describe, if any."""
    share = os.environ.get("CANARY")
    if not share:
        return None
    try:
        canary = Canary(parse_share(share), float(os.environ.get("MINUTES") or 10))
    except ValueError as exc:
        raise ClickException(str(exc)) from exc
    return canary if canary.share < 1 else None


def adopt_unversioned(versions: Versions) -> None:
    """Create the alias for a function that serves traffic without one.

    Deployments of releases before the alias are in this state. A function that does not
    answer gets no alias: it is a first deployment that failed its check.
    """
    with suppress(NotFit):
        newest = versions.newest()
        assert newest is not None
        version = versions.publish(newest)
        versions.check(version, paths=("/healthz",))
        versions.promote(version, None)


def keep_reserved_concurrency(cli: Any, stage: Stage) -> None:
    """Prevent Zappa from deleting a reserved concurrency that the stage does not name.

    A reserved concurrency of 0 stays in any case: an operator stopped the service with
    it.
    """
    answer = stage.client("lambda").get_function_concurrency(
        FunctionName=cli.lambda_name
    )
    reserved = answer.get("ReservedConcurrentExecutions")
    if reserved is None:
        return

    if reserved == 0 or cli.lambda_concurrency is None:
        cli.lambda_concurrency = reserved
        consequence = " The function serves no requests." if reserved == 0 else ""
        echo(f"  Reserved concurrency stays at {reserved}.{consequence}")


def _refuse_other_packages(cli: Any) -> None:
    if cli.vargs.get("zip") or cli.vargs.get("docker_image_uri"):
        raise ClickException(
            "Only what is packed here is checked: remove --zip and --docker-image-uri."
        )


def _versions_to_keep() -> int:
    keep = os.environ.get("KEEP") or str(VERSIONS_KEPT)
    if not keep.isdecimal():
        raise ClickException(
            f"KEEP is {keep!r}: set it to a whole number from 0, or remove it for "
            f"{VERSIONS_KEPT}."
        )
    return int(keep)


def _wrong_command(
    command: str, stage: Stage, deployed: DeployedVariables
) -> list[str]:
    """Return the problem of an update without a function, or of a second deployment."""
    if not deployed.is_known:
        return []

    if command == "update" and deployed.is_first_deployment:
        return [
            f"There is no function {stage.function} in {stage.region}: zappa deploy "
            f"{stage.name}."
        ]
    if command == "deploy" and not deployed.is_first_deployment:
        return [
            f"{stage.function} is deployed already in {stage.region}: zappa update "
            f"{stage.name}."
        ]
    return []


def _refuse_problems(problems: list[str]) -> None:
    if problems:
        lines = [f"- {problem}" for problem in problems]
        raise ClickException("\n".join(["No change was made. Not ready:", *lines]))


def _show_changes(result: Preflight) -> None:
    for line in changes(result.deployed.live or {}, result.environment.of_lambda):
        echo(f"  {line}")

    newest, live = result.deployed.newest or {}, result.deployed.live or {}
    left = {name for name in newest if newest[name] != live.get(name)} - {RELEASE_KEY}
    if left:
        echo(
            f"  {', '.join(sorted(left))}: set on the function, and not in the live "
            "version, with whose variables the update begins."
        )


def confirm_lost_keys(
    stage: Stage,
    live: Live | None,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> None:
    """Confirm each loss of keys from the variables of the live version to others.

    Raises:
        ClickException: the operator does not confirm it.
    """
    versions = Versions(stage, stage.client("lambda"))
    earlier = [
        _with_values(versions.environment_of(version), stage)
        for version in (live.earlier if live else ())
    ]
    for loss in lost_keys(
        _with_values(before, stage), _with_values(after, stage), earlier
    ):
        confirm(loss.confirmation, loss.sentence)


def confirm_order(
    stage: Stage,
    live: Live | None,
    after: Mapping[str, str],
    *,
    version: str | None = None,
) -> None:
    """Confirm each change from the live version that is out of order.

    Raises:
        ClickException: the operator does not confirm it.
    """
    if live is None or live.version == version:
        return
    for change in changes_out_of_order(stage, live, after, version=version):
        confirm(change.confirmation, change.sentence)


def confirm_token_loss(
    stage: Stage, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """Confirm that the players' tokens of one version are invalid in another one.

    Raises:
        ClickException: the operator does not confirm it.
    """
    loss = token_loss(_with_values(before, stage), _with_values(after, stage))
    if loss:
        confirm("lease-token-keys", loss)


def _with_values(variables: Mapping[str, str], stage: Stage) -> dict[str, str]:
    """Return variables with the values of references, as far as they can be read."""
    with suppress(ClickException):
        return {**variables, **resolve(variables, stage.client)}
    return dict(variables)


def _confirm_uncommitted_files(cli: Any) -> None:
    if cli.vargs.get("no_upload"):
        return
    files = changed_files()
    if files:
        confirm(
            "dirty-tree",
            f"{len(files)} files differ from the commit ({', '.join(files[:3])} …) and "
            "would ship.",
        )


def confirm(name: str, question: str) -> None:
    """Continue only if `YES` contains the name, or the operator types y."""
    if name in comma_separated(os.environ.get("YES")):
        return
    if sys.stdin.isatty():
        answer = input(f"{question} Go on? [y/N] ")
        if answer.strip().lower() == "y":
            return
    raise ClickException(f"{question} No change was made. To confirm it: YES={name}")


def _provide_infrastructure(deployment: Deployment) -> None:
    """Create the stack if it is missing, and let the role reach what is new.

    The role keeps the rights that the live version needs.
    """
    provisioning = _provisioning(deployment)
    if provisioning.is_ready():
        return

    provisioning.check()
    changes = provisioning.changes_without_reductions()
    for change in changes:
        echo(f"  {change}")
    confirm("infrastructure", "The stage needs this infrastructure first.")
    provisioning.apply(changes, echo)


def complete_infrastructure(deployment: Deployment) -> None:
    """Attach the stack to the API that a first deployment created."""
    provisioning = _provisioning(deployment)
    provisioning.apply(provisioning.changes_without_reductions(), echo)


def _provisioning(deployment: Deployment) -> Provisioning:
    return Provisioning(
        deployment.stage,
        read_stage_file(deployment.stage),
        variables=deployment.environment.effective,
    )


def _require_a_viewer_or_a_canary(cli: Any, deployment: Deployment) -> None:
    """Say whether the viewers' way in is tried, and require a canary if it is not.

    Code and settings of authentication that do not change need no canary.
    """
    variables = deployment.environment.effective
    if not has_issuer(variables) or deployment.credentials.token:
        return
    echo("The viewers' way in is not tried: VERIFY_TOKEN names no viewer's token.")

    is_held = bool(os.environ.get("HOLD"))
    is_first = deployment.live is None
    is_same = cli.vargs.get("no_upload") and not _changes_authentication(deployment)
    if is_first or is_held or is_same:
        return
    if deployment.canary is None:
        raise ClickException(
            "No change was made. A release whose viewers are not tried needs a canary: "
            "CANARY=5% (release --canary 5%), or export VERIFY_TOKEN (the bearer token "
            "of a viewer who plays nothing), or VERIFY_TOKEN_COMMAND, which prints one."
        )
    check_alarms(deployment.stage)


def _changes_authentication(deployment: Deployment) -> bool:
    before = _authentication(deployment.remote)
    return before != _authentication(deployment.environment.of_lambda)


def _authentication(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(AUTHENTICATION)
    }


def _configure_zappa(cli: Any, deployment: Deployment) -> None:
    """Set what Zappa writes to the function."""
    variables = deployment.environment.of_lambda
    variables[RELEASE_KEY] = deployment.credentials.release_key
    deployment.description = _description(cli, deployment)

    cli.aws_environment_variables = dict(variables)
    cli.lambda_description = deployment.description
    # `post` deletes versions. Zappa would delete the live one after failed updates.
    cli.num_retained_versions = None


def _description(cli: Any, deployment: Deployment) -> str:
    """Return the release and the time, which describe the new version.

    AWS publishes no new version of an unchanged function, even if a reference has a
    new value. The time makes each description different.
    """
    release = current_release()
    label = f"{release.version} {release.short_commit}"
    if cli.vargs.get("no_upload") and deployment.live:
        # The code is that of the live version, not of this checkout.
        live = deployment.versions.code_of(deployment.live.version)
        label = " ".join(live.description.split()[:2]) or label
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{label} {now}"


def _prepare_update(cli: Any, deployment: Deployment) -> None:
    """Keep what an update would otherwise lose, and read what it must not overtake."""
    versions = deployment.versions
    keep_reserved_concurrency(cli, deployment.stage)
    if deployment.live is None:
        adopt_unversioned(versions)
        deployment.live = versions.live()
    # With an upload, `zip` does this once the package has passed its checks.
    if cli.vargs.get("no_upload"):
        deployment.reset_environment()


def _code_of_live(deployment: Deployment) -> str:
    """Return the hash of the live version's code, which the function must have too.

    Raises:
        ClickException: the function has other code, which may have been taken back.
    """
    versions = deployment.versions
    newest = versions.newest()
    live = deployment.live and versions.code_of(deployment.live.version)
    if newest and live and newest.sha256 != live.sha256:
        raise ClickException(
            "No change was made. --no-upload would publish code that is not live: "
            f"{newest.description or 'the newest code'} was taken back or never "
            f"promoted, and {live.description or 'another version'} is live. Check "
            "out the commit that is to be live, and run zappa update "
            f"{deployment.stage.name} without --no-upload."
        )
    return newest.sha256 if newest else ""

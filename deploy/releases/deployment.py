"""Prepares a deployment: everything that must hold before Zappa changes AWS.

The operator's choices come from the shell: `UNSET` removes variables, `KEEP` is the
number of earlier versions that remain, and `YES` confirms questions.
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
from deploy.releases.environment import (
    Environment,
    changes,
    invalidates_all_tokens,
    shell_variables,
)
from deploy.releases.preflight import (
    DeployedVariables,
    Preflight,
    check_deployment,
)
from deploy.releases.versions import VERSIONS_KEPT, NotFit, Versions
from stages import Stage, comma_separated, resolve


@dataclass
class Deployment:
    """The facts that the callbacks of one command share.

    `remote` is the function's own environment in AWS. `unset` are the variables of
    `remote` that the deployment removes. `keep` is the number of earlier versions that
    remain.
    """

    stage: Stage
    environment: Environment
    remote: dict[str, str] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    keep: int = VERSIONS_KEPT

    @property
    def versions(self) -> Versions:
        """The versions of the stage's function."""
        return Versions(self.stage, self.stage.client("lambda"))

    def remove_unset_variables(self) -> None:
        """Remove the unset variables from the function, because Zappa keeps them.

        Only the newest code loses them now, and it has no traffic.
        """
        if self.unset:
            kept = {
                name: value
                for name, value in self.remote.items()
                if name not in self.unset
            }
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

    remote = result.deployed.newest or {}
    deployment = Deployment(
        stage=stage,
        environment=result.environment,
        remote=remote,
        unset=[name for name in unset if name in remote],
        keep=keep,
    )
    _show_changes(result)
    _confirm_new_token_keys(stage, result)
    _confirm_uncommitted_files(cli)
    _provide_infrastructure(deployment)

    _configure_zappa(cli, deployment)
    if cli.command == "update":
        _prepare_update(cli, deployment)
    return deployment


def adopt_unversioned(versions: Versions) -> None:
    """Create the alias for a function that serves traffic without one.

    Deployments of releases before the alias are in this state. A function that does not
    answer gets no alias: it is a first deployment that failed its check.
    """
    if versions.live() is not None:
        return
    with suppress(NotFit):
        version = versions.publish()
        versions.check(version, paths=("/healthz",))
        versions.promote(version)


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


def _confirm_new_token_keys(stage: Stage, result: Preflight) -> None:
    before = _token_keys(result.deployed.live or {}, stage)
    after = _token_keys(result.environment.of_lambda, stage)
    if invalidates_all_tokens(before, after):
        _confirm(
            "lease-token-keys",
            "LEASE_TOKEN_KEYS shares no key with the deployed value: every player's "
            "token becomes invalid now.",
        )


def _token_keys(variables: Mapping[str, str], stage: Stage) -> dict[str, str]:
    """Return LEASE_TOKEN_KEYS with the value of its reference, if it can be read."""
    keys = {
        name: value for name, value in variables.items() if name == "LEASE_TOKEN_KEYS"
    }
    with suppress(ClickException):
        return keys | resolve(keys, stage.client)
    return {}


def _confirm_uncommitted_files(cli: Any) -> None:
    if cli.vargs.get("no_upload"):
        return
    files = changed_files()
    if files:
        _confirm(
            "dirty-tree",
            f"{len(files)} files differ from the commit ({', '.join(files[:3])} …) and "
            "would ship.",
        )


def _confirm(name: str, question: str) -> None:
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
    provisioning = Provisioning(
        deployment.stage,
        read_stage_file(deployment.stage),
        variables=deployment.environment.effective,
    )
    if provisioning.is_ready():
        return

    provisioning.check()
    changes = provisioning.changes_without_reductions()
    for change in changes:
        echo(f"  {change}")
    _confirm("infrastructure", "The stage needs this infrastructure first.")
    provisioning.apply(changes, echo)


def _configure_zappa(cli: Any, deployment: Deployment) -> None:
    """Set what Zappa writes to the function."""
    cli.aws_environment_variables = dict(deployment.environment.of_lambda)
    cli.lambda_description = _description()
    # `post` deletes versions. Zappa would delete the live one after failed updates.
    cli.num_retained_versions = None


def _description() -> str:
    """Return the release and the time, which describe the new version.

    AWS publishes no new version of an unchanged function, even if a reference has a
    new value. The time makes each description different.
    """
    release = current_release()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{release.version} {release.short_commit} {now}"


def _prepare_update(cli: Any, deployment: Deployment) -> None:
    """Keep what an update would otherwise lose."""
    keep_reserved_concurrency(cli, deployment.stage)
    adopt_unversioned(deployment.versions)
    # With an upload, `zip` does this once the package has passed its checks.
    if cli.vargs.get("no_upload"):
        deployment.remove_unset_variables()

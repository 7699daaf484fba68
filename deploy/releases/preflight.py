"""Finds what would go wrong with a deployment, before anything changes in AWS.

Each problem is one line that also says how to correct it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException

from deploy.infrastructure import PREFIX
from deploy.package import MACHINES, error_message, interpreter
from deploy.releases.environment import (
    Environment,
    merged_environment,
    unset_problems,
)
from deploy.releases.environment_problems import environment_problems
from deploy.releases.refused_settings import refused_settings
from deploy.releases.versions import Live, Versions
from stages import PROJECT, Stage, resolve, stages

TIMEOUT_SECONDS = 10
MAX_NAME_LENGTH = 64
"""The limit of AWS for the name of a function and of a role."""

PROJECT_NAME = re.compile(r"[a-zA-Z][\w-]*", re.ASCII)
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
STAGE_NAME = re.compile(r"[a-zA-Z0-9_]+")
TABLE_NAME = re.compile(r"[\w.-]{3,255}", re.ASCII)
API_HOST = re.compile(r"execute-api\.([a-z0-9-]+)\.amazonaws\.com")

CALLBACKS = {
    name: f"deploy.releases.hooks.{name}" for name in ("settings", "zip", "post")
}

PRINT_FIRST_SEGMENTS = """
import json, django
django.setup()
from streams.routes import first_segments
print(json.dumps(sorted(first_segments())))
"""

type Client = Callable[[str], Any]
"""Returns a boto3 client of a service."""


@dataclass(frozen=True, slots=True)
class DeployedVariables:
    """The function's own variables in AWS, before a deployment.

    `newest` belong to the newest code, which may have been taken back. `live` belong to
    the version with the traffic; the next update begins with them. Both are None if the
    function does not exist. `alias` is the state of the alias. `is_known` is False if
    AWS did not answer every question.
    """

    newest: dict[str, str] | None = None
    live: dict[str, str] | None = None
    alias: Live | None = None
    is_known: bool = True

    @property
    def is_first_deployment(self) -> bool:
        """Whether the function does not exist, as far as AWS answered."""
        return self.newest is None


@dataclass(frozen=True, slots=True)
class Preflight:
    """The result of the checks: the future environment and the problems."""

    deployed: DeployedVariables
    environment: Environment
    problems: list[str]


def check_deployment(
    stage: Stage, *, shell: Mapping[str, str], unset: Iterable[str]
) -> Preflight:
    """Check a deployment with these variables of the shell."""
    unset = list(unset)
    deployed = deployed_variables(stage)
    remote = deployed.live or {}
    environment = merged_environment(stage, remote=remote, shell=shell, unset=unset)
    problems = [
        *unset_problems(unset, stage, remote=remote, shell=shell),
        *stage_problems(stage, environment, stage.client),
    ]
    return Preflight(deployed, environment, problems)


def deployed_variables(stage: Stage) -> DeployedVariables:
    """Read the variables of the deployed function.

    An error of AWS is not raised here: `stage_problems` explains it.
    """
    newest = None
    try:
        versions = Versions(stage, stage.client("lambda"))
        newest = versions.environment()
        live = versions.live()
        live_variables = versions.environment_of(live.version) if live else newest
    except (BotoCoreError, ClientError, ValueError):
        return DeployedVariables(newest=newest, is_known=False)
    return DeployedVariables(newest=newest, live=live_variables, alias=live)


def stage_problems(
    stage: Stage, environment: Environment, client: Client
) -> Iterator[str]:
    """Yield everything that prevents `zappa deploy` or `zappa update`."""
    type_problems = list(_type_problems(stage))
    if type_problems:
        yield from type_problems
        return

    yield from _name_problems(stage)
    yield from _table_problems(stage)
    yield from _route_problems(stage)
    yield from _neighbour_problems(stage)
    yield from _role_problems(stage)
    yield from _host_problems(stage)
    yield from _callback_problems(stage)
    yield from refused_settings(stage)
    yield from _runtime_problems(stage)
    yield from _start_problems(environment, client)
    if stage.region:
        yield from _account_problems(stage, client)


def start_error(environment: Mapping[str, str]) -> str | None:
    """Start the service with this environment only and return its error, if any."""
    result = _run_python("import streams_project.settings", environment)
    return error_message(result.stderr) if result.returncode else None


@cache
def reserved_segments() -> list[str]:
    """Return the first segment of every route, in alphabetical order.

    They include the routes of API Gateway and the pages. The URL resolver needs
    settings, so another process reads it: this one may not have any.
    """
    environment = {
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
        "DEBUG": "1",
        "BROWSABLE_API": "1",
    }
    result = _run_python(PRINT_FIRST_SEGMENTS, environment)
    if result.returncode != 0:
        raise ClickException(
            f"The routes of the service cannot be read: {error_message(result.stderr)}"
        )
    return sorted({PREFIX, *json.loads(result.stdout)})


def _type_problems(stage: Stage) -> Iterator[str]:
    for setting in ("environment_variables", "aws_environment_variables"):
        variables = stage.settings.get(setting, {})
        if not isinstance(variables, dict):
            yield (
                f"{setting} is {variables!r}: set it to an object of names and texts."
            )
            continue

        others = [
            name for name, value in variables.items() if not isinstance(value, str)
        ]
        if others:
            yield (
                f"{setting} has values that are not text: put the value of "
                f"{', '.join(others)} in quotes."
            )


def _name_problems(stage: Stage) -> Iterator[str]:
    if not stage.region:
        yield "No region: set aws_region in zappa_settings.json."

    project = stage.settings.get("project_name")
    if not isinstance(project, str) or not PROJECT_NAME.fullmatch(project):
        yield (
            f"The project is named {project!r}: set project_name to a letter and more "
            "of a-z A-Z 0-9 _ -."
        )

    for resource, name in (("function", stage.function), ("role", stage.role)):
        if len(name) > MAX_NAME_LENGTH:
            yield (
                f"The {resource} would be named {name}, {len(name)} characters of at "
                f"most {MAX_NAME_LENGTH}: shorten project_name or the stage's name."
            )

    bucket = stage.settings.get("s3_bucket", "")
    if "CHANGE-ME" in bucket or not BUCKET_NAME.fullmatch(bucket):
        yield (
            f"The bucket {bucket!r} is not one: set s3_bucket to a name of 3 to 63 of "
            "a-z 0-9 . - that your account owns or can create."
        )

    if not STAGE_NAME.fullmatch(stage.name):
        yield f"API Gateway takes no stage named {stage.name!r}: a-z A-Z 0-9 _ only."


def _table_problems(stage: Stage) -> Iterator[str]:
    if not stage.table:
        yield (
            "The stage names no table: set DYNAMODB_TABLE in its "
            "environment_variables, to a table that no other stage uses."
        )
    elif not TABLE_NAME.fullmatch(stage.table):
        yield (
            f"DynamoDB takes no table named {stage.table!r}: 3 to 255 of a-z A-Z 0-9 "
            "_ - . only."
        )


def _route_problems(stage: Stage) -> Iterator[str]:
    """Yield names that API Gateway's path prefix would confuse with a route."""
    segments = reserved_segments()
    confused = [segment for segment in segments if segment.startswith(stage.name)]
    if confused:
        yield (
            f"The stage's name {stage.name!r} begins the route /{confused[0]}: API "
            "Gateway's prefix could not be told from it. Choose another."
        )

    base_path = str(stage.settings.get("base_path") or "").strip("/").split("/")[0]
    if base_path in segments:
        yield (
            f"base_path {base_path!r} is the route /{base_path}, which could not be "
            "told from it. Choose another."
        )


def _neighbour_problems(stage: Stage) -> Iterator[str]:
    """Yield resources that another stage of the same region uses."""
    for other in stages(stage.file):
        if other.name == stage.name or other.region != stage.region:
            continue
        if stage.table and other.table == stage.table:
            yield (
                f"The stage works on the table {stage.table} of the stage "
                f"{other.name}: give each stage its table."
            )
        if other.function == stage.function:
            yield (
                f"The stage would be the function {stage.function}, which the stage "
                f"{other.name} is: Zappa ignores capitals and treats _ as -. Choose "
                "another name."
            )


def _role_problems(stage: Stage) -> Iterator[str]:
    """Yield the setting with which Zappa would write the function's role."""
    if stage.settings.get("manage_roles", True):
        yield (
            'Zappa would rewrite the role during an update: set "manage_roles": false. '
            f"manage.py provision {stage.name} creates the role."
        )


def _host_problems(stage: Stage) -> Iterator[str]:
    hosts = stage.environment.get("ALLOWED_HOSTS", "")
    other_regions = set(API_HOST.findall(hosts)) - {stage.region}
    if stage.region and other_regions:
        yield (
            f"ALLOWED_HOSTS names API Gateway of {', '.join(sorted(other_regions))}, "
            f"but the stage is in {stage.region}: set it to "
            f".execute-api.{stage.region}.amazonaws.com, or every call is refused."
        )


def _callback_problems(stage: Stage) -> Iterator[str]:
    callbacks = stage.settings.get("callbacks") or {}
    missing = [
        f'"{name}": "{callback}"'
        for name, callback in CALLBACKS.items()
        if callbacks.get(name) != callback
    ]
    if missing:
        yield (
            "Without its callbacks a deployment has no checks: add "
            f"{', '.join(missing)} to the stage's."
        )


def _runtime_problems(stage: Stage) -> Iterator[str]:
    if stage.architecture not in MACHINES:
        yield (
            f"The architecture {stage.architecture!r} is none of Lambda's: set it to "
            f"{' or '.join(MACHINES)}."
        )
    try:
        interpreter(stage.runtime)
    except ClickException as exc:
        yield exc.message


def _start_problems(environment: Environment, client: Client) -> Iterator[str]:
    """Yield the problems of the environment, and the error if the service fails."""
    try:
        resolved = resolve(environment.effective, client)
    except ClickException as exc:
        yield exc.message
        return

    yield from environment_problems(environment, resolved=resolved)
    error = start_error(environment.effective | resolved)
    if error:
        yield f"The service would not start: {error}"
    yield from _caller_problems(environment.effective | resolved)


def _caller_problems(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield why neither a viewer nor an operator could authenticate."""
    source = variables.get("AUTH_JWKS", "")
    if variables.get("API_KEYS") or not source.startswith("https://"):
        return
    try:
        keys = httpx.get(source, timeout=TIMEOUT_SECONDS).raise_for_status().json()
        reason = "" if keys["keys"] else "it has no key"
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as exc:
        reason = str(exc) or type(exc).__name__
    if reason:
        yield (
            f"Neither a viewer nor an operator could authenticate: AUTH_JWKS {source} "
            f"cannot be used ({reason}), and API_KEYS is not set."
        )


def _account_problems(stage: Stage, client: Client) -> Iterator[str]:
    try:
        client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        yield (
            f"No AWS credentials that work ({exc}): set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
        return

    bucket = stage.settings.get("s3_bucket", "")
    try:
        client("s3").head_bucket(Bucket=bucket)
    except ClientError as exc:
        if exc.response["Error"]["Code"] in ("403", "301"):
            yield (
                f"The bucket {bucket} belongs to another account or region: set "
                "s3_bucket to another name."
            )
    except BotoCoreError:
        return  # `_name_problems` reports an invalid name


def _run_python(
    script: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script in this project with an environment that has no other settings."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "VIRTUAL_ENV")
        if name in os.environ
    }
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=kept | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )

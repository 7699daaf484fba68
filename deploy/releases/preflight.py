"""What would go wrong with a deployment, found before anything is touched, with what to do about it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException

from deploy import environment as environments
from deploy.consumers import PREFIX
from deploy.environment import Environment
from deploy.package import interpreter
from deploy.start import last_words
from deploy.wheels import MACHINES
from stages import PROJECT, Stage, resolve, stages

NAME_AT_MOST = 64
"""Of a function, and of a role."""
ROUTES = (
    PREFIX,
    "console",
    "docs",
    "healthz",
    "me",
    "openapi.json",
    "readyz",
    "static",
    "users",
)
PAST_THE_ALIAS = (
    "alb_enabled",
    "docker_image_uri",
    "function_url_enabled",
    "slim_handler",
)
PAST_THE_CHECKS = ("remote_env", "remote_env_bucket", "remote_env_file")
CALLBACKS = {name: f"deploy.hooks.{name}" for name in ("settings", "zip", "post")}


def problems(
    stage: Stage, environment: Environment, client: Callable[[str], Any]
) -> Iterator[str]:
    """Everything that stands in the way of `zappa deploy` or `zappa update`, one line each. `client` gives a boto3
    client of a service."""
    if no_texts := list(_texts(stage)):
        yield from no_texts
        return
    yield from _names(stage)
    yield from _neighbours(stage)
    yield from _ways_in(stage)
    if stage.architecture not in MACHINES:
        yield f"The architecture {stage.architecture!r} is none of Lambda's: set it to {' or '.join(MACHINES)}."
    try:
        interpreter(stage.runtime)
    except ClickException as exc:
        yield exc.message
    try:
        resolved = resolve(environment.effective, client)
    except ClickException as exc:
        yield exc.message
    else:
        yield from environments.problems(environment, resolved=resolved)
        if wrong := wrong_settings(environment.effective | resolved):
            yield f"The service would not start: {wrong}"
    if stage.region:
        yield from _account(stage, client)


def _texts(stage: Stage) -> Iterator[str]:
    for setting in ("environment_variables", "aws_environment_variables"):
        variables = stage.settings.get(setting, {})
        if not isinstance(variables, dict):
            yield f"{setting} is {variables!r}: set it to an object of names and texts."
        elif others := ", ".join(
            name for name, value in variables.items() if not isinstance(value, str)
        ):
            yield f"{setting} holds what is no text: put the value of {others} in quotes."


def _names(stage: Stage) -> Iterator[str]:
    project = stage.settings.get("project_name")
    bucket = stage.settings.get("s3_bucket", "")
    if not stage.region:
        yield "No region: set aws_region in zappa_settings.json."
    if not isinstance(project, str) or not re.fullmatch(
        r"[a-zA-Z][\w-]*", project, re.ASCII
    ):
        yield f"The project is named {project!r}: set project_name to a letter and more of a-z A-Z 0-9 _ -."
    for what, name in (("function", stage.function), ("role", stage.role)):
        if len(name) > NAME_AT_MOST:
            yield (
                f"The {what} would be named {name}, {len(name)} characters of at most {NAME_AT_MOST}: "
                "shorten project_name or the stage's name."
            )
    if "CHANGE-ME" in bucket or not re.fullmatch(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket
    ):
        yield f"The bucket {bucket!r} is not one: set s3_bucket to a name of your own (3 to 63 of a-z 0-9 . -)."
    if not re.fullmatch(r"[a-zA-Z0-9_]+", stage.name):
        yield f"API Gateway takes no stage named {stage.name!r}: a-z A-Z 0-9 _ only."
    if taken := [route for route in ROUTES if route.startswith(stage.name)]:
        yield (
            f"The stage's name {stage.name!r} begins the route /{taken[0]}: API Gateway's prefix could not be told "
            "from it. Choose another."
        )
    base = str(stage.settings.get("base_path") or "").strip("/").split("/")[0]
    if base in ROUTES:
        yield f"base_path {base!r} is the route /{base}, which could not be told from it. Choose another."
    if not stage.table:
        yield "The stage names no table: set DYNAMODB_TABLE in its environment_variables, to one of its own."
    elif not re.fullmatch(r"[\w.-]{3,255}", stage.table, re.ASCII):
        yield f"DynamoDB takes no table named {stage.table!r}: 3 to 255 of a-z A-Z 0-9 _ - . only."


def _neighbours(stage: Stage) -> Iterator[str]:
    for other in stages(stage.file):
        if other.name == stage.name or other.region != stage.region:
            continue
        if stage.table and other.table == stage.table:
            yield f"The stage works on the table {stage.table} of the stage {other.name}: give it one of its own."
        if other.function == stage.function:
            yield (
                f"The stage would be the function {stage.function}, which the stage {other.name} is: Zappa tells "
                "neither capitals nor _ from -. Choose another name."
            )


def _ways_in(stage: Stage) -> Iterator[str]:
    """Traffic goes to the alias that is moved after a check; these ways would go to whatever was uploaded last."""
    hosts = stage.environment.get("ALLOWED_HOSTS", "")
    elsewhere = set(re.findall(r"execute-api\.([a-z0-9-]+)\.amazonaws\.com", hosts)) - {
        stage.region
    }
    if stage.region and elsewhere:
        yield (
            f"ALLOWED_HOSTS names API Gateway of {', '.join(sorted(elsewhere))}, but the stage is in {stage.region}: "
            f"set it to .execute-api.{stage.region}.amazonaws.com, or every call is refused."
        )
    if stage.settings.get("apigateway_lambda_qualifier") != "live":
        yield 'API Gateway has to invoke the alias: set "apigateway_lambda_qualifier": "live".'
    for setting in PAST_THE_ALIAS:
        if stage.settings.get(setting):
            yield f"{setting} goes past the alias `live`, to versions that nobody has checked: take it out."
    for setting in PAST_THE_CHECKS:
        if stage.settings.get(setting):
            yield f"{setting} is read when the function starts, past every check: take it out; ssm:NAME names a secret."
    callbacks = stage.settings.get("callbacks") or {}
    if missing := [
        name for name, callback in CALLBACKS.items() if callbacks.get(name) != callback
    ]:
        wanted = ", ".join(f'"{name}": "{CALLBACKS[name]}"' for name in missing)
        yield f"Without its callbacks nothing is checked: add {wanted} to the stage's."
    if stage.settings.get("api_key_required"):
        yield "api_key_required would refuse players and browsers: take it out. Back ends get keys by [[consumers]]."
    if stage.settings.get("apigateway_version", "v1") != "v1":
        yield "An HTTP API has no throttling for each key, no web ACL and no answers of its own: use a REST API (v1)."
    if stage.settings.get("touch", True):
        yield 'Zappa would call the API before the alias is there: set "touch": false. Each version is checked.'


def _account(stage: Stage, client: Callable[[str], Any]) -> Iterator[str]:
    bucket = stage.settings.get("s3_bucket", "")
    try:
        client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        yield f"No AWS credentials that work ({exc}): set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        return
    try:
        client("s3").head_bucket(Bucket=bucket)
    except ClientError as exc:
        if exc.response["Error"]["Code"] in ("403", "301"):
            yield f"The bucket {bucket} is somebody else's, or in another region: set s3_bucket to another name."
    except BotoCoreError:
        return  # a name that is no bucket's, which is said already


def wrong_settings(environment: Mapping[str, str]) -> str | None:
    """What the service says when it is started with this environment and no other settings; None when it starts."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "VIRTUAL_ENV")
        if name in os.environ
    }
    started = subprocess.run(
        [sys.executable, "-c", "import streams_project.settings"],
        cwd=PROJECT,
        env=kept | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return last_words(started.stderr) if started.returncode else None

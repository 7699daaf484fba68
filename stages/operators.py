"""Runs an operator's command on a deployed stage from this machine.

`manage.py streams … --stage production` uses the stage's table, region, credentials
and default plan.
"""

import argparse
import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from stages.lookup import Stage, stage_of

ENDPOINTS = ("DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
"""The variables that name another DynamoDB than Amazon's, as the settings read them."""

DEFAULTS = ("STREAM_LIMIT", "WHEN_FULL", "LEASE_SECONDS", "PLANS")
"""The variables that define the default plan."""

SHELL_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)


def stage_named_in(arguments: list[str]) -> str | None:
    """Return the stage that a command line names with `--stage`, if any.

    Accepts every spelling that Django's parser accepts: `--stage production`,
    `--stage=production` and abbreviations of the option.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--stage")
    try:
        options, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError as exc:
        sys.exit(f"{exc}: name a stage of zappa_settings.json.")
    stage: str | None = options.stage
    return stage


def work_on(name: str) -> None:
    """Set the environment variables so that this process uses a stage's table."""
    stage = _deployable_stage(name)

    for variable in ("DYNAMODB_ENDPOINT", *DEFAULTS):
        os.environ.pop(variable, None)
        if variable in stage.environment:
            os.environ[variable] = stage.environment[variable]
    os.environ["DYNAMODB_TABLE"] = str(stage.table)
    os.environ["AWS_REGION"] = str(stage.region)

    if profile := stage.settings.get("profile_name"):
        # Credentials in the shell would take precedence over the profile.
        for variable in SHELL_CREDENTIALS:
            os.environ.pop(variable, None)
        os.environ["AWS_PROFILE"] = profile

    # Prevents the start of a local engine, regardless of the credentials.
    os.environ["AWS_STAGE"] = stage.name


def say_where() -> None:
    """Print the table and the account or endpoint that a command works on."""
    table = os.environ.get("DYNAMODB_TABLE") or "UserStreams"
    print(f"On the table {table} of {_place()}.", file=sys.stderr)  # noqa: T201


def _deployable_stage(name: str) -> Stage:
    try:
        stage = stage_of(name)
    except LookupError as exc:
        sys.exit(f"--stage: {exc}")
    if not stage.table or not stage.region:
        sys.exit(
            f"The stage {stage.name} names no table, or no region: "
            f"see manage.py preflight {stage.name}."
        )
    return stage


def _place() -> str:
    endpoints = [os.environ[name] for name in ENDPOINTS if os.environ.get(name)]
    if endpoints and "AWS_STAGE" not in os.environ:
        return endpoints[0]

    region = (
        os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or "eu-west-1"
    )
    return f"{_account(region)} in {region}"


def _account(region: str) -> str:
    try:
        identity = boto3.Session(region_name=region).client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        return f"an account that AWS does not name ({exc})"
    return f"the account {identity['Account']}"

"""`manage.py streams … --stage production`: an operator's command, from here, on a deployed stage."""

import argparse
import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.stages import stage_of

ENDPOINTS = ("DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")
"""As the settings look for another DynamoDB than Amazon's."""


def named(words: list[str]) -> str | None:
    """The stage that a command line names, as Django's own parser finds it: `--stage production`, `--stage=production`
    and whatever begins like it."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--stage")
    try:
        stage: str | None = parser.parse_known_args(words)[0].stage
    except argparse.ArgumentError as exc:
        sys.exit(f"{exc}: name a stage of zappa_settings.json.")
    return stage


def work_on(name: str) -> None:
    """Have the environment name the table, the region, the credentials and the defaults of a stage."""
    try:
        stage = stage_of(name)
    except LookupError as exc:
        sys.exit(f"--stage: {exc}")
    if not stage.table or not stage.region:
        sys.exit(
            f"The stage {stage.name} names no table, or no region: see manage.py preflight {stage.name}."
        )
    for name in (
        "DYNAMODB_ENDPOINT",
        "STREAM_LIMIT",
        "WHEN_FULL",
        "LEASE_SECONDS",
        "PLANS",
    ):
        os.environ.pop(name, None)
        if name in stage.environment:
            os.environ[name] = stage.environment[name]
    os.environ |= {"DYNAMODB_TABLE": stage.table, "AWS_REGION": stage.region}
    if profile := stage.settings.get("profile_name"):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)  # they would go before the profile
        os.environ["AWS_PROFILE"] = profile
    os.environ["AWS_STAGE"] = (
        stage.name
    )  # so that no local engine is started, whatever credentials there are


def say_where() -> None:
    """Which table of which account a command is about to work on."""
    table = os.environ.get("DYNAMODB_TABLE") or "UserStreams"
    region = (
        os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or "eu-west-1"
    )
    endpoint = next(
        (os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None
    )
    where = (
        f"{_account(region)} in {region}"
        if "AWS_STAGE" in os.environ or not endpoint
        else endpoint
    )
    print(f"On the table {table} of {where}.", file=sys.stderr)  # noqa: T201


def _account(region: str) -> str:
    try:
        identity = boto3.Session(region_name=region).client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        return f"an account that AWS does not name ({exc})"
    return f"the account {identity['Account']}"

"""The table of an operator's command: that of a deployed stage, or of this machine."""

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from stages.lookup import Stage, stage_of
from streams.conf import settings

DEFAULTS = ("STREAM_LIMIT", "WHEN_FULL", "LEASE_SECONDS", "PLANS")
"""The variables that define the default plan."""

SHELL_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)


def variables_of(name: str) -> dict[str, str | None]:
    """Return the variables that make this process use a stage's table.

    None means that the variable must be removed.

    Raises:
        LookupError: the stage does not exist, or has no table or region.
    """
    stage = stage_of(name)
    if not stage.table or not stage.region:
        raise LookupError(
            f"The stage {stage.name} has no table or no region. "
            f"See manage.py preflight {stage.name}."
        )

    variables: dict[str, str | None] = {
        variable: stage.environment.get(variable)
        for variable in ("DYNAMODB_ENDPOINT", *DEFAULTS)
    }
    variables["DYNAMODB_TABLE"] = stage.table
    variables["AWS_REGION"] = stage.region
    variables |= _credentials(stage)
    # Prevents the start of a local engine, regardless of the credentials.
    variables["AWS_STAGE"] = stage.name
    return variables


def place() -> str:
    """Return the table, with its account and region or its endpoint."""
    if settings.DYNAMODB_ENDPOINT:
        return f"Table {settings.DYNAMODB_TABLE}, {settings.DYNAMODB_ENDPOINT}"

    region = settings.AWS_REGION
    return f"Table {settings.DYNAMODB_TABLE}, {_account(region)} in {region}"


def _credentials(stage: Stage) -> dict[str, str | None]:
    """Return the variables of the stage's profile, if it has one.

    Credentials in the shell would take precedence over the profile.
    """
    profile = stage.settings.get("profile_name")
    if not profile:
        return {}
    return {**dict.fromkeys(SHELL_CREDENTIALS), "AWS_PROFILE": str(profile)}


def _account(region: str) -> str:
    try:
        identity = boto3.Session(region_name=region).client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        return f"an account that AWS does not name ({exc})"
    return f"the account {identity['Account']}"

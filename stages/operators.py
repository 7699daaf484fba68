"""The table of an operator's command on this machine."""

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from streams.conf import settings


def place() -> str:
    """Return the table, with its account and region or its endpoint."""
    if settings.DYNAMODB_ENDPOINT:
        return f"Table {settings.DYNAMODB_TABLE}, {settings.DYNAMODB_ENDPOINT}"

    region = settings.AWS_REGION
    return f"Table {settings.DYNAMODB_TABLE}, {_account(region)} in {region}"


def _account(region: str) -> str:
    try:
        identity = boto3.Session(region_name=region).client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        return f"an account that AWS does not name ({exc})"
    return f"the account {identity['Account']}"

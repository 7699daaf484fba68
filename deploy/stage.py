"""What `zappa_settings.json` cannot say: secrets, and the least that the function's role needs.

Zappa's callback `settings` runs `configure` before every command of a stage. Zappa loads this file by itself, so it
imports none of its neighbours."""

import os
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException

SECRETS = (
    "API_KEYS",
    "AUTH_AUDIENCE",
    "AUTH_ISSUER",
    "AUTH_JWKS",
    "AUTH_JWT_SECRETS",
    "AUTH_PERMISSIONS_CLAIM",
    "AUTH_TRUST_STREAM_LIMIT",
    "CORS_ALLOWED_ORIGINS",
    "LEASE_TOKEN_KEYS",
)
"""Taken from the shell that deploys into the function's own environment, which AWS encrypts; never from a file in the
repository. What a later `zappa update` leaves out stays as it is."""
PROJECT = Path(__file__).resolve().parent.parent
POLICY = Path(__file__).with_name("execution-policy.json")


def configure(cli: Any) -> None:
    """Zappa's callback: secrets from the shell, the role's policy, and a refusal to deploy what would not start."""
    given = {name: os.environ[name] for name in SECRETS if os.environ.get(name)}
    cli.aws_environment_variables = {**(cli.aws_environment_variables or {}), **given}
    if cli.command not in ("deploy", "update"):
        return
    if cli.command == "deploy" and (wrong := wrong_settings({**cli.environment_variables, **given})):
        raise ClickException(f"The service would not start in stage {cli.api_stage}: {wrong}")
    try:
        account = cli.zappa.boto_session.client(
            "sts", endpoint_url=cli.stage_config.get("aws_endpoint_urls", {}).get("sts")
        ).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as exc:
        raise ClickException(f"AWS does not say whose account this is: {exc}") from exc
    cli.zappa.attach_policy = policy(
        region=cli.aws_region,
        account=account,
        table=cli.environment_variables.get("DYNAMODB_TABLE", "UserStreams"),
        function=cli.lambda_name,
    )


def policy(*, region: str, account: str, table: str, function: str) -> str:
    """The execution role's policy, as JSON."""
    return string.Template(POLICY.read_text()).substitute(
        region=region, account=account, table=table, function=function
    )


def wrong_settings(environment: Mapping[str, str]) -> str | None:
    """What the service says when it is started with this environment and no other settings; None when it starts."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    started = subprocess.run(
        [sys.executable, "-c", "import streams_project.settings"],
        cwd=PROJECT,
        env=kept | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return started.stderr.strip().splitlines()[-1].partition(": ")[2] if started.returncode else None

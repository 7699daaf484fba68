"""`manage.py streams … --stage production`: an operator's command, from here, on a deployed stage."""

import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

from deploy.stages import Stage, stage_of


def work_on(names: list[str]) -> None:
    """Have the environment name the table, the region, the credentials and the defaults of a stage."""
    try:
        stage = stage_of(names[0])
    except (IndexError, KeyError) as exc:
        sys.exit(f"--stage is followed by a stage of zappa_settings.json ({exc}).")
    if not stage.table or not stage.region:
        sys.exit(f"The stage {stage.name} names no table, or no region: see manage.py preflight {stage.name}.")
    for name in ("DYNAMODB_ENDPOINT", "STREAM_LIMIT", "WHEN_FULL", "LEASE_SECONDS", "PLANS"):
        os.environ.pop(name, None)
        if name in stage.environment:
            os.environ[name] = stage.environment[name]
    os.environ |= {"DYNAMODB_TABLE": stage.table, "AWS_REGION": stage.region}
    if profile := stage.settings.get("profile_name"):
        os.environ["AWS_PROFILE"] = profile
    os.environ["AWS_STAGE"] = stage.name  # so that no local engine is started, whatever credentials there are
    print(f"On the table {stage.table} of {_account(stage)} in {stage.region}.", file=sys.stderr)  # noqa: T201


def _account(stage: Stage) -> str:
    try:
        return f"the account {stage.client('sts').get_caller_identity()['Account']}"
    except (BotoCoreError, ClientError) as exc:
        return f"an account that AWS does not name ({exc})"

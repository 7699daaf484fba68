"""`manage.py streams … --stage production`: an operator's command, from here, on a deployed stage."""

import os
import sys

from deploy.stages import stage_of


def take_stage(arguments: list[str]) -> list[str]:
    """The arguments without `--stage NAME`; the environment has its table, region and credentials."""
    place = arguments.index("--stage")
    try:
        stage = stage_of(arguments[place + 1])
    except (IndexError, KeyError) as exc:
        sys.exit(f"--stage is followed by a stage of zappa_settings.json ({exc}).")
    if not stage.table or not stage.region:
        sys.exit(f"The stage {stage.name} names no table, or no region: see manage.py preflight {stage.name}.")
    os.environ |= {"DYNAMODB_TABLE": stage.table, "AWS_REGION": stage.region}
    os.environ.pop("DYNAMODB_ENDPOINT", None)
    if profile := stage.settings.get("profile_name"):
        os.environ["AWS_PROFILE"] = profile
    os.environ["AWS_STAGE"] = stage.name  # so that no local engine is started, whatever credentials there are
    for name in ("STREAM_LIMIT", "WHEN_FULL", "LEASE_SECONDS", "PLANS"):
        os.environ.pop(name, None)
        if name in stage.environment:
            os.environ[name] = stage.environment[name]
    return arguments[:place] + arguments[place + 2 :]

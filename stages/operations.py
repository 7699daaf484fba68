"""Runs operators' commands inside a deployed stage: its function is invoked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.config import Config
from django.core.management.base import CommandError

from stages.lookup import ALIAS, Stage

SIGNATURE_SECONDS = 60
ANSWER_SECONDS = 15
"""The function answers within ten seconds, or after a cold start a little later."""

PLAIN_TYPES = (bool, int, float, str, list, type(None))


class Result(NamedTuple):
    """The text that a command wrote in the stage, and its error or None."""

    output: str
    error: str | None


def caller_of(stage: Stage) -> str:
    """Return the ARN of the credentials that the tools use for a stage."""
    return str(stage.client("sts").get_caller_identity()["Arn"])


def run_in(
    stage: Stage, *, command: str, action: str, options: Mapping[str, Any]
) -> Result:
    """Run a command's action in the function that has the traffic.

    Raises:
        CommandError: the function failed, or its release has no such operations.
        ClientError, BotoCoreError: AWS refused the call or did not answer.
    """
    operation = {
        "command": command,
        "action": action,
        "options": _plain(options),
        "files": _contents(options),
        "identity": _signed_identity(stage),
    }

    answer = _client(stage).invoke(
        FunctionName=stage.function,
        Qualifier=ALIAS,
        Payload=json.dumps({"operation": operation}).encode(),
    )
    payload = json.loads(answer["Payload"].read() or b"null")

    if answer.get("FunctionError"):
        message = (payload or {}).get("errorMessage", payload)
        raise CommandError(f"The function of the stage {stage.name} failed: {message}")

    if not isinstance(payload, dict) or "output" not in payload:
        raise CommandError(
            f"The release of the stage {stage.name} is older than this command. Deploy "
            f'this release, or use zappa manage {stage.name} "{command} …".'
        )

    return Result(payload["output"], payload["error"])


def _client(stage: Stage) -> Any:
    # A repeat could end a stream that started after the first attempt.
    config = Config(read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1})
    return stage.client("lambda", config)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that JSON can contain."""
    return {
        name: value for name, value in options.items() if isinstance(value, PLAIN_TYPES)
    }


def _contents(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the contents of the files that options name."""
    files = {name: path for name, path in options.items() if isinstance(path, Path)}

    try:
        return {name: path.read_text() for name, path in files.items()}
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"A file cannot be read: {exc}") from exc


def _signed_identity(stage: Stage) -> str:
    """Return the query of a signed request that only tells who signed it."""
    url: str = stage.client("sts").generate_presigned_url(
        "get_caller_identity", ExpiresIn=SIGNATURE_SECONDS, HttpMethod="GET"
    )

    return urlsplit(url).query

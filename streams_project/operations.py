"""Runs an operator's command inside a deployed function, for a verified caller.

The tools of an operator invoke the function with an event that names a command, its
action and options, and contains a signed request to `sts:GetCallerIdentity`. The
function sends this request, so that its audit log names the caller whom AWS verified.
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict
from urllib.parse import parse_qs

import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import URLLib3Session
from django.core.management import CommandError, get_commands, load_command_class

from streams.conf import settings
from streams.management.operator_command import OperatorCommand

COMMANDS = ("limit", "plans", "streams")
"""The commands with actions on one user."""

IDENTITY_SECONDS = 3
ARN = re.compile(r"<Arn>([^<]+)</Arn>")


class Operation(TypedDict):
    """An operator's command. `files` has the content of options that name files."""

    command: str
    action: str
    options: dict[str, Any]
    files: dict[str, str]
    identity: str


class Result(TypedDict):
    """The text that a command writes, and its error or None."""

    output: str
    error: str | None


def run(operation: Operation) -> Result:
    """Verify the caller and run the command."""
    out = StringIO()
    error = None
    try:
        caller = _caller(operation["identity"])
        _run(operation, caller=caller, out=out)
    except CommandError as exc:
        error = str(exc)
    return {"output": out.getvalue(), "error": error}


def _run(operation: Operation, *, caller: str, out: StringIO) -> None:
    command = _command(operation["command"])
    act = command.actions.get(operation["action"])
    if act is None:
        raise CommandError("The stage's release does not know this action.")

    with ExitStack() as stack:
        options = operation["options"] | _files(operation["files"], stack)
        command.execute(
            act=act,
            operator=caller,
            is_confirmed=True,
            stdout=out,
            stderr=out,
            no_color=True,
            force_color=False,
            skip_checks=True,
            **options,
        )


def _command(name: str) -> OperatorCommand:
    app = get_commands().get(name)
    if name not in COMMANDS or app is None:
        raise CommandError("The stage's release does not know this command.")

    command = load_command_class(str(app), name)
    assert isinstance(command, OperatorCommand)
    command.create_parser("manage.py", name)  # it registers the actions
    return command


def _files(contents: Mapping[str, str], stack: ExitStack) -> dict[str, Path]:
    """Write the operator's files to a folder, and return their paths by option."""
    folder = Path(stack.enter_context(TemporaryDirectory()))
    paths: dict[str, Path] = {}
    for option, content in contents.items():
        paths[option] = folder / f"{len(paths)}.txt"
        paths[option].write_text(content)
    return paths


def _caller(signed_query: str) -> str:
    """Return the ARN of the caller who signed a request to the token service.

    Raises:
        CommandError: the signature is not valid, or the service does not answer.
    """
    actions = parse_qs(signed_query).get("Action")
    if actions != ["GetCallerIdentity"]:
        raise CommandError("The operation does not contain the caller's identity.")

    session = botocore.session.get_session()
    client = session.create_client("sts", region_name=settings.AWS_REGION)
    endpoint = client.meta.endpoint_url.rstrip("/")
    request = AWSRequest("GET", f"{endpoint}/?{signed_query}").prepare()
    try:
        answer = URLLib3Session(timeout=IDENTITY_SECONDS).send(request)
    except (BotoCoreError, HTTPClientError) as exc:
        raise CommandError(f"The stage could not verify the caller: {exc}") from exc

    arn = ARN.search(answer.text)
    if answer.status_code != 200 or arn is None:
        raise CommandError(
            "AWS does not confirm the caller's identity. Renew your credentials, check "
            "this machine's clock, and retry."
        )
    return arn[1]

"""What `manage.py streams` and `manage.py limit` share: the views' rules, and answers for people and programs."""

import getpass
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from streams.dynamodb import deadline
from streams.errors import InvalidRequest
from streams.fields import ID, ID_ERROR, MAX_KEY_BYTES, is_key
from streams.problems import PROBLEMS, Answered, body_of, problem_of
from streams.service import Context
from streams.storage.store import create_table

WHAT_TO_DO = {
    "stream-not-found": "See the live ones with: manage.py streams list {user_id}",
    "store-unavailable": "Check DYNAMODB_ENDPOINT, or AWS_PROFILE and AWS_REGION, and that the table DYNAMODB_TABLE is "
    "there (manage.py provision makes it). Then try again.",
    "store-contended": "Try again.",
}
"""By problem, for a person at a terminal."""


class Answer(NamedTuple):
    """What an action says: to a person, and (`body`, the API's own; None where the API answers 204) to a program."""

    text: str
    body: Any = None


class OperatorCommand(BaseCommand):
    """A command of actions on one user. A refusal is a `CommandError` that says what to do."""

    requires_system_checks = ()

    def add_action(
        self, actions: Any, name: str, act: Callable[..., Answer], help: str
    ) -> CommandParser:
        """Offer `name USER`. `act` is called with the context and the options by name."""
        parser: CommandParser = actions.add_parser(name, help=help, description=help)
        parser.set_defaults(act=act)
        parser.add_argument("user_id", metavar="USER")
        parser.add_argument(
            "--json",
            action="store_true",
            dest="is_json",
            help="Print what the HTTP API answers.",
        )
        parser.add_argument(
            "--stage",
            help="On this stage of zappa_settings.json (manage.py takes its table and region).",
        )
        return parser

    def handle(
        self, *args: Any, act: Callable[..., Answer], is_json: bool, **options: Any
    ) -> None:
        context = Context(
            user_id=options["user_id"],
            now=time.time_ns() // 1_000_000,
            operator=f"command {_account()}",
        )
        try:
            bad = (
                {}
                if is_key(context.user_id)
                else {"userId": f"Must be 1 to {MAX_KEY_BYTES} bytes of text."}
            )
            if not ID.fullmatch(options.get("id", "-")):
                bad["id"] = ID_ERROR
            if bad:
                raise InvalidRequest(**bad)
            if settings.DYNAMODB_ENDPOINT:
                create_table()
            with deadline.of_request():
                answer = act(context, **options)
        except tuple(PROBLEMS) as error:
            problem = problem_of(error)
            members, _ = problem.facts(
                error, Answered(user_id=context.user_id, now=context.now)
            )
            if is_json:
                self.stdout.write(json.dumps(body_of(problem, **members)))
            errors = [
                f"{field}: {' '.join(why)}"
                for field, why in members.get("errors", {}).items()
            ]
            causes = [str(error)] if problem.status == 503 else []
            advice = WHAT_TO_DO.get(problem.type, "").format_map(options)
            raise CommandError(
                "\n".join([problem.title, *errors, *causes, advice]).rstrip()
            ) from error
        if not is_json:
            self.stdout.write(answer.text)
        elif answer.body is not None:
            self.stdout.write(json.dumps(answer.body))


def _account() -> str:
    """Whose terminal this is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns."""
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )

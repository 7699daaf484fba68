"""The base of `manage.py streams`, `limit` and `plans`: one action on one user.

The rules are those of the views. Answers are for people, or JSON for programs.
"""

import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, override

from django.core.management.base import BaseCommand, CommandError, CommandParser

from streams.conf import settings
from streams.dynamodb import deadline
from streams.errors import InvalidRequest
from streams.fields import ID, ID_ERROR, MAX_KEY_BYTES, is_key
from streams.printable import printable
from streams.problems import PROBLEMS, Answered, body_of, problem_of
from streams.service import Context
from streams.storage.store import create_table

ADVICE = {
    "stream-not-found": "List the live streams: manage.py streams list {user_id}",
    "store-unavailable": (
        "Check DYNAMODB_ENDPOINT, or AWS_PROFILE and AWS_REGION, and that the table "
        "DYNAMODB_TABLE exists (manage.py provision creates it). Then retry."
    ),
    "store-contended": "Retry.",
    "item-unreadable": (
        "Look at it: manage.py streams show-item {user_id}. "
        "Erase it: manage.py streams forget {user_id} --force"
    ),
}
"""The next step of a person at a terminal, by problem."""


class Answer(NamedTuple):
    """The answer of an action.

    `text` is for a person. `body` is the API's, for a program; it is None where the
    API answers 204.
    """

    text: str
    body: Any = None


class OperatorCommand(BaseCommand):
    """A command with actions on one user.

    A denial is a `CommandError` that names the next step.
    """

    requires_system_checks = ()
    stealth_options = ("is_confirmed", "operator")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.actions: dict[str, Callable[..., Answer]] = {}

    def add_action(
        self,
        actions: Any,
        name: str,
        act: Callable[..., Answer],
        help: str,
        *,
        question: str | None = None,
    ) -> CommandParser:
        """Add `name USER`. `act` is called with the context and the options.

        With a `question`, the action asks before it acts. The question contains the
        options in braces.
        """
        parser: CommandParser = actions.add_parser(name, help=help, description=help)
        parser.add_argument("user_id", metavar="USER")
        self.add_action_options(parser, act)
        if question:
            self.add_question(parser, question)
        return parser

    def add_question(self, parser: CommandParser, question: str) -> None:
        """Let an action ask, unless the command line confirms it."""
        parser.set_defaults(question=question)
        parser.add_argument(
            "--yes",
            action="store_true",
            dest="is_confirmed",
            help="Do not ask.",
        )

    def add_action_options(
        self, parser: CommandParser, act: Callable[..., Answer]
    ) -> None:
        """Add the options of every action."""
        self.actions[act.__name__] = act
        parser.set_defaults(act=act)
        parser.add_argument(
            "--json",
            action="store_true",
            dest="is_json",
            help="Print JSON, as the HTTP API answers.",
        )

    def question(self, options: Mapping[str, Any]) -> str | None:
        """Return the question that an action asks, or None."""
        question: str | None = options.get("question")
        return question

    def confirm(self, options: Mapping[str, Any]) -> None:
        """Ask the operator for consent if the action requires it.

        Raises:
            CommandError: the operator refuses, or cannot be asked.
        """
        question = self.question(options)
        if question is None or options.get("is_confirmed"):
            return

        text = question.format_map(options)
        if not sys.stdin.isatty():
            raise CommandError(f"{text} Confirm it with --yes.")
        try:
            answer = input(f"{text} [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            raise CommandError("No change was made.")

    @override
    def handle(
        self,
        *args: Any,
        act: Callable[..., Answer],
        is_json: bool,
        operator: str | None = None,
        **options: Any,
    ) -> None:
        context = Context(
            user_id=options["user_id"],
            now=time.time_ns() // 1_000_000,
            operator=f"command {operator or _account()}",
        )
        try:
            _check(context, options)
            self.confirm(options)
            answer = _act(act, context, options)
        except tuple(PROBLEMS) as error:
            self._refuse(error, context, options, is_json=is_json)
            return

        if not is_json:
            lines = answer.text.split("\n")
            self.stdout.write("\n".join(map(printable, lines)))
        elif answer.body is not None:
            self.stdout.write(json.dumps(answer.body))

    def _refuse(
        self,
        error: Exception,
        context: Context,
        options: Mapping[str, Any],
        *,
        is_json: bool,
    ) -> None:
        """Raise the problem of an error as a `CommandError`."""
        problem = problem_of(error)
        answered = Answered(user_id=context.user_id, now=context.now)
        members, _ = problem.facts(error, answered)
        if is_json:
            self.stdout.write(json.dumps(body_of(problem, **members)))

        lines = [problem.title]
        for field, faults in members.get("errors", {}).items():
            lines.append(f"{field}: {' '.join(faults)}")
        if problem.status == 503:
            lines.append(str(error))
        if problem.type in ADVICE:
            lines.append(ADVICE[problem.type].format_map(options))
        raise CommandError("\n".join(lines)) from error


def _check(context: Context, options: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` if an id is not valid."""
    errors = {}
    if not is_key(context.user_id):
        errors["userId"] = f"Must have 1 to {MAX_KEY_BYTES} bytes."
    if not ID.fullmatch(options.get("id", "-")):
        errors["id"] = ID_ERROR
    if errors:
        raise InvalidRequest(**errors)


def _act(
    act: Callable[..., Answer], context: Context, options: Mapping[str, Any]
) -> Answer:
    if settings.DYNAMODB_ENDPOINT:
        create_table()
    with deadline.of_request():
        return act(context, **options)


def _account() -> str:
    """Return the name of the account that runs the command."""
    try:
        # A name of the environment can have bytes that are not text.
        return printable(getpass.getuser())
    except (KeyError, OSError):  # a user of a container can have no name
        return str(os.getuid())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with aligned columns. No cell has a line break."""
    lines = [headings, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()

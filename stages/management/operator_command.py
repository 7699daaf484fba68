"""The base of operators' commands: on a stage, or on the DynamoDB of this machine."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, override

from django.core.management.base import CommandError, CommandParser

from stages.commands import readable_errors
from stages.lookup import stage_of
from stages.operations import caller_of, run_in
from stages.operators import place
from streams.management.operator_command import Answer, OperatorCommand
from streams_project.management.local_command import LocalDynamoDBCommand

LOCAL_OPTIONS = (
    "force_color",
    "is_confirmed",
    "no_color",
    "pythonpath",
    "question",
    "settings",
    "skip_checks",
    "stderr",
    "stdout",
    "traceback",
)
"""Options of this process, which the stage does not receive."""


class StageOrLocalCommand(LocalDynamoDBCommand, OperatorCommand):
    """An operator's command with the option `--stage`.

    With it, the stage's function runs the command, with its table and plans, and
    records it in its audit log.
    """

    @override
    def add_action_options(
        self, parser: CommandParser, act: Callable[..., Answer]
    ) -> None:
        super().add_action_options(parser, act)
        parser.add_argument(
            "--stage",
            help="Run in this stage of zappa_settings.json, which logs the command.",
        )

    @override
    def needs_dynamodb(self, options: Mapping[str, Any]) -> bool:
        """Return whether the action is about a user, on this machine."""
        return "user_id" in options and not options.get("stage")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command in the stage, or print its table and act."""
        if options.get("stage"):
            self._run_in_stage(**options)
            return

        if self.needs_dynamodb(options):
            print(place(), file=sys.stderr)  # noqa: T201
        super().handle(*args, **options)

    def _run_in_stage(
        self, *, act: Callable[..., Answer], stage: str, **options: Any
    ) -> None:
        """Invoke the stage's function, which acts and writes the audit log."""
        with readable_errors():
            deployed = stage_of(stage)
            caller = caller_of(deployed)

        where = f"Stage {deployed.name}, {deployed.function} in {deployed.region}"
        print(f"{where}, as {caller}", file=sys.stderr)  # noqa: T201

        self.confirm(options)

        with readable_errors():
            result = run_in(
                deployed,
                command=_name_of(self),
                action=act.__name__,
                options={
                    name: value
                    for name, value in options.items()
                    if name not in LOCAL_OPTIONS
                },
            )

        self.stdout.write(result.output, ending="")
        if result.error is not None:
            raise CommandError(result.error)


def _name_of(command: OperatorCommand) -> str:
    """Return the name of a command, which is that of its module."""
    return type(command).__module__.rpartition(".")[2]

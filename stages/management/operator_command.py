"""The base of operators' commands: on a stage, or on the DynamoDB of this machine."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, override

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from stages.operators import place, variables_of
from streams.management.operator_command import Answer, OperatorCommand
from streams_project.configuration import reconfigure
from streams_project.management.local_command import LocalDynamoDBCommand


class StageOrLocalCommand(LocalDynamoDBCommand, OperatorCommand):
    """An operator's command with the option `--stage`.

    With it, the command uses the stage's table, region, credentials and default plan.
    """

    @override
    def add_action_options(
        self, parser: CommandParser, act: Callable[..., Answer]
    ) -> None:
        super().add_action_options(parser, act)
        parser.add_argument(
            "--stage",
            help="Run on this stage of zappa_settings.json, with its table and region.",
        )

    @override
    def needs_dynamodb(self, options: Mapping[str, Any]) -> bool:
        """Return whether the action is about a user."""
        return "user_id" in options

    @override
    def execute(self, *args: Any, **options: Any) -> str | None:
        if options.get("stage"):
            try:
                reconfigure(variables_of(options["stage"]))
            except (LookupError, ImproperlyConfigured) as exc:
                raise CommandError(f"--stage: {exc}") from exc
        return super().execute(*args, **options)

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table that the command works on, then act."""
        if self.needs_dynamodb(options):
            print(place(), file=sys.stderr)  # noqa: T201
        super().handle(*args, **options)

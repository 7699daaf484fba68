"""Sources of events: this machine, a file, or the log of a deployed stage."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from insights import cloudwatch, store
from insights.arguments import zone
from insights.event_lines import KeptEvent, read_lines
from stages import Stage, stage_of
from stages.commands import readable_errors
from streams.audit import user_in_logs


class InsightsCommand(BaseCommand):
    """A command that reads events.

    Without `--events` and `--stage` it reads the events of this machine.
    """

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options that both commands have."""
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--stage",
            help="Read the function's log of this stage of zappa_settings.json.",
        )
        source.add_argument(
            "--events",
            metavar="FILE",
            help=(
                "Read a file of lines as EVENTS=log writes them, or the answer of "
                "aws logs; - is standard input."
            ),
        )
        parser.add_argument(
            "--zone",
            type=zone,
            default="UTC",
            help="Time zone of the input and the output: Europe/Madrid.",
        )

    def read_events(
        self,
        options: dict[str, Any],
        *,
        since: int,
        until: int,
        user: str | None = None,
    ) -> list[KeptEvent]:
        """Return the events of one user, or of all users.

        Raises:
            CommandError
        """
        with readable_errors():
            if options["stage"]:
                stage = stage_of(options["stage"])
                return self._of_stage(stage, since=since, until=until, user=user)
            if options["events"] is None:
                return kept_here(since=since, until=until, user=user)

            lines = list(cloudwatch.lines_in(_text(options["events"])))
            events: list[KeptEvent] = []
            for name in _names(user):
                events += read_lines(lines, since=since, until=until, user=name)
            return events

    def _of_stage(
        self,
        stage: Stage,
        *,
        since: int,
        until: int,
        user: str | None,
    ) -> list[KeptEvent]:
        logs = stage.client("logs")
        if user is None:
            lines = cloudwatch.all_messages(stage, since=since, until=until, logs=logs)
        else:
            names = cloudwatch.names(user, stage)
            command = cloudwatch.command(stage, names, since=since, until=until)
            self.stderr.write(command)
            lines = cloudwatch.messages_of(
                stage,
                names,
                since=since,
                until=until,
                logs=logs,
            )
        return read_lines(lines, since=since, until=until)


def kept_here(*, since: int, until: int, user: str | None) -> list[KeptEvent]:
    """Return the events of this machine, of one user or of all users."""
    events: list[KeptEvent] = []
    for name in _names(user):
        events += store.read(since=since, until=until, user=name)
    return events


def _names(user: str | None) -> list[str] | list[None]:
    """Return the names of a user in events.

    Events contain the keyed hash or, with `LOG_USER_IDS`, the id itself.
    """
    if user is None:
        return [None]
    return list(dict.fromkeys((user_in_logs(user), user)))


def _text(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read()
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        raise CommandError(f"{name} cannot be read: {exc}") from exc

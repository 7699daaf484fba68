"""`manage.py leftovers STAGE`: the resources that remain after an undeployment."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.releases import Leftover, find_leftovers
from stages import Stage
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Lists what remains, or deletes it."""

    help = (
        "Lists what `zappa undeploy STAGE` leaves: alarms, log, role, web ACL, usage "
        "plans and keys, table, bucket. --delete removes what can be created again; "
        "table, log, bucket and keys remain until an operator deletes them by hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--delete", action="store_true", help="delete what can be created again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        with readable_errors():
            for leftover in find_leftovers(stage, stage.client):
                if leftover.delete is None:
                    self.stdout.write(
                        f"{leftover.name} (stays: it cannot be created again)"
                    )
                elif options["delete"]:
                    self._delete(stage, leftover)
                else:
                    self.stdout.write(leftover.name)

    def _delete(self, stage: Stage, leftover: Leftover) -> None:
        if leftover.is_in_use:
            raise CommandError(
                f"The stage is deployed: zappa undeploy {stage.name} first."
            )
        if leftover.delete:
            leftover.delete()
        self.stdout.write(f"deleted {leftover.name}")

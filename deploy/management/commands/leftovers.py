"""`manage.py leftovers STAGE`: what stays when a stage is undeployed, by name, and with `--delete` what can go."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.leftovers import leftovers
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """List what is left, or delete it."""

    help = (
        "Lists what `zappa undeploy STAGE` leaves: alarms, log, role, web ACL, usage plans and keys, table, bucket. "
        "--delete takes away what can be made again; table, bucket and keys stay until somebody deletes them by hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--delete", action="store_true", help="delete what can be made again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        with readable_errors():
            for left in leftovers(stage, stage.client):
                if options["delete"] and left.delete and left.is_in_use:
                    raise CommandError(
                        f"The stage is deployed: zappa undeploy {stage.name} first."
                    )
                if options["delete"] and left.delete:
                    left.delete()
                    self.stdout.write(f"deleted {left.what}")
                else:
                    self.stdout.write(
                        f"{left.what}"
                        + ("" if left.delete else " (stays: it cannot be made again)")
                    )

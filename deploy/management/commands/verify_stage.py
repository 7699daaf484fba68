"""`manage.py verify_stage STAGE`: check a deployed stage in its AWS account."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.releases import verify_account
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Checks what no emulator shows."""

    help = (
        "Checks a deployed STAGE in its account: version, snapshot, role, and the "
        "answers of API Gateway from outside."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--url", help="address of the service, if it is not API Gateway's"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        failed = 0
        with readable_errors():
            for fact in verify_account(stage, stage.client, options["url"]):
                if fact.holds:
                    self.stdout.write(f"yes  {fact.statement}")
                else:
                    failed += 1
                    self.stdout.write(f"NO   {fact.statement}: {fact.observation}")
        if failed:
            raise CommandError(f"{failed} of these statements do not hold.")

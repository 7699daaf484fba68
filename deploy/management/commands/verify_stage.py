"""`manage.py verify_stage STAGE`: what no emulator shows, looked at in the real account, step by step."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.verify import verify
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Look at a deployed stage."""

    help = "Checks a deployed STAGE in its account: version, snapshot, role, and what API Gateway answers from outside."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--url", help="where it is called by, if not at API Gateway's own address"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        failed = 0
        with readable_errors():
            for found in verify(stage, stage.client, options["url"]):
                failed += not found.is_so
                self.stdout.write(
                    f"{'yes' if found.is_so else 'NO '}  {found.what}"
                    + ("" if found.is_so else f": {found.said}")
                )
        if failed:
            raise CommandError(f"{failed} of these are not so.")

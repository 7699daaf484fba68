"""`manage.py rewrite_items STAGE`: every item as version 1.0 reads it, for the way back to it."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from deploy.first_format import rewrite
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Rewrite the items of a table."""

    help = (
        "Rewrites every item of STAGE's table as version 1.0 of the service reads it. First promote a version of 1.0: "
        "until its item is rewritten, a user gets 500 from it, and no stream. Set no limits meanwhile."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        if not stage.table:
            raise CommandError(f"The stage {stage.name} names no table.")
        with readable_errors():
            done = Counter(rewrite(stage.table, stage.client("dynamodb")))
        self.stdout.write(
            f"Rewrote {done[True]} items of {stage.table} as version 1.0 reads them."
        )
        if done[False]:
            raise CommandError(f"{done[False]} changed meanwhile: run this again.")

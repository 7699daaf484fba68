"""`manage.py rewrite_items STAGE`: convert every item for a rollback to version 1.0."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from deploy.releases import rewrite_items
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Converts the items of a table."""

    help = (
        "Converts every item of STAGE's table to the format of version 1.0 of the "
        "service. First promote a version of 1.0: it answers 500 for a user until the "
        "user's item is converted. Set no limits meanwhile."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        if not stage.table:
            raise CommandError(f"The stage {stage.name} names no table.")

        with readable_errors():
            counts = Counter(rewrite_items(stage.table, stage.client("dynamodb")))

        converted, changed = counts[True], counts[False]
        self.stdout.write(
            f"Converted {converted} items of {stage.table} to the format of "
            "version 1.0."
        )
        if changed:
            raise CommandError(f"{changed} changed meanwhile: run this again.")

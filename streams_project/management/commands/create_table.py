"""`manage.py create_table`: the table in a local database."""

import time
from typing import Any, override

from django.core.management.base import BaseCommand, CommandError, CommandParser

from streams.conf import settings
from streams.errors import StoreUnavailable
from streams.storage.store import create_table

PAUSE_SECONDS = 0.5


class Command(BaseCommand):
    """Create the table."""

    help = (
        "Creates the table if it does not exist, and waits until the database "
        "answers. On AWS, provision creates it with its alarms and backups."
    )
    requires_system_checks = ()

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=60,
            metavar="SECONDS",
            help="Time to wait for the database (60).",
        )

    @override
    def handle(self, *args: Any, wait: float, **options: Any) -> None:
        ends_at = time.monotonic() + wait
        while True:
            try:
                create_table()
            except StoreUnavailable as exc:
                if time.monotonic() > ends_at:
                    raise CommandError(f"The database does not answer: {exc}") from exc
                time.sleep(PAUSE_SECONDS)
            else:
                break
        self.stdout.write(f"The table {settings.DYNAMODB_TABLE} exists.")

"""`manage.py provision`: the table, and the API's throttling."""

from typing import Any

import boto3
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.provision import Wanted, plan


class Command(BaseCommand):
    """Make what a deployment needs beside the function."""

    help = "Creates or adapts the table (DYNAMODB_TABLE) and the API's throttling. May be run again; deletes nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Print the plan and change nothing.")
        parser.add_argument(
            "--units", type=int, help="Provisioned read and write units, scaled as used; else on demand."
        )
        parser.add_argument("--stage", help="The deployed stage whose API is throttled (stream-limits-STAGE).")
        parser.add_argument("--rate", type=float, default=1000, help="Requests a second, all callers together.")
        parser.add_argument("--burst", type=int, default=2000, help="Requests at once.")
        parser.add_argument("--topic", help="ARN of the SNS topic that alarms are sent to; else they are only seen.")

    def handle(self, *args: Any, **options: Any) -> None:
        stage = options["stage"]
        wanted = Wanted(
            table=settings.DYNAMODB_TABLE,
            units=options["units"],
            api=f"stream-limits-{stage}" if stage else None,
            api_stage=stage,
            rate=options["rate"],
            burst=options["burst"],
            topic=options["topic"],
        )

        def client(service: str) -> Any:
            endpoint = settings.DYNAMODB_ENDPOINT if service == "dynamodb" else None
            return boto3.client(service, region_name=settings.AWS_REGION, endpoint_url=endpoint)

        try:
            steps = list(plan(wanted, client))
        except LookupError as exc:
            raise CommandError(str(exc)) from exc
        for step in steps:
            self.stdout.write(("would " if options["dry_run"] else "") + step.what)
            if not options["dry_run"]:
                step.do()
        if not steps:
            self.stdout.write("Everything is as it should be.")

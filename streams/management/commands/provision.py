"""`manage.py provision`: the table, and the API's throttling, consumers and alarms."""

from argparse import ArgumentTypeError
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.consumers import Consumer
from deploy.preflight import stage_of
from deploy.provision import Wanted, plan
from deploy.steps import Step


def consumer(text: str) -> Consumer:
    """`NAME:RATE:BURST`."""
    try:
        name, rate, burst = text.split(":")
        return Consumer(name=name, rate=float(rate), burst=int(burst))
    except ValueError as exc:
        raise ArgumentTypeError(f"{text!r} is not NAME:RATE:BURST, such as billing:50:100") from exc


class Command(BaseCommand):
    """Make what a deployment needs beside the function."""

    help = "Creates or adapts the table, and of a stage the API's throttling, consumers and alarms. Deletes nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Print the plan and change nothing.")
        parser.add_argument("--stage", help="A deployed stage of zappa_settings.json: its table, region and API.")
        capacity = parser.add_mutually_exclusive_group()
        capacity.add_argument("--units", type=int, help="Provisioned read and write units, scaled as they are used.")
        capacity.add_argument("--on-demand", action="store_true", help="Pay for each request: how a new table begins.")
        parser.add_argument("--rate", type=float, default=1000, help="Requests a second, all callers together.")
        parser.add_argument("--burst", type=int, default=2000, help="Requests at once.")
        parser.add_argument(
            "--consumer",
            type=consumer,
            action="append",
            default=[],
            help="NAME:RATE:BURST of a back end: its own plan and key.",
        )
        parser.add_argument(
            "--viewer-rate",
            type=int,
            help="Requests a minute of one viewer, by AWS WAF, which is paid for by the month.",
        )
        parser.add_argument("--topic", help="ARN of the SNS topic that alarms are sent to; else they are only seen.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["stage"]
        try:
            stage = stage_of(name) if name else {}
        except KeyError as exc:
            raise CommandError(f"zappa_settings.json has no stage {exc}.") from exc
        region = stage.get("aws_region", settings.AWS_REGION)
        function = f"{stage['project_name']}-{name}" if stage else None
        wanted = Wanted(
            table=stage.get("environment_variables", {}).get("DYNAMODB_TABLE", settings.DYNAMODB_TABLE),
            units=options["units"],
            on_demand=options["on_demand"],
            api=function,
            api_stage=name,
            rate=options["rate"],
            burst=options["burst"],
            viewer_rate=options["viewer_rate"],
            topic=options["topic"],
            consumers=tuple(options["consumer"]),
        )

        def client(service: str) -> Any:
            endpoint = settings.DYNAMODB_ENDPOINT if service == "dynamodb" else None
            return boto3.client(service, region_name=region, endpoint_url=endpoint)

        try:
            self._carry_out(list(plan(wanted, client)), is_dry_run=options["dry_run"])
        except LookupError as exc:
            raise CommandError(str(exc)) from exc
        except (BotoCoreError, ClientError) as exc:
            raise CommandError(
                f"AWS refused, or cannot be reached: {exc}\n"
                "Check AWS_PROFILE (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), the region, and what these "
                "credentials may do. What was done stays; the same command goes on from there."
            ) from exc

    def _carry_out(self, steps: list[Step], *, is_dry_run: bool) -> None:
        """Say each step before it is done, since AWS takes its time, and after."""
        for step in steps:
            if is_dry_run:
                self.stdout.write(f"would {step.what}")
                continue
            self.stdout.write(step.what, ending=" … ")
            self.stdout.flush()
            step.do()
            self.stdout.write("done")
        if not steps:
            self.stdout.write("Everything is as it should be.")

"""`manage.py provision STAGE`: what the stage needs beside its function, as its file in deploy/wanted says."""

import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from deploy.provision import plan
from deploy.state import Consumer, wanted_of
from deploy.steps import Step, carry_out
from stages.commands import StageCommand, readable_errors

DRIFT = 2
"""The exit status of `--plan` when something differs."""


def consumer(text: str) -> Consumer:
    """`NAME:RATE:BURST`."""
    try:
        name, rate, burst = text.split(":")
        return Consumer(name=name, rate=float(rate), burst=int(burst))
    except ValueError as exc:
        raise ArgumentTypeError(
            f"{text!r} is not NAME:RATE:BURST, such as billing:50:100"
        ) from exc


class Command(StageCommand):
    """Make what a deployment needs beside the function."""

    help = (
        "Creates or adapts table, throttling, API Gateway's own answers, consumers, web ACL, alarms, dashboard, log "
        "and reserved instances of STAGE as deploy/wanted/STAGE.toml says. Flags go before the file, for this run. "
        "Deletes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--plan",
            action="store_true",
            help="Show what differs and change nothing; 2 if anything.",
        )
        parser.add_argument(
            "--only-table",
            action="store_true",
            help="The table alone: before the first deployment.",
        )
        capacity = parser.add_mutually_exclusive_group()
        capacity.add_argument(
            "--units",
            type=int,
            help="Provisioned read and write units, scaled as they are used.",
        )
        capacity.add_argument(
            "--on-demand",
            action="store_const",
            const=True,
            help="Pay for each request.",
        )
        parser.add_argument(
            "--viewers", type=int, help="Who play at once: the rates follow."
        )
        parser.add_argument(
            "--rate", type=float, help="Requests a second, all callers together."
        )
        parser.add_argument("--burst", type=int, help="Requests at once.")
        parser.add_argument(
            "--consumer",
            type=consumer,
            action="append",
            help="NAME:RATE:BURST of a back end.",
        )
        parser.add_argument(
            "--viewer-rate",
            type=int,
            help="Requests a minute of one viewer, by AWS WAF.",
        )
        parser.add_argument(
            "--topic", help="ARN of the SNS topic that alarms are sent to."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        names = (
            "units",
            "on_demand",
            "viewers",
            "rate",
            "burst",
            "viewer_rate",
            "topic",
        )
        flags = {name: options[name] for name in names} | {
            "consumers": options["consumer"]
        }
        if given := [name for name, value in flags.items() if value is not None]:
            self.stdout.write(
                f"For this run, before deploy/wanted/{stage.name}.toml: {', '.join(given)}"
            )
        with readable_errors():
            wanted = wanted_of(stage, flags)

            def left() -> list[Step]:
                return list(
                    plan(stage, wanted, stage.client, only_table=options["only_table"])
                )

            if options["plan"]:
                steps = left()
                for step in steps:
                    self.stdout.write(f"would {step}")
                if steps:
                    sys.exit(DRIFT)
            if options["plan"] or not carry_out(left, say=self._say):
                self.stdout.write("Everything is as it should be.")

    def _say(self, text: str) -> None:
        """Each step before it is done, since AWS takes its time, and after."""
        self.stdout.write(text, ending="")
        self.stdout.flush()

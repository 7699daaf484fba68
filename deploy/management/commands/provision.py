"""`manage.py provision STAGE`: deploy the infrastructure of a stage."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.infrastructure import (
    Change,
    Consumer,
    Provisioning,
    as_text,
    read_stage_file,
    unconfirmed,
)
from deploy.releases import shell_variables
from stages.commands import StageCommand, readable_errors

DIFFERS = 2
"""The exit status of `--plan` when the stage differs from its file."""
FLAGS = ("units", "on_demand", "viewers", "rate", "burst", "viewer_rate", "topic")
MATCHES = "The stage matches its file."


def consumer(text: str) -> Consumer:
    """Return the back end that `NAME:RATE:BURST` describes."""
    try:
        name, rate, burst = text.split(":")
        return Consumer(name=name, rate=float(rate), burst=int(burst))
    except ValueError as exc:
        raise ArgumentTypeError(
            f"{text!r} is not NAME:RATE:BURST, such as billing:50:100"
        ) from exc


class Command(StageCommand):
    """Deploy the infrastructure of a stage."""

    help = (
        "Shows the changes that deploy/wanted/STAGE.toml requires of STAGE: the "
        "CloudFormation stack (table, role, log group, alarms, dashboard, web ACL and "
        "keys of back ends), its drift, and the limits and answers of Zappa's API. "
        "Asks, then applies them. Flags take precedence over the file for this run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--plan",
            action="store_true",
            help=f"show the changes and the drift only; exit status {DIFFERS} for any",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--lower",
            metavar="KEY",
            action="append",
            default=[],
            help="confirm the reduction of this key; --yes confirms none",
        )
        parser.add_argument(
            "--without-api",
            action="store_true",
            help="detach the stack from the API, before zappa undeploy",
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="remove rights to tables and secrets that no kept version uses",
        )
        self._add_values(parser)

    def _add_values(self, parser: CommandParser) -> None:
        capacity = parser.add_mutually_exclusive_group()
        capacity.add_argument(
            "--units", type=int, help="provisioned read and write units, auto-scaled"
        )
        capacity.add_argument(
            "--on-demand", action="store_const", const=True, help="pay per request"
        )
        parser.add_argument(
            "--viewers", type=int, help="viewers at once, which imply the rates"
        )
        parser.add_argument(
            "--rate", type=float, help="requests per second of all callers"
        )
        parser.add_argument("--burst", type=int, help="requests at once")
        parser.add_argument(
            "--consumer", type=consumer, action="append", help="NAME:RATE:BURST"
        )
        parser.add_argument(
            "--viewer-rate", type=int, help="requests per minute of one viewer"
        )
        parser.add_argument("--topic", help="ARN of the SNS topic of the alarms")

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        flags = {name: options[name] for name in FLAGS}
        flags["consumers"] = options["consumer"]
        self._say_flags(stage.name, flags)

        with readable_errors():
            provisioning = Provisioning(
                stage,
                read_stage_file(stage, flags),
                with_api=not options["without_api"],
                prune=options["prune"],
                variables=shell_variables(),
            )
            provisioning.check()
            changes = provisioning.changes()
            if not changes:
                self.stdout.write(MATCHES)
            elif options["plan"]:
                self._show(changes, "would ")
                provisioning.discard()
                sys.exit(DIFFERS)
            else:
                self._apply(provisioning, changes, options)

    def _say_flags(self, stage: str, flags: dict[str, Any]) -> None:
        names = [name for name, value in flags.items() if value is not None]
        if names:
            self.stdout.write(
                f"For this run, instead of deploy/wanted/{stage}.toml: "
                f"{', '.join(names)}"
            )

    def _apply(
        self, provisioning: Provisioning, changes: list[Change], options: dict[str, Any]
    ) -> None:
        self._show(changes)
        kept = self._kept(changes, options)
        if kept:
            provisioning.discard()
            changes = provisioning.changes(kept=kept)
            self._say_kept(kept)
        if not changes:
            return
        if not options["yes"] and not _confirms("Apply these changes?"):
            provisioning.discard()
            raise CommandError("No change was made.")

        provisioning.apply(changes, self._say)
        self._say("Done.")
        if not provisioning.has_topic:
            file = f"deploy/wanted/{options['stage']}.toml"
            self._say(f"Warning: the alarms have no receiver. Set topic in {file}.")
        if not provisioning.has_api and not options["without_api"]:
            stage = options["stage"]
            self._say(f"Next: zappa deploy {stage}, then manage.py provision {stage}.")

    def _kept(self, changes: list[Change], options: dict[str, Any]) -> list[Change]:
        """Return the reductions that stay undone, since they are not confirmed."""
        pending = unconfirmed(changes, options["lower"])
        if options["yes"] or not sys.stdin.isatty():
            return pending
        return [change for change in pending if not _confirms(f"{change}?")]

    def _say_kept(self, kept: Iterable[Change]) -> None:
        for change in kept:
            self.stdout.write(
                f"{change.subject} stays at {as_text(change.before)}: "
                f"--lower {change.name} confirms the reduction."
            )

    def _show(self, changes: Iterable[Change], prefix: str = "") -> None:
        for change in changes:
            self.stdout.write(f"{prefix}{change}")

    def _say(self, text: str) -> None:
        """Write a line at once, since a step can take minutes."""
        self.stdout.write(text)
        self.stdout.flush()


def _confirms(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() == "y"
    except EOFError as exc:
        raise CommandError(
            "No terminal to answer: --yes applies the changes. No change was made."
        ) from exc

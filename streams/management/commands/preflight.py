"""`manage.py preflight STAGE`: what would go wrong with `zappa deploy STAGE`."""

import os
from typing import Any

import boto3
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy import preflight
from deploy.stage import SECRETS


class Command(BaseCommand):
    """Say what stands in the way of a deployment."""

    help = "Finds what would go wrong with `zappa deploy STAGE`, before anything is touched, and says what to do."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stage", help="a stage of zappa_settings.json")

    def handle(self, *args: Any, stage: str, **options: Any) -> None:
        try:
            settings = preflight.stage_of(stage)
        except KeyError as exc:
            raise CommandError(f"zappa_settings.json has no stage {exc}.") from exc
        given = {name: os.environ[name] for name in SECRETS if os.environ.get(name)}
        found = list(preflight.problems(stage, settings, given, boto3.Session()))
        if found:
            raise CommandError("\n".join(["Not ready to deploy:", *(f"- {problem}" for problem in found)]))
        self.stdout.write(f"Ready: zappa deploy {stage}")

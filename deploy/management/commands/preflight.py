"""`manage.py preflight STAGE`: what would go wrong with `zappa deploy STAGE` or `zappa update STAGE`."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.management.base import CommandError, CommandParser

from deploy import preflight
from deploy.environment import changes, given, listed, will_have
from deploy.management.stages import StageCommand
from deploy.versions import Versions


class Command(StageCommand):
    """Say what stands in the way of a deployment."""

    help = "Finds what would go wrong with a deployment of STAGE, before anything is touched, and says what to do."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--unset", default="", help="variables to take out of the function, comma-separated")

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        try:
            remote = Versions(stage, stage.client("lambda")).environment()
        except (BotoCoreError, ClientError, ValueError):
            remote = None  # no way to AWS, which is found below
        unset = listed(options["unset"])
        environment = will_have(stage, remote=remote or {}, shell=given(), unset=unset)
        if problems := list(preflight.problems(stage, environment, stage.client)):
            raise CommandError("\n".join(["Not ready to deploy:", *(f"- {problem}" for problem in problems)]))
        for line in changes(remote or {}, environment.of_lambda):
            self.stdout.write(f"  {line}")
        self.stdout.write(f"Ready: zappa {'deploy' if remote is None else 'update'} {stage.name}")

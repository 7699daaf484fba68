"""`manage.py preflight STAGE`: what would go wrong with `zappa deploy STAGE` or `zappa update STAGE`."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.management.base import CommandError, CommandParser

from deploy import preflight
from deploy.environment import changes, given, stays, will_have
from deploy.versions import Versions
from stages import comma_separated
from stages.commands import StageCommand


class Command(StageCommand):
    """Say what stands in the way of a deployment."""

    help = "Finds what would go wrong with a deployment of STAGE, before anything is touched, and says what to do."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--unset",
            default="",
            help="variables to take out of the function, comma-separated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        try:
            versions = Versions(stage, stage.client("lambda"))
            remote, live = versions.environment(), versions.live()
            before = versions.environment_of(live.version) if live else remote
        except (BotoCoreError, ClientError, ValueError):
            remote = before = None  # no way to AWS, which is found below
        unset, shell = comma_separated(options["unset"]), given()
        environment = will_have(stage, remote=remote or {}, shell=shell, unset=unset)
        problems = [
            *stays(unset, stage, remote=remote or {}, shell=shell),
            *preflight.problems(stage, environment, stage.client),
        ]
        if problems:
            raise CommandError(
                "\n".join(
                    ["Not ready to deploy:", *(f"- {problem}" for problem in problems)]
                )
            )
        for line in changes(before or {}, environment.of_lambda):
            self.stdout.write(f"  {line}")
        self.stdout.write(
            f"Ready: zappa {'deploy' if remote is None else 'update'} {stage.name}"
        )

"""`manage.py preflight STAGE`: what would go wrong with a deployment of the stage."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.releases import (
    changes,
    check_deployment,
    confirm_order,
    shell_variables,
)
from stages import comma_separated
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Reports the problems of a deployment, or the changes that it would make."""

    help = (
        "Finds what would go wrong with a deployment of STAGE, before anything changes "
        "in AWS, and says how to correct it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--unset",
            default="",
            help="variables to remove from the function, comma-separated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        result = check_deployment(
            stage,
            shell=shell_variables(),
            unset=comma_separated(options["unset"]),
        )
        if result.problems:
            lines = [f"- {problem}" for problem in result.problems]
            raise CommandError("\n".join(["Not ready to deploy:", *lines]))

        with readable_errors():
            confirm_order(stage, result.deployed.alias, result.environment.of_lambda)
        before = result.deployed.live or {}
        for line in changes(before, result.environment.of_lambda):
            self.stdout.write(f"  {line}")

        command = "deploy" if result.deployed.is_first_deployment else "update"
        self.stdout.write(f"Ready: zappa {command} {stage.name}")

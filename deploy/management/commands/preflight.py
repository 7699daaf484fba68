"""`manage.py preflight STAGE`: what would go wrong with `zappa deploy STAGE` or `zappa update STAGE`."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.management.base import CommandError

from deploy import preflight
from deploy.environment import given, will_have
from deploy.management.stages import StageCommand


class Command(StageCommand):
    """Say what stands in the way of a deployment."""

    help = "Finds what would go wrong with a deployment of STAGE, before anything is touched, and says what to do."

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        remote: dict[str, str] = {}
        try:
            found = stage.client("lambda").get_function_configuration(FunctionName=stage.function)
            remote = found.get("Environment", {}).get("Variables", {})
        except (BotoCoreError, ClientError, ValueError):
            pass  # not deployed yet, or no way to AWS, which is found below
        environment = will_have(stage, remote=remote, shell=given())
        if problems := list(preflight.problems(stage, environment, stage.client)):
            raise CommandError("\n".join(["Not ready to deploy:", *(f"- {problem}" for problem in problems)]))
        self.stdout.write(f"Ready: zappa {'update' if remote else 'deploy'} {stage.name}")

"""`manage.py release STAGE`: every step of a release, with one confirmation."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from deploy.infrastructure import Provisioning, read_stage_file
from deploy.management.commands.promote import add_canary_arguments
from deploy.releases import Versions, shell_variables
from stages import PROJECT, Stage
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Runs preflight, table, package, update, checks, traffic and provisioning."""

    help = (
        "Releases the checkout to STAGE: shows the problems and the changes, in the "
        "function's environment and in the stage's other resources; asks; deploys or "
        "updates, and gives the traffic to the new version once it answers."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--unset",
            default="",
            help="variables to remove from the function, comma-separated",
        )
        add_canary_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        self._call("preflight", stage, options, unset=options["unset"])
        is_first = self._show_changes(stage)
        if not options["yes"]:
            _confirm(f"{'Deploy' if is_first else 'Update'} {stage.name}?")

        self._call("provision", stage, options, yes=True)
        self._deploy(stage, options, is_first=is_first)
        self._call("provision", stage, options, yes=True)

    def _show_changes(self, stage: Stage) -> bool:
        """Write what would change and return whether this is a first deployment."""
        with readable_errors():
            versions = Versions(stage, stage.client("lambda"))
            is_first = versions.newest() is None
            provisioning = Provisioning(
                stage, read_stage_file(stage), variables=shell_variables()
            )
            provisioning.check()
            changes = provisioning.changes()
            provisioning.discard()
        for change in changes:
            self.stdout.write(f"would {change}")
        return is_first

    def _deploy(self, stage: Stage, options: dict[str, Any], *, is_first: bool) -> None:
        """Deploy or update the function. Zappa's callbacks run the canary, if asked."""
        variables = {"KEEP": str(options["keep"]), "UNSET": options["unset"]}
        if options["canary"]:
            variables["CANARY"] = options["canary"]
            variables["MINUTES"] = str(options["minutes"])

        command = "deploy" if is_first else "update"
        run_zappa(command, stage, options["zappa_settings"], variables)

    def _call(
        self,
        command: str,
        stage: Stage,
        options: dict[str, Any],
        **more: Any,
    ) -> None:
        """Call another command on the same stage."""
        call_command(
            command,
            stage.name,
            zappa_settings=options["zappa_settings"],
            stdout=self.stdout,
            **more,
        )


def _confirm(question: str) -> None:
    """Raise `CommandError` unless the operator types y."""
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError as exc:
        raise CommandError(
            "The question needs a terminal; --yes answers it. No change was made."
        ) from exc
    if answer.strip().lower() != "y":
        raise CommandError("No change was made.")


def run_zappa(
    command: str, stage: Stage, settings: Path, variables: dict[str, str]
) -> None:
    """Run Zappa's command, whose callbacks check each step."""
    zappa = Path(sys.executable).with_name("zappa")
    region = {"AWS_DEFAULT_REGION": str(stage.region)}
    result = subprocess.run(
        [str(zappa), command, stage.name, "-s", str(settings.absolute())],
        cwd=PROJECT,
        env=os.environ | variables | region,
        check=False,
    )
    if result.returncode != 0:
        raise CommandError("The release ends here; the traffic stays where it was.")

"""`manage.py release STAGE`: everything of a release in one command, with a yes in the middle."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from deploy.provision import plan
from deploy.state import wanted_of
from deploy.versions import KEPT, Versions
from stages import PROJECT, Stage
from stages.commands import StageCommand, minutes, readable_errors, whole_number


class Command(StageCommand):
    """Preflight, table, package, update, checks, traffic, provision."""

    help = (
        "Releases what is checked out to STAGE: says what would go wrong and what would change, in the function's "
        "environment and beside it; asks; deploys or updates, and has the version that answers take the traffic."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--unset",
            default="",
            help="variables to take out of the function, comma-separated",
        )
        parser.add_argument(
            "--canary",
            metavar="5%",
            help="the share of the traffic that tries it first",
        )
        parser.add_argument("--minutes", type=minutes, default=10, help="for so long")
        parser.add_argument(
            "--keep",
            type=whole_number,
            default=KEPT,
            help="so many versions that were live stay",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stage, settings = (
            self.stage(options),
            {"zappa_settings": options["zappa_settings"]},
        )
        call_command(
            "preflight",
            stage.name,
            **settings,
            unset=options["unset"],
            stdout=self.stdout,
        )
        with readable_errors():
            versions = Versions(stage, stage.client("lambda"))
            is_first = versions.environment() is None
            wanted = wanted_of(stage)
            steps = list(plan(stage, wanted, stage.client, only_table=is_first))
        for step in steps:
            self.stdout.write(f"would {step}")
        if not options["yes"] and not _is_wanted(
            f"{'Deploy' if is_first else 'Update'} {stage.name}?"
        ):
            raise CommandError("Nothing was touched.")
        call_command(
            "provision", stage.name, **settings, only_table=True, stdout=self.stdout
        )
        hold = {"HOLD": "1"} if options["canary"] and not is_first else {}
        more = {"KEEP": str(options["keep"]), "UNSET": options["unset"], **hold}
        _zappa(
            "deploy" if is_first else "update", stage, options["zappa_settings"], **more
        )
        if hold:
            newest = versions.published()[0]["Version"]
            share = {name: options[name] for name in ("canary", "minutes", "keep")}
            call_command(
                "promote", stage.name, newest, **settings, **share, stdout=self.stdout
            )
        call_command("provision", stage.name, **settings, stdout=self.stdout)


def _is_wanted(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() == "y"
    except EOFError as exc:
        raise CommandError(
            "Nobody is there to say yes: --yes does. Nothing was touched."
        ) from exc


def _zappa(command: str, stage: Stage, settings: Path, **more: str) -> None:
    """Zappa's own command, whose callbacks check; it says what it does, and asks where it has to."""
    zappa = Path(sys.executable).with_name("zappa")
    done = subprocess.run(
        [str(zappa), command, stage.name, "-s", str(settings.absolute())],
        cwd=PROJECT,
        env=os.environ | more | {"AWS_DEFAULT_REGION": str(stage.region)},
        check=False,
    )
    if done.returncode:
        raise CommandError("The release ends here; the traffic stays where it was.")

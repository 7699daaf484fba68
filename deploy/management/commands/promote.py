"""`manage.py promote STAGE VERSION`: give a version the traffic, and the way back to an earlier one."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.alarms import there
from deploy.versions import KEPT, NotFit, Versions
from stages.commands import StageCommand, minutes, readable_errors, whole_number


class Command(StageCommand):
    """Move the traffic to a version that answers."""

    help = (
        "Checks a published version of STAGE and gives it the traffic, code and environment together; without VERSION "
        "the one that was live before. With --canary it has a share for a while, and an alarm takes it back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "version", nargs="?", help="as `manage.py versions` lists it"
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
        stage = self.stage(options)
        share = _share(options["canary"])
        with readable_errors():
            versions = Versions(stage, stage.client("lambda"))
            live = versions.live()
            version = options["version"] or (
                live.earlier[0] if live and live.earlier else None
            )
            if version is None:
                raise CommandError(
                    "No version was live before: name one of manage.py versions."
                )
            if not version.isdecimal():
                raise CommandError(
                    f"{version!r} is no version: name one of manage.py versions {stage.name}."
                )
            try:
                versions.check(version)
            except NotFit as exc:
                stays = (
                    f"Version {live.version} keeps the traffic."
                    if live
                    else "Nothing has the traffic."
                )
                raise CommandError(f"{exc}\n{stays}") from exc
            if share < 1 and live:
                if not there(stage, stage.client("cloudwatch")):
                    raise CommandError(
                        f"No alarm would take it back: manage.py provision {stage.name} sets them."
                    )
                self.stdout.write(
                    f"Version {version} tries {share:.0%} of the traffic for {options['minutes']:g} minutes."
                )
                alarms = versions.try_out(
                    version,
                    share=share,
                    minutes=options["minutes"],
                    is_alarmed=lambda: there(
                        stage, stage.client("cloudwatch"), StateValue="ALARM"
                    ),
                    sleep=time.sleep,
                )
                if alarms:
                    raise CommandError(
                        f"Taken back, version {live.version} has all traffic: {', '.join(alarms)}"
                    )
            else:
                versions.promote(version)
            versions.set_environment(
                versions.environment_of(version)
            )  # so that the next update begins with it
            self.stdout.write(f"Version {version} is live.")
            if spare := versions.prune(keep=options["keep"]):
                self.stdout.write(
                    f"Deleted versions that nobody goes back to: {', '.join(spare)}"
                )


def _share(text: str | None) -> float:
    try:
        share = float((text or "100%").removesuffix("%")) / 100
    except ValueError as exc:
        raise CommandError(f"--canary is {text!r}, not a share such as 5%.") from exc
    if not 0.01 <= share <= 1:
        raise CommandError(f"--canary is {text!r}, not a share from 1% to 100%.")
    return share

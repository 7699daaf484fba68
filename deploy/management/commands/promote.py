"""`manage.py promote STAGE [VERSION]`: move the traffic to a version, or back."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.infrastructure import alarm_names
from deploy.releases import VERSIONS_KEPT, Live, NotFit, Versions
from stages import Stage
from stages.commands import StageCommand, minutes, readable_errors, whole_number

MIN_SHARE = 0.01


class Command(StageCommand):
    """Moves the traffic to a version that answers."""

    help = (
        "Checks a published version of STAGE and gives it the traffic, code and "
        "environment together; without VERSION, the one that was live before. With "
        "--canary it receives a share first, and an alarm ends the canary."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "version", nargs="?", help="as `manage.py versions` lists it"
        )
        add_canary_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        share = _share(options["canary"])
        with readable_errors():
            versions = Versions(stage, stage.client("lambda"))
            live = versions.live()
            version = _version(options["version"], stage, live)
            _check(versions, version, live)

            if live and share < 1:
                self._try_out(stage, versions, version, live, share, options["minutes"])
            else:
                versions.promote(version)
            self.stdout.write(f"Version {version} is live.")

            # The next update begins with the variables of this version.
            versions.set_environment(versions.environment_of(version))
            deleted = versions.prune(keep=options["keep"])
        if deleted:
            self.stdout.write(
                f"Deleted versions that no rollback needs: {', '.join(deleted)}"
            )

    def _try_out(
        self,
        stage: Stage,
        versions: Versions,
        version: str,
        live: Live,
        share: float,
        minutes: float,
    ) -> None:
        """Promote a version after a canary, or raise `CommandError` after an alarm."""
        cloudwatch = stage.client("cloudwatch")
        if not alarm_names(stage, cloudwatch):
            raise CommandError(
                "No alarm would end the canary: manage.py provision "
                f"{stage.name} sets them."
            )

        self.stdout.write(
            f"Version {version} tries {share:.0%} of the traffic for {minutes:g} "
            "minutes."
        )
        alarms = versions.try_out(
            version,
            share=share,
            minutes=minutes,
            is_alarmed=lambda: alarm_names(stage, cloudwatch, StateValue="ALARM"),
            sleep=time.sleep,
        )
        if alarms:
            raise CommandError(
                f"The canary ended, version {live.version} has all traffic: "
                f"{', '.join(alarms)}"
            )


def add_canary_arguments(parser: CommandParser) -> None:
    """Add the options of a canary and of the versions that remain."""
    parser.add_argument(
        "--canary",
        metavar="5%",
        help="the share of the traffic that the version receives first",
    )
    parser.add_argument(
        "--minutes", type=minutes, default=10, help="duration of the canary (10)"
    )
    parser.add_argument(
        "--keep",
        type=whole_number,
        default=VERSIONS_KEPT,
        help=f"number of earlier live versions that remain ({VERSIONS_KEPT})",
    )


def _version(named: str | None, stage: Stage, live: Live | None) -> str:
    """Return the version to promote: the named one, or the one that was live before."""
    if named is None:
        if live is None or not live.earlier:
            raise CommandError(
                "No version was live before: name one of manage.py versions."
            )
        return live.earlier[0]

    if not named.isdecimal():
        raise CommandError(
            f"{named!r} is no version: name one of manage.py versions {stage.name}."
        )
    return named


def _check(versions: Versions, version: str, live: Live | None) -> None:
    try:
        versions.check(version)
    except NotFit as exc:
        if live:
            consequence = f"Version {live.version} keeps the traffic."
        else:
            consequence = "No version has the traffic."
        raise CommandError(f"{exc}\n{consequence}") from exc


def _share(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError as exc:
        raise CommandError(f"--canary is {text!r}, not a share such as 5%.") from exc
    if not MIN_SHARE <= share <= 1:
        raise CommandError(f"--canary is {text!r}, not a share from 1% to 100%.")
    return share

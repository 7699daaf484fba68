"""`manage.py promote STAGE [VERSION]`: move the traffic to a version, or back."""

import os
from typing import Any

from django.core.management.base import CommandError, CommandParser

from deploy.releases import (
    VERSIONS_KEPT,
    Canary,
    Credentials,
    Live,
    NotFit,
    Versions,
    confirm_order,
    confirm_token_loss,
    move_traffic,
    parse_share,
    viewer_token,
)
from stages import Stage
from stages.commands import StageCommand, minutes, readable_errors, whole_number


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
        with readable_errors():
            share = parse_share(options["canary"] or "100%")
            versions = Versions(stage, stage.client("lambda"))
            live = versions.live()
            version = _version(options["version"], stage, live)
            environment = versions.environment_of(version)
            if live:
                before = versions.environment_of(live.version)
                confirm_token_loss(stage, before, environment)
                confirm_order(stage, live, environment, version=version)

            canary = Canary(share, options["minutes"]) if share < 1 else None
            self._promote(stage, version, live, canary)
            # The next update begins with the variables of this version.
            versions.set_environment(environment)
            deleted = versions.prune(keep=options["keep"])
        if deleted:
            self.stdout.write(
                f"Deleted versions that no rollback needs: {', '.join(deleted)}"
            )

    def _promote(
        self, stage: Stage, version: str, live: Live | None, canary: Canary | None
    ) -> None:
        """Promote a version that answers, or raise `CommandError`."""
        try:
            Versions(stage, stage.client("lambda")).check(version)
            move_traffic(
                stage,
                version,
                live,
                canary=canary,
                credentials=Credentials(
                    os.environ.get("VERIFY_API_KEY"), viewer_token()
                ),
                say=self.stdout.write,
            )
        except NotFit as exc:
            if live:
                consequence = f"Version {live.version} keeps the traffic."
            else:
                consequence = "No version has the traffic."
            raise CommandError(f"{exc}\n{consequence}") from exc


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

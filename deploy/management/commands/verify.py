"""`manage.py verify [URL]`: check a deployment from outside.

`python -m deploy.verify` runs the same checks without Django.
"""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.infrastructure import api_of
from deploy.releases import address_of
from deploy.verify import add_arguments, verify
from stages import stage_of
from stages.commands import readable_errors

OPTIONS = (
    "api_key",
    "token",
    "origin",
    "patience",
    "at_once",
    "slow_ms",
    "is_json",
)


class Command(BaseCommand):
    """Checks a deployment from outside."""

    help = (
        "Checks a deployment from outside and leaves nothing behind: authentication, "
        "the limit under a race, ghosts, denials, endings, clocks, CORS, headers, "
        "latency. Without URL and --stage it checks the service of `make run`."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)
        parser.add_argument(
            "--stage",
            help="check API Gateway's address of this stage of zappa_settings.json",
        )

    def handle(self, *args: Any, url: str, stage: str | None, **options: Any) -> None:
        # httpx would log each request between the lines of the table.
        logging.getLogger("httpx").setLevel(logging.WARNING)

        if stage is not None:
            url = _address(stage)
        arguments = {name: options[name] for name in OPTIONS}
        if not verify(self.stdout.write, url=url, **arguments):
            raise CommandError("Not every check passed.")


def _address(name: str) -> str:
    """Return the URL at which API Gateway serves a stage."""
    with readable_errors():
        stage = stage_of(name)
        api = api_of(stage, stage.client("apigateway"))
    if api is None:
        raise CommandError(f"The stage {name} has no API: zappa deploy {name}")
    return address_of(stage, api)

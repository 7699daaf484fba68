"""`manage.py verify [URL]`: a deployment as its callers see it, also as `python -m deploy.blackbox`."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.blackbox.__main__ import add_arguments, verify
from deploy.gateway import api_of
from stages import SETTINGS, stage_of
from stages.commands import readable_errors


class Command(BaseCommand):
    """Try a deployment from outside."""

    help = (
        "Tries a deployment from outside and leaves nothing behind: authentication, the limit under a race, ghosts, "
        "denials, endings, clocks, CORS, headers, latency. Without URL and --stage: what `make run` serves."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)
        parser.add_argument(
            "--stage",
            help="at API Gateway's address of this stage of zappa_settings.json",
        )

    def handle(self, *args: Any, url: str, stage: str | None, **options: Any) -> None:
        logging.getLogger("httpx").setLevel(
            logging.WARNING
        )  # a line for each request, between those of the table
        if stage is not None:
            url = _address(stage)
        names = (
            "api_key",
            "token",
            "origin",
            "patience",
            "at_once",
            "slow_ms",
            "is_json",
        )
        if not verify(
            self.stdout.write, url=url, **{name: options[name] for name in names}
        ):
            raise CommandError("Not everything holds.")


def _address(name: str) -> str:
    """Where API Gateway serves a stage."""
    with readable_errors():
        try:
            stage = stage_of(name, SETTINGS)
        except KeyError as exc:
            raise CommandError(f"zappa_settings.json has no stage {exc}.") from exc
        api = api_of(stage, stage.client("apigateway"))
    if api is None:
        raise CommandError(f"There is no API of the stage {name}: zappa deploy {name}")
    return f"https://{api['id']}.execute-api.{stage.region}.amazonaws.com/{name}"

"""What the commands of whoever deploys have in common: a stage by its name, and AWS's refusals as sentences."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deploy.stages import SETTINGS, Stage, stage_of
from deploy.steps import Busy


class StageCommand(BaseCommand):
    """A command about a stage of `zappa_settings.json`."""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Extended by commands that take more."""
        parser.add_argument("stage", help="a stage of zappa_settings.json")
        parser.add_argument(
            "--zappa-settings",
            type=Path,
            default=SETTINGS,
            help="another zappa_settings.json",
        )

    def stage(self, options: dict[str, Any]) -> Stage:
        """The stage that is meant. Raises `CommandError`."""
        try:
            return stage_of(options["stage"], options["zappa_settings"])
        except LookupError as exc:
            raise CommandError(str(exc)) from exc


def a_number(text: str) -> int:
    """An option's value: 0 or more."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def a_while(text: str) -> float:
    """An option's value: minutes, up to a day."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0
    if not 0 < minutes <= 24 * 60:
        raise ArgumentTypeError(f"{text!r} is not a number of minutes, at most 1440")
    return minutes


@contextmanager
def in_sentences() -> Iterator[None]:
    """What AWS refuses, and what cannot be, without a traceback."""
    try:
        yield
    except (Busy, LookupError, ValueError) as exc:
        raise CommandError(str(exc)) from exc
    except ClickException as exc:
        raise CommandError(exc.message) from exc
    except (BotoCoreError, ClientError) as exc:
        raise CommandError(
            f"AWS refused, or cannot be reached: {exc}\n"
            "Check AWS_PROFILE (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), the region, and what these "
            "credentials may do. What was done stays; the same command goes on from there."
        ) from exc

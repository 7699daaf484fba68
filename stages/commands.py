"""The base of the commands that work on a stage, and readable errors of AWS."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from click import ClickException
from django.core.management.base import BaseCommand, CommandError, CommandParser

from stages.lookup import SETTINGS, Stage, stage_of

MINUTES_PER_DAY = 24 * 60


class StageCommand(BaseCommand):
    """A command that works on a stage of `zappa_settings.json`."""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the stage. Commands with more arguments extend this method."""
        parser.add_argument("stage", help="a stage of zappa_settings.json")
        parser.add_argument(
            "--zappa-settings",
            type=Path,
            default=SETTINGS,
            help="another zappa_settings.json",
        )

    def stage(self, options: dict[str, Any]) -> Stage:
        """Return the stage that the command line names, or raise `CommandError`."""
        try:
            return stage_of(options["stage"], options["zappa_settings"])
        except LookupError as exc:
            raise CommandError(str(exc)) from exc


def whole_number(text: str) -> int:
    """Parse the value of an option: a whole number, 0 or more."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def minutes(text: str) -> float:
    """Parse the value of an option: a number of minutes, at most a day."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= MINUTES_PER_DAY:
        raise ArgumentTypeError(f"{text!r} is not a number of minutes, at most 1440")
    return number


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn the errors of AWS and of invalid input into `CommandError`."""
    try:
        yield
    except (LookupError, ValueError) as exc:
        raise CommandError(str(exc)) from exc
    except ClickException as exc:
        raise CommandError(exc.message) from exc
    except (BotoCoreError, ClientError) as exc:
        raise CommandError(
            f"AWS refused, or cannot be reached: {exc}\n"
            "Check AWS_PROFILE (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), the "
            "region, and the permissions of these credentials. Completed steps remain; "
            "the same command continues from there."
        ) from exc

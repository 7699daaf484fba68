"""Where the commands find events: what `make run` kept here, a file, or a deployed stage's log."""

import re
import sys
import time
from argparse import ArgumentTypeError
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError, CommandParser

from insights import cloudwatch, store
from insights.store import KeptEvent
from stages import Stage, stage_of
from stages.commands import readable_errors
from streams.audit import user_in_logs

LENGTH = re.compile(r"(\d+)\s*(s|min|m|h|d)")
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


class InsightsCommand(BaseCommand):
    """A command over events. Without `--events` or `--stage` over those of this machine."""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Extended by both commands."""
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--stage",
            help="On this stage of zappa_settings.json: out of its function's log.",
        )
        source.add_argument(
            "--events",
            metavar="FILE",
            help="Of a file of lines as EVENTS=log writes them, or of what aws logs answers; - is standard input.",
        )
        parser.add_argument(
            "--zone",
            type=zone,
            default="UTC",
            help="Of the times given and said: Europe/Madrid.",
        )

    def found(
        self,
        options: dict[str, Any],
        *,
        since: int,
        until: int,
        user: str | None = None,
    ) -> list[KeptEvent]:
        """The events of a user, or of all. Raises `CommandError`."""
        with readable_errors():
            if options["stage"]:
                return self._of_stage(
                    stage_of(options["stage"]), since=since, until=until, user=user
                )
            if options["events"] is None:
                return kept_here(since=since, until=until, user=user)
            lines = list(cloudwatch.lines_in(_text(options["events"])))
            return [
                event
                for name in _names(user)
                for event in store.read_lines(
                    lines, since=since, until=until, user=name
                )
            ]

    def _of_stage(
        self, stage: Stage, *, since: int, until: int, user: str | None
    ) -> list[KeptEvent]:
        logs = stage.client("logs")
        if user is None:
            lines = cloudwatch.all_messages(stage, since=since, until=until, logs=logs)
        else:
            names = cloudwatch.names(user, stage)
            self.stderr.write(
                cloudwatch.command(stage, names, since=since, until=until)
            )
            lines = cloudwatch.messages_of(
                stage, names, since=since, until=until, logs=logs
            )
        return store.read_lines(lines, since=since, until=until)


def kept_here(*, since: int, until: int, user: str | None) -> list[KeptEvent]:
    """The events of this machine, of a user or of all."""
    return [
        event
        for name in _names(user)
        for event in store.read(since=since, until=until, user=name)
    ]


def _names(user: str | None) -> list[str] | list[None]:
    """What a user may be called in events: by the keyed hash, or, with `LOG_USER_IDS`, as they are."""
    return [None] if user is None else list(dict.fromkeys((user_in_logs(user), user)))


def now() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def zone(name: str) -> tzinfo:
    """A time zone by its name. Raises `ArgumentTypeError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ArgumentTypeError(
            f"{name} is no time zone: it is UTC, or like Europe/Madrid."
        ) from exc


def length(text: str) -> int:
    """`90s`, `30min`, `2h`, `7d` as milliseconds. Raises `ArgumentTypeError`."""
    if not (said := LENGTH.fullmatch(text.strip())):
        raise ArgumentTypeError(
            f"{text!r} is no length of time: say 90s, 30min, 2h or 7d."
        )
    return int(said[1]) * SECONDS[said[2]] * 1000


def instant(text: str, *, zone: tzinfo, now: int) -> int:
    """`20:03`, the last time that it was, `2026-11-28`, or `2026-11-28T20:03:11`, with an offset or in the zone, as
    milliseconds since 1970 UTC. Raises `CommandError`."""
    here = datetime.fromtimestamp(now / 1000, zone)
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            hour, minute, second = (int(part) for part in [*text.split(":"), "0"][:3])
            at = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return _ms(at if at <= here else at - timedelta(days=1))
        at = datetime.fromisoformat(text)
    except ValueError as exc:
        raise CommandError(
            f"{text!r} is no time: say 20:03, 2026-11-28 or 2026-11-28T20:03:11+01:00."
        ) from exc
    return _ms(at if at.tzinfo else at.replace(tzinfo=zone))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"{name} cannot be read: {exc}") from exc

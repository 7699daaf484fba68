"""`manage.py why USER [--at 20:03] [--since 2h]`.

Shows the decisions for a user, and the reason of each denied start.
"""

import json
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import pluralize

from insights.arguments import duration, instant, now
from insights.drawing import drawing
from insights.event_lines import KeptEvent
from insights.kinds import DENIED, STARTS
from insights.narrative import denial_lines, narrative, situation
from insights.sources import InsightsCommand
from insights.timeline import Timeline, trimmed_timeline
from reporting.instants import for_people
from streams.printable import printable

AROUND_MS = 1_800_000
"""Time before and after the instant of `--at` that is shown."""
NEAR_MS = 60_000
"""A minute on each side of `--at`, in which denials are shown in full."""
DAY_MS = 86_400_000


class Command(InsightsCommand):
    """The time-line of a user, as sentences and as a drawing."""

    help = (
        "Shows the decisions for USER: which streams played, which starts were "
        "denied, which streams held the slots then, and when a retry could succeed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "user",
            metavar="USER",
            help="The id that the API has, or the name in the log: user-3f2a…",
        )
        parser.add_argument(
            "--at",
            help=(
                "The time in question, with half an hour on each side: 20:03, or "
                "2026-11-28T20:03."
            ),
        )
        parser.add_argument(
            "--since",
            type=duration,
            help="How far back: 90s, 30min, 2h, 7d. The default without --at is 24h.",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="is_json",
            help="Print the events, one per line: docs/events.schema.json.",
        )

    def handle(self, *args: Any, user: str, **options: Any) -> None:
        zone = options["zone"]
        at, since, until = _period(options, now=now())
        events = self.read_events(options, since=since, until=until + 1, user=user)

        if options["is_json"]:
            for event in events:
                self.stdout.write(json.dumps(event))
            return
        if not events:
            self.stdout.write(
                f"No decisions were recorded for {user} in that time. Look further "
                "back (--since 7d), or read another source: --stage for a deployed "
                "stage, --events for a file. EVENTS sets where events are written."
            )
            return

        line = trimmed_timeline(events, since=since, until=until)
        self._write(drawing(line, zone=zone))
        self.stdout.write("")
        if at is None:
            self._write(narrative(line, zone=zone))
        else:
            self._write_minute(line, at, zone)
        period = f"{for_people(line.since, zone)} to {for_people(line.until, zone)}"
        self.stdout.write(f"\nFrom {period} {zone}. {_summary(events)}")

    def _write_minute(self, line: Timeline, at: int, zone: tzinfo) -> None:
        """Write the denials of a minute in full or, if it has none, who played."""
        near = [denial for denial in line.denials if abs(denial.at - at) < NEAR_MS]
        for denial in near:
            self._write(denial_lines(denial, line, zone=zone, is_dated=True))

        if not near:
            playing = situation(line, at, zone=zone)
            self._write([f"No start was denied within a minute of that. {playing}"])

    def _write(self, lines: Iterable[str]) -> None:
        """Write lines, which contain text of players."""
        self.stdout.write("\n".join(map(printable, lines)))


def _period(options: dict[str, Any], *, now: int) -> tuple[int | None, int, int]:
    """Return the instant in question, if any, and the period around it."""
    if options["at"] is None:
        back = options["since"] or DAY_MS
        return None, max(0, now - back), now

    at = instant(options["at"], zone=options["zone"], now=now)
    back = options["since"] or AROUND_MS
    return at, max(0, at - back), min(now, at + AROUND_MS)


def _summary(events: list[KeptEvent]) -> str:
    starts = sum(event["kind"] in STARTS for event in events)
    denied = sum(event["kind"] == DENIED for event in events)
    was = pluralize(starts, " was,s were")
    counts = f"{starts} start{was} admitted and {denied} denied."

    sample = max(int(event.get("sample", 1)) for event in events)
    if sample == 1:
        return counts
    return (
        f"{counts} One heartbeat in {sample} was recorded: the end of a playback "
        "without a stop is approximate."
    )

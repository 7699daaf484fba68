"""`manage.py why USER [--at 20:03] [--since 2h]`: what was decided for a user, and why a start was denied."""

import json
from typing import Any

from django.core.management.base import CommandParser

from insights.sources import InsightsCommand, instant, length, now
from insights.timeline import STARTS, Timeline, timeline
from insights.words import drawn, refused, situation, told

AROUND_MS = 1_800_000
"""What is shown before and after the moment that `--at` names."""
NEAR_MS = 60_000
"""A minute that is named is all of it."""


class Command(InsightsCommand):
    """The time-line of a user, in words and as a drawing."""

    help = (
        "Shows what was decided for USER: which streams played, which starts were denied, who held the slots then, and "
        "when it would have been possible."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "user",
            metavar="USER",
            help="as the API has it, or as the log does: user-3f2a…",
        )
        parser.add_argument(
            "--at",
            help="The moment in question: 20:03, or 2026-11-28T20:03; half an hour on each side.",
        )
        parser.add_argument(
            "--since",
            type=length,
            help="How far back: 90s, 30min, 2h, 7d. Without --at, 24h.",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="is_json",
            help="Print the events, a line each.",
        )

    def handle(self, *args: Any, user: str, **options: Any) -> None:
        zone, today = options["zone"], now()
        at = (
            None
            if options["at"] is None
            else instant(options["at"], zone=zone, now=today)
        )
        back = options["since"] or (AROUND_MS if at else 86_400_000)
        since, until = (at or today) - back, min(today, at + AROUND_MS) if at else today
        events = self.found(options, since=since, until=until + 1, user=user)
        if options["is_json"]:
            for event in events:
                self.stdout.write(json.dumps(event))
            return
        if not events:
            self.stdout.write(
                f"Nothing was decided for {user} in that time, as far as is kept. Look further back (--since 7d), or "
                "elsewhere: --stage for a deployed one, --events for a file. EVENTS says where events go."
            )
            return
        first = min(int(event["at"]) for event in events)
        margin = (until - first) // 20
        line = timeline(events, since=max(since, first - margin), until=until)
        self.stdout.write("\n".join(drawn(line, zone=zone)))
        self.stdout.write("")
        if at is not None:
            self._at(line, at, zone)
        else:
            self.stdout.write("\n".join(told(line, zone=zone)))
        self.stdout.write(f"\nTimes are {zone}. {_summary(events)}")

    def _at(self, line: Timeline, at: int, zone: Any) -> None:
        """The denials of that minute, in full; else who played."""
        near = [
            refusal
            for refusal in line.refusals
            if at - NEAR_MS < refusal.at < at + NEAR_MS
        ]
        for refusal in near:
            self.stdout.write(
                "\n".join(refused(refusal, line, zone=zone, is_dated=True))
            )
        if not near:
            self.stdout.write(
                f"No start was denied within a minute of that. {situation(line, at, zone=zone)}"
            )


def _summary(events: list[dict[str, Any]]) -> str:
    starts = sum(event["kind"] in STARTS for event in events)
    denied = sum(event["kind"] == "denied" for event in events)
    sample = max(int(event.get("sample", 1)) for event in events)
    told = (
        f" Of heartbeats one in {sample} is told: ends that nobody told of are about right."
        if sample > 1
        else ""
    )
    return f"{starts} starts were admitted and {denied} denied.{told}"

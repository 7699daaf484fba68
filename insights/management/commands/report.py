"""`manage.py report --from 2026-11-01 --to 2026-11-28 [--json|--csv|--html]`: what was used, and what was refused."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from insights import paper
from insights.figures import HOUR, as_json, report
from insights.sources import InsightsCommand, instant, now

BEFORE_MS = HOUR
"""What is read of the time before, to know who plays when the period begins: each of them sends heartbeats."""


class Command(InsightsCommand):
    """Figures over everybody's events."""

    help = "Reports of a period: users, starts, denials, how long and how many at once, ghosts, other limits."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from",
            dest="first",
            metavar="TIME",
            help="2026-11-01, or 20:03; a day ago without.",
        )
        parser.add_argument(
            "--to",
            dest="last",
            metavar="TIME",
            help="The end, not included; now without.",
        )
        form = parser.add_mutually_exclusive_group()
        for name, what in (
            ("json", "for programs"),
            ("csv", "a line for each number"),
            ("html", "a page with plots"),
        ):
            form.add_argument(
                f"--{name}",
                action="store_const",
                const=name,
                dest="form",
                help=f"Print it as {what}.",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        zone, today = options["zone"], now()
        until = (
            instant(options["last"], zone=zone, now=today)
            if options["last"]
            else today + 1
        )
        since = (
            instant(options["first"], zone=zone, now=today)
            if options["first"]
            else until - 24 * HOUR
        )
        if since >= until:
            raise CommandError("--from has to be before --to.")
        events = self.found(options, since=since - BEFORE_MS, until=until)
        sample = max((int(event.get("sample", 1)) for event in events), default=1)
        figures = report(events, since=since, until=until)
        period = {
            "from": paper.day(since, zone),
            "to": paper.day(until, zone),
            "zone": str(zone),
            "sample": sample,
        }
        if options["form"] == "json":
            self.stdout.write(
                json.dumps({**period, "figures": as_json(figures)}, indent=2)
            )
        elif options["form"] == "csv":
            self.stdout.write(paper.as_csv(figures), ending="")
        elif options["form"] == "html":
            source = f"Of {len(events):,} events."
            page = paper.html(
                figures,
                since=since,
                until=until,
                source=source,
                sample=sample,
                zone=zone,
            )
            self.stdout.write(page, ending="")
        else:
            self.stdout.write(
                f"From {period['from']} to {period['to']}, {zone}, of {len(events):,} events.\n"
            )
            self.stdout.write(
                paper.text(figures)
                or "Nothing was decided in that time, as far as is kept."
            )

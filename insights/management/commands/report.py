"""`manage.py report --from 2026-11-01 --to 2026-11-28 [--json|--csv|--html]`.

Reports the use of the service in a period, and the starts that it refused.
"""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from insights import report_formats
from insights.arguments import instant, now
from insights.report import report
from insights.report_formats import Scope
from insights.sources import InsightsCommand
from insights.steps import DAY, HOUR
from reporting.charts import MissingLibrary

LEAD_MS = HOUR
"""Time before the period that is read too. Each stream that plays at the begin of the
period sends heartbeats in it."""
FORMATS = {
    "json": "JSON for programs: docs/insights.md",
    "csv": "a line for each number",
    "html": "a page with charts",
}


class Command(InsightsCommand):
    """Figures from the events of all users."""

    help = (
        "Reports a period: users, starts and denials over time, durations, streams at "
        "once, ghosts, and the effect of other limits."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from",
            dest="first",
            metavar="TIME",
            help="Start of the period: 2026-11-01, or 20:03. The default is a day ago.",
        )
        parser.add_argument(
            "--to",
            dest="last",
            metavar="TIME",
            help="End of the period, not included. The default is now.",
        )
        formats = parser.add_mutually_exclusive_group()
        for name, description in FORMATS.items():
            formats.add_argument(
                f"--{name}",
                action="store_const",
                const=name,
                dest="format",
                help=f"Print {description}.",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        zone = options["zone"]
        since, until = _period(options, now=now())
        read_since = max(0, since - LEAD_MS)
        events = self.read_events(options, since=read_since, until=until)

        figures = report(events, since=since, until=until, zone=zone)
        samples = [int(event.get("sample", 1)) for event in events]
        scope = Scope(
            since=since,
            until=until,
            zone=zone,
            events=len(events),
            sample=max(samples, default=1),
        )

        match options["format"]:
            case "json":
                content = report_formats.as_json(figures, scope=scope)
                self.stdout.write(json.dumps(content, indent=2))
            case "csv":
                self.stdout.write(report_formats.as_csv(figures), ending="")
            case "html":
                try:
                    page = report_formats.as_html(figures, scope=scope)
                except MissingLibrary as exc:
                    raise CommandError(str(exc)) from exc
                self.stdout.write(page, ending="")
            case _:
                text = report_formats.as_text(
                    figures, scope=scope, is_terminal=self.stdout.isatty()
                )
                self.stdout.write(text)


def _period(options: dict[str, Any], *, now: int) -> tuple[int, int]:
    """Return the period that the options name.

    Raises:
        CommandError
    """
    zone = options["zone"]
    until = now + 1
    if options["last"]:
        until = instant(options["last"], zone=zone, now=now)
    since = max(0, until - DAY)
    if options["first"]:
        since = instant(options["first"], zone=zone, now=now)
    if since >= until:
        raise CommandError("--from must be before --to.")
    return since, until

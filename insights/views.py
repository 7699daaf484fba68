"""The console's page of a user: `/console/why?user=ana&since=2h&zone=Europe/Madrid`.

It shows the time-line of a user from the events of this machine.
"""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Any, NamedTuple, override

from django.core.management.base import CommandError
from django.http import QueryDict
from django.views.generic import TemplateView

from insights.arguments import moment, now
from insights.arguments import zone as zone_named
from insights.drawing import Scale, shortened
from insights.narrative import denial_lines, ending, named, narrative
from insights.playbacks import EXPIRED, LIVE
from insights.sources import kept_here
from insights.timeline import Timeline, trimmed_timeline
from reporting.instants import for_people, for_programs, time_of_day
from streams.rules import Reason

DEFAULT_SINCE = "2h"
PARAMETERS = ("user", "since", "until", "zone")
FIRST_ROW = 28
"""Place of the first row, below the times. Places and heights are in pixels."""
ROW_HEIGHT = 48
"""Height of a row: a name, and the bars below it."""
MAX_NAME_CHARACTERS = 40
STEPS = 1000
"""Steps of the drawing from left to right, so that the page decides its width."""
MIN_BAR_STEPS = 8

KINDS = {
    LIVE: ("live", "still plays"),
    Reason.STOPPED: ("stopped", "it was stopped, or the same device started again"),
    EXPIRED: ("expired", "its lease ended without a stop: a ghost"),
    Reason.EVICTED: ("ended", "another stream or an operator ended it"),
}
"""The kinds of bars, with their style and their meaning for the legend."""
KIND_OF = dict.fromkeys(Reason, Reason.EVICTED) | {
    Reason.TAKEN_OVER: Reason.STOPPED,
    **{kind: kind for kind in KINDS},
}


class Bar(NamedTuple):
    """A bar of the drawing, or a part of one. Left and width are in percent."""

    left: str
    width: str
    style: str
    title: str


class Cross(NamedTuple):
    """A denied start in the drawing."""

    left: str
    title: str


class Row(NamedTuple):
    """The bars and crosses of a stream's id."""

    name: str
    top: int
    bars: list[Bar]
    crosses: list[Cross]


class WhyView(TemplateView):
    """The time-line of a user."""

    template_name = "insights/why.html"

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query = self.request.GET
        context = {name: query.get(name, "") for name in PARAMETERS}
        context["since"] = context["since"] or DEFAULT_SINCE
        context["zone"] = context["zone"] or str(UTC)
        try:
            shown = _shown(**context)
        except (ArgumentTypeError, CommandError) as exc:
            shown = {"error": str(exc)}
        return super().get_context_data(**kwargs, **context, **shown)


def _shown(*, user: str, since: str, until: str, zone: str) -> dict[str, Any]:
    """Return the time-line of a user for the template, if it has any events.

    Raises:
        ArgumentTypeError, CommandError: a parameter is not valid.
    """
    place = zone_named(zone)
    asked_at = now()
    end = moment(until, zone=place, now=asked_at) if until else asked_at
    begin = moment(since, zone=place, now=asked_at)
    if begin >= end:
        raise CommandError("The begin must be before the end.")

    events = kept_here(since=begin, until=end + 1, user=user) if user else []
    if not events:
        return {}

    line = trimmed_timeline(events, since=begin, until=end)
    period = (begin, end)
    return {
        "line": line,
        "link": _link(user, period, zone=place),
        "period": " to ".join(for_people(at, place) for at in (line.since, line.until)),
        "narrative": list(narrative(line, zone=place)),
        "denials": [
            denial_lines(denial, line, zone=place, is_dated=True)
            for denial in reversed(line.denials)
        ],
        **_drawing(line, place),
    }


def _link(user: str, period: tuple[int, int], *, zone: tzinfo) -> str:
    """Return the query that shows the same period at any time."""
    query = QueryDict(mutable=True)
    since, until = (for_programs(at, zone) for at in period)
    query.update({"user": user, "since": since, "until": until, "zone": str(zone)})
    return query.urlencode()


def _drawing(line: Timeline, zone: tzinfo) -> dict[str, Any]:
    """Return the drawing: a row for each stream's id, the times and the legend."""
    scale = Scale(line.since, line.until, STEPS)
    rows = list(_rows(line, scale, zone))
    times = [(_percent(left), time_of_day(at, zone)) for left, at in scale.quarters()]
    return {
        "rows": rows,
        "times": times,
        "height": FIRST_ROW + len(rows) * ROW_HEIGHT,
        "legend": list(KINDS.values()),
    }


def _rows(line: Timeline, scale: Scale, zone: tzinfo) -> Iterator[Row]:
    for place, (id, label) in enumerate(line.labels.items()):
        yield Row(
            name=shortened(label, MAX_NAME_CHARACTERS),
            top=FIRST_ROW + place * ROW_HEIGHT,
            bars=list(_bars(line, id, scale)),
            crosses=list(_crosses(line, id, scale, zone)),
        )


def _bars(line: Timeline, id: str, scale: Scale) -> Iterator[Bar]:
    for playback in line.playbacks:
        if playback.id != id:
            continue

        kind = KIND_OF.get(playback.reason, Reason.EVICTED)
        title = f"{named(playback)}: {ending(playback)}"
        for start, end in playback.spans(line.until):
            left = scale.column(start)
            width = max(MIN_BAR_STEPS, scale.column(end) - left)
            yield Bar(
                left=_percent(min(left, STEPS - width)),
                width=_percent(width),
                style=KINDS[kind][0],
                title=title,
            )


def _crosses(line: Timeline, id: str, scale: Scale, zone: tzinfo) -> Iterator[Cross]:
    for denial in line.denials:
        if denial.id == id:
            lines = denial_lines(denial, line, zone=zone, is_dated=True)
            yield Cross(_percent(scale.column(denial.at)), " ".join(lines))


def _percent(steps: int) -> str:
    return f"{100 * steps / STEPS:g}%"

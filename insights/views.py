"""The console's page of a user: `/console/why?user=ana&since=2h`.

It shows the time-line of a user from the events of this machine.
"""

from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, override

from django.views.generic import TemplateView

from insights.arguments import duration, now
from insights.drawing import Scale, shortened
from insights.narrative import denial_lines, ending, named, narrative
from insights.sources import kept_here
from insights.timeline import Timeline, trimmed_timeline
from reporting.instants import time_of_day

DEFAULT_SINCE = "2h"
ROW_HEIGHT = 28
NAMES_WIDTH = 160
DRAWING_WIDTH = 800
MIN_BAR_WIDTH = 4
MAX_NAME_CHARACTERS = 20


class Piece(NamedTuple):
    """A bar of the drawing, a part of one, or a cross."""

    top: int
    left: int
    width: int
    kind: str
    title: str


class WhyView(TemplateView):
    """The time-line of a user."""

    template_name = "insights/why.html"

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.GET.get("user", "")
        since = self.request.GET.get("since", "") or DEFAULT_SINCE
        context = {
            "user": user,
            "since": since,
            "error": None,
            "line": None,
        }
        try:
            context |= _shown(user, since)
        except ArgumentTypeError as exc:
            context["error"] = str(exc)
        return super().get_context_data(**kwargs, **context)


def _shown(user: str, since: str) -> dict[str, Any]:
    """Return the time-line of a user for the template, if it has any events.

    Raises:
        ArgumentTypeError: `since` is not a duration.
    """
    until = now()
    begin = max(0, until - duration(since))
    events = kept_here(since=begin, until=until + 1, user=user) if user else []
    if not events:
        return {}

    line = trimmed_timeline(events, since=begin, until=until)
    newest_first = reversed(line.denials)
    return {
        "line": line,
        "narrative": list(narrative(line)),
        "denials": [
            denial_lines(denial, line, is_dated=True) for denial in newest_first
        ],
        **_drawing(line),
    }


def _drawing(line: Timeline) -> dict[str, Any]:
    """Return the drawing: a row for each stream's id, its bars and its crosses."""
    ids = line.ids
    tops = {id: (place + 1) * ROW_HEIGHT for place, id in enumerate(ids)}
    scale = Scale(line.since, line.until, DRAWING_WIDTH)
    return {
        "ids": [(tops[id], shortened(id, MAX_NAME_CHARACTERS)) for id in ids],
        "bars": list(_bars(line, scale, tops)),
        "crosses": list(_crosses(line, scale, tops)),
        "times": [
            (NAMES_WIDTH + left, time_of_day(at)) for left, at in scale.quarters()
        ],
        "height": (len(ids) + 1) * ROW_HEIGHT,
        "width": NAMES_WIDTH + DRAWING_WIDTH,
    }


def _bars(line: Timeline, scale: Scale, tops: Mapping[str, int]) -> Iterator[Piece]:
    for playback in line.playbacks:
        title = f"{named(playback)}: {ending(playback)}"
        for start, end in playback.spans(line.until):
            left = scale.column(start)
            right = scale.column(end)
            yield Piece(
                top=tops[playback.id],
                left=NAMES_WIDTH + left,
                width=max(MIN_BAR_WIDTH, right - left),
                kind=playback.reason,
                title=title,
            )


def _crosses(line: Timeline, scale: Scale, tops: Mapping[str, int]) -> Iterator[Piece]:
    for denial in line.denials:
        yield Piece(
            top=tops[denial.id],
            left=NAMES_WIDTH + scale.column(denial.at),
            width=0,
            kind="denied",
            title=" ".join(denial_lines(denial, line, is_dated=True)),
        )

"""`/console/why?user=ana&since=2h`: a user's time-line for a person, of the events of this machine."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from typing import Any, NamedTuple, override

from django.views.generic import TemplateView

from insights.sources import kept_here, length, now
from insights.timeline import Timeline, timeline
from insights.words import Scale, clock, named, refused, told, why

ROW, LEFT, WIDTH = 28, 160, 800
"""Sizes in the drawing."""
SHORTEST = 4


class Piece(NamedTuple):
    """A bar of the drawing, or part of one."""

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
        asked = self.request.GET
        user, since = asked.get("user", ""), asked.get("since", "")
        context: dict[str, Any] = {
            "user": user,
            "since": since or "2h",
            "error": None,
            "line": None,
        }
        try:
            back = length(since or "2h")
        except ArgumentTypeError as exc:
            return super().get_context_data(**kwargs, **context | {"error": str(exc)})
        today = now()
        events = (
            kept_here(since=today - back, until=today + 1, user=user) if user else []
        )
        if events:
            first = min(int(event["at"]) for event in events)
            line = timeline(
                events,
                since=max(today - back, first - (today - first) // 20),
                until=today,
            )
            context |= _drawing(line) | {
                "line": line,
                "words": list(told(line)),
                "refusals": _refusals(line),
            }
        return super().get_context_data(**kwargs, **context)


def _refusals(line: Timeline) -> list[list[str]]:
    return [
        refused(refusal, line, is_dated=True) for refusal in reversed(line.refusals)
    ]


def _drawing(line: Timeline) -> dict[str, Any]:
    """A row for each stream's id: where its bars and its denials are."""
    ids = list(
        dict.fromkeys(
            [*(bar.id for bar in line.bars), *(refusal.id for refusal in line.refusals)]
        )
    )
    scale, top = (
        Scale(line.since, line.until, WIDTH),
        {id: (place + 1) * ROW for place, id in enumerate(ids)},
    )
    said = clock()
    crosses = [
        Piece(
            top[denied.id],
            LEFT + scale.column(denied.at),
            0,
            "denied",
            " ".join(refused(denied, line, is_dated=True)),
        )
        for denied in line.refusals
    ]
    quarters = [
        (place * WIDTH // 4, line.since + (line.until - line.since) * place // 4)
        for place in range(4)
    ]
    return {
        "ids": [(top[id], id if len(id) <= 20 else f"{id[:19]}…") for id in ids],
        "pieces": list(_pieces(line, scale, top)),
        "crosses": crosses,
        "hours": [(LEFT + left, said(at)) for left, at in quarters],
        "height": (len(ids) + 1) * ROW,
        "width": LEFT + WIDTH,
    }


def _pieces(line: Timeline, scale: Scale, top: dict[str, int]) -> Iterator[Piece]:
    for bar in line.bars:
        title = f"{named(bar)}: {why(bar)}"
        for first, last in bar.spans(line.until):
            left, right = scale.column(first), scale.column(last)
            yield Piece(
                top[bar.id], LEFT + left, max(SHORTEST, right - left), bar.reason, title
            )

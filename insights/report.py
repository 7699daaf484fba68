"""A report: the figures of a period."""

from collections.abc import Iterable
from datetime import UTC, tzinfo

from insights import definitions
from insights.figures import FIGURES, Figure
from insights.kinds import RecordedEvent
from insights.population import population

__all__ = ["definitions", "report"]


def report(
    events: Iterable[RecordedEvent], *, since: int, until: int, zone: tzinfo = UTC
) -> list[Figure]:
    """Return the figures that have rows, in their order.

    Events from before the period tell what was playing when it began.
    """
    people = population(events, since=since, until=until, zone=zone)
    figures = [make(people) for make in FIGURES]
    return [figure for figure in figures if figure.rows]

"""A time-line as a drawing of text characters."""

from collections.abc import Iterator
from datetime import UTC, tzinfo

from insights.playbacks import EXPIRED, Playback
from insights.timeline import Timeline
from reporting.instants import time_of_day

WIDTH = 64
"""Characters of the drawing. The names stand to its left."""
MAX_NAME_CHARACTERS = 24


class Scale:
    """The column of an instant."""

    def __init__(self, since: int, until: int, width: int) -> None:
        self.since = since
        self.until = until
        self.width = width

    def column(self, at: int) -> int:
        """Return the column of an instant, from 0 to the width less one."""
        period = max(1, self.until - self.since)
        column = (at - self.since) * self.width // period
        return min(self.width - 1, max(0, column))

    def quarters(self) -> list[tuple[int, int]]:
        """Return the columns of the four quarters and the instants of their starts."""
        period = self.until - self.since
        return [
            (self.width * quarter // 4, self.since + period * quarter // 4)
            for quarter in range(4)
        ]


def drawing(line: Timeline, *, zone: tzinfo = UTC, width: int = WIDTH) -> Iterator[str]:
    """Yield the times, then a line for each stream's id.

    Playbacks are bars and denials are crosses.
    """
    ids = line.ids
    if not ids:
        return

    labels = line.labels
    margin = min(MAX_NAME_CHARACTERS, max(map(len, labels.values())))
    scale = Scale(line.since, line.until, width)
    yield " " * (margin + 2) + _times(scale, zone)

    for id in ids:
        name = shortened(labels[id], MAX_NAME_CHARACTERS).ljust(margin)
        yield f"{name}  {_row(line, id, scale)}".rstrip()


def shortened(name: str, max_characters: int) -> str:
    """Return a name of at most `max_characters`, with an ellipsis if it is cut."""
    return name if len(name) <= max_characters else name[: max_characters - 1] + "…"


def _times(scale: Scale, zone: tzinfo) -> str:
    step = scale.width // 4
    times = [time_of_day(at, zone) for _, at in scale.quarters()]

    return "".join(time.ljust(step) for time in times).rstrip()


def _row(line: Timeline, id: str, scale: Scale) -> str:
    """Return the bars and crosses of a stream's id."""
    row = [" "] * scale.width
    for playback in line.playbacks:
        if playback.id == id:
            _draw(row, playback, scale)

    for denial in line.denials:
        if denial.id == id:
            row[scale.column(denial.at)] = "✗"

    return "".join(row)


def _draw(row: list[str], playback: Playback, scale: Scale) -> None:
    started_at = playback.started_at
    ended_at = playback.ended_at
    first = scale.column(scale.since if started_at is None else started_at)
    last = scale.column(scale.until if ended_at is None else ended_at)

    row[first : last + 1] = "─" * (last - first + 1)
    row[first] = "╌" if started_at is None else "├"
    if ended_at is None:
        row[last] = "▶"
    else:
        row[last] = "┊" if playback.reason == EXPIRED else "┤"
    for _, revived_at in playback.gaps:
        row[scale.column(revived_at)] = "♥"

"""A time-line as a drawing of text characters."""

from insights.drawing import Scale, drawing
from tests.unit.insights.builders import FULL, event, timeline_of


def test_a_time_line_is_drawn() -> None:
    line = timeline_of(
        *FULL,
        event("stopped", 30, "phone", reason="stopped", by="player"),
        event("renewed", 55, "car"),
        until=100,
    )
    assert list(drawing(line, width=20)) == [
        "       08:00:0008:00:2508:00:5008:01:15",
        "car    ╌──────────────────▶",
        "tv     ├───────────┊",
        "phone  ├─────┤",
        "web      ✗",
    ]


def test_a_time_line_without_streams_has_no_drawing() -> None:
    assert list(drawing(timeline_of(event("limit-set", 1, limit=5)))) == []


def test_instants_outside_of_the_period_are_at_its_edges() -> None:
    scale = Scale(100, 200, 10)
    assert [scale.column(at) for at in (0, 100, 150, 199, 200, 999)] == [
        0,
        0,
        5,
        9,
        9,
        9,
    ]

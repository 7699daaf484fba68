"""Events among the lines of a log."""

import json
from typing import Any

import orjson
import pytest

from insights.cloudwatch import lines_in
from insights.event_lines import read_lines
from insights.report import report
from tests.unit.insights.builders import AT, event

SEPARATORS = {
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "next line": "\u0085",
    "vertical tab": "\v",
    "form feed": "\f",
    "file separator": "\x1c",
    "group separator": "\x1d",
    "record separator": "\x1e",
    "carriage return": "\r",
}


def read(text: str) -> list[dict[str, Any]]:
    return read_lines(lines_in(text), since=AT, until=AT + 1000)


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_a_device_type_with_a_separator_keeps_its_event(separator: str) -> None:
    started = event("admitted", 0, "tv", deviceType=f"smart{separator}tv")
    line = orjson.dumps(started).decode()

    assert read(f"{line}\n{line}\n") == [started, started]


def test_lines_may_end_as_on_windows() -> None:
    started = event("admitted", 0, "tv")
    line = json.dumps(started) + "\r\n"

    assert read(line + line) == [started, started]


NOT_EVENTS: dict[str, Any] = {
    "another version": event("admitted", 0, "tv") | {"v": 2},
    "a number": 7,
    "a list": [event("admitted", 0, "tv")],
    "no kind": {"v": 1, "at": AT},
    "no instant": {"v": 1, "kind": "denied"},
    "an instant as text": event("admitted", 0, "tv") | {"at": "08:00"},
    "an instant that is no number": event("admitted", 0, "tv") | {"at": True},
    "an instant after the year 2999": event("renewed", 0, "tv", expiresAt=10**18),
    "a kind that is no text": event("admitted", 0, "tv") | {"kind": ["denied"]},
    "a start without its lease": event("grace-started", 0, "tv"),
    "a heartbeat without its stream": event("renewed", 0),
    "an end without its reason": event("ended", 0, "tv"),
    "holders that are no list": event("denied", 0, "tv", holders="tv"),
    "a holder without its lease": event("denied", 0, "tv", holders=[{"id": "a"}]),
    "a user that is no text": event("admitted", 0, "tv", user={"id": "ana"}),
}


@pytest.mark.parametrize("content", NOT_EVENTS.values(), ids=NOT_EVENTS)
def test_a_line_that_is_not_an_event_is_skipped(content: Any) -> None:
    started = event("admitted", 0, "tv", user="ana")
    lines = [
        json.dumps(content),
        json.dumps(started),
        "[[[",
        "[" * 100_000,
    ]
    events = read("\n".join(lines))

    assert events == [started]
    assert report(events, since=AT, until=AT + 1000)

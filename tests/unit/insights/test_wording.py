"""Counts and their nouns in what the commands print."""

import pytest

from insights.narrative import denial_lines
from insights.report_formats import Scope
from streams.management.commands.plans import in_words
from streams.rules import Plan, Rule
from tests.unit.insights.builders import denied, timeline_of


@pytest.mark.parametrize(
    ("holders", "limit", "text"),
    [
        (1, 1, "1 of 1 slot was held"),
        (1, 2, "1 of 2 slots was held"),
        (2, 2, "2 of 2 slots were held"),
    ],
)
def test_a_denial_counts_its_slots(holders: int, limit: int, text: str) -> None:
    held_by = [(f"device-{number}", 60) for number in range(holders)]
    line = timeline_of(denied(10, "web", *held_by, limit=limit))

    first, *_ = denial_lines(line.denials[0], line)

    assert first == f"web was denied: {text}"


@pytest.mark.parametrize(("events", "text"), [(1, "1 event."), (2, "2 events.")])
def test_a_report_counts_its_events(events: int, text: str) -> None:
    scope = Scope(since=0, until=60_000, events=events, sample=1)

    assert scope.sentence.endswith(f"from {text}")


@pytest.mark.parametrize(("limit", "noun"), [(1, "stream"), (2, "streams")])
def test_a_plan_counts_its_streams(limit: int, noun: str) -> None:
    rule = Rule(name="big", limit=limit)

    lines = list(
        in_words(Plan(name="solo", limit=limit, lease_ms=60_000, rules=(rule,)))
    )

    assert lines[0].startswith(f"solo: {limit} concurrent {noun}. ")
    assert lines[-1] == f"  big: at most {limit} concurrent {noun}."

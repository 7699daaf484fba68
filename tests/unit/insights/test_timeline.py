"""A user's time-line: the holders of the slots and the denials."""

from typing import Any

import pytest

from tests.unit.insights.builders import AT, FULL, denied, event, seconds, timeline_of

POSSIBLE: dict[str, tuple[tuple[dict[str, Any], ...], int | None, str | None]] = {
    "a stream stopped": (
        (event("stopped", 30, "phone", reason="stopped", by="player"),),
        30,
        "phone",
    ),
    "a lease ended": ((event("renewed", 20, "phone"),), 60, "tv"),
    "another start was faster": (
        (
            event("stopped", 30, "phone", reason="stopped"),
            event("admitted", 30, "car"),
            event("renewed", 50, "tv"),
        ),
        90,
        "car",
    ),
    "not by the end of the time-line": (
        (event("renewed", 55, "tv"), event("renewed", 55, "phone")),
        None,
        None,
    ),
}


@pytest.mark.parametrize(("events", "second", "freed"), POSSIBLE.values(), ids=POSSIBLE)
def test_a_denied_start_was_possible_when_a_slot_became_free(
    events: tuple[dict[str, Any], ...], second: int | None, freed: str | None
) -> None:
    (denial,) = timeline_of(*FULL, *events, until=100).denials
    freed_id = denial.freed and denial.freed.id

    assert seconds(denial.possible_at) == second
    assert freed_id == freed


def test_waiting_does_not_help_at_a_limit_of_zero() -> None:
    (denial,) = timeline_of(denied(10, "web", limit=0)).denials

    assert denial.possible_at is None
    assert denial.freed is None


def test_the_holders_at_an_instant_are_known() -> None:
    line = timeline_of(*FULL, event("stopped", 30, "phone", reason="stopped"))

    def playing(second: int) -> list[str]:
        holders = line.holders(AT + second * 1000)
        return [playback.id for playback in holders]

    assert playing(0) == ["tv"]
    assert playing(1) == ["tv", "phone"]
    assert playing(29) == ["tv", "phone"]
    assert playing(30) == ["tv"]
    assert playing(60) == []

"""Reports: the state of a player in the body of a post.

A body has one report per line, and a report has keys with values:

    e=ps,sta=p,ts=1764000000000,sid="6e2f…",cid="film-42",br=(3000),v=2

`sta` is the state, `e` the event, `ts` the player's clock (ms) and `pr` the rate.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?')
"""Text in a report. No key that the service reads has such a value."""
CLOCK = re.compile(r"[0-9]{1,15}")


class PlayerState(StrEnum):
    """The state of a player."""

    PLAYING = "playing"
    PAUSED = "paused"
    OVER = "over"


STATES: Mapping[str, PlayerState] = {
    "s": PlayerState.PLAYING,  # starting
    "p": PlayerState.PLAYING,
    "r": PlayerState.PLAYING,  # rebuffering
    "w": PlayerState.PLAYING,  # waiting
    "a": PlayerState.PAUSED,
    "e": PlayerState.OVER,
    "f": PlayerState.OVER,  # fatal error
    "q": PlayerState.OVER,  # quit
}
"""The states by the value of `sta`. A player that seeks or preloads keeps its state."""
UNCHANGED = ("k", "d", None)
PLAY_STATE = "ps"
TIME_INTERVAL = "t"
HEARTBEATS = (PLAY_STATE, TIME_INTERVAL, None)
"""The events that keep a slot. A report of CTA-5004 before -B names no event."""


class CmcdReport(NamedTuple):
    """The latest state that a body reports, and when (ms by the player's clock).

    Without a state the player is alive and does what it did before. The time is 0 if
    the report names none.
    """

    state: PlayerState | None
    at: int = 0


def latest(body: str) -> CmcdReport | None:
    """Return the latest state that a body reports, or None if it reports none."""
    newest: CmcdReport | None = None
    for line in body.splitlines():
        report = _report_of(_fields(line))
        if report is None:
            continue

        is_newer = newest is None or report.at >= newest.at
        if is_newer or report.at == 0:
            newest = report
    return newest


def _fields(line: str) -> dict[str, str]:
    """Return the keys of a report with their values, without text."""
    pairs = QUOTED.sub("", line).split(",")
    fields = (pair.strip().partition("=") for pair in pairs)
    return {name: value for name, _, value in fields}


def _report_of(fields: Mapping[str, str]) -> CmcdReport | None:
    """Return what a report says about the state, or None."""
    sent = fields.get("sta")
    event = fields.get("e")
    at = _clock_of(fields)
    state = _state_of(fields)

    is_over = state is PlayerState.OVER
    if not is_over and event not in HEARTBEATS:
        return None
    if state:
        return CmcdReport(state, at)

    is_alive = event == TIME_INTERVAL or sent is not None
    if is_alive and sent in UNCHANGED:
        return CmcdReport(None, at)
    return None


def _state_of(fields: Mapping[str, str]) -> PlayerState | None:
    """Return the state that a report names, or None."""
    sent = fields.get("sta")
    if sent is not None:
        return STATES.get(sent)

    is_stopped = fields.get("pr") == "0"
    return PlayerState.PAUSED if is_stopped else None


def _clock_of(fields: Mapping[str, str]) -> int:
    """Return the player's clock (ms), or 0."""
    clock = fields.get("ts", "")
    return int(clock) if CLOCK.fullmatch(clock) else 0

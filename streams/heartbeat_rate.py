"""The rate limit of heartbeats, which spends no call to DynamoDB.

One playback may renew `HEARTBEAT_BURST` times in quick succession, then once per
twentieth of a lease; a correct player does so at most about three times per lease. The
limit is a GCRA in the memory of each process. A program that repeats its heartbeats
costs at most a burst per process, and stays refused.
"""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from streams.conf import settings
from streams.errors import TooManyHeartbeats
from streams.rules import MAX_SKEW_MS

MAX_PLAYBACKS = 10_000
"""Playbacks that a process remembers: those that sent the latest heartbeats."""

type Playback = tuple[str, str, int]
"""The user, the id and the epoch of a playback."""


class Charged(NamedTuple):
    """A playback after a heartbeat: its theoretical arrival time and its state."""

    arrival: int
    is_paused: bool


_charged: OrderedDict[Playback, Charged] = OrderedDict()
_lock = Lock()


def charge(playback: Playback, *, is_paused: bool, now: int) -> None:
    """Charge a heartbeat.

    A change of the state is charged and never refused. Repeats after a lost answer fit
    into the burst.

    Raises:
        TooManyHeartbeats: the burst is used up; `retry_at` is when the next fits.
    """
    rate = settings.HEARTBEAT_RATE
    longest_ms = rate.burst * rate.interval_ms

    with _lock:
        known = _charged.get(playback, Charged(0, is_paused))
        arrival = known.arrival
        if arrival > now + longest_ms + MAX_SKEW_MS:
            arrival = now  # the clock was wrong

        earliest = rate.earliest_start(arrival)
        is_change = is_paused != known.is_paused
        if now < earliest and not is_change:
            raise TooManyHeartbeats(retry_at=earliest)

        arrival = rate.arrival_after_start(arrival, now=now)
        _charged[playback] = Charged(min(arrival, now + longest_ms), is_paused)
        _charged.move_to_end(playback)
        if len(_charged) > MAX_PLAYBACKS:
            _charged.popitem(last=False)


def forget() -> None:
    """Forget every playback."""
    with _lock:
        _charged.clear()

"""Playbacks whose latest reports this process knows, so that few reports cost a call.

A report costs a call if the state changed, or if a third of the lease has passed:

        renewed        due                     lease ends
    ───────┼────────────┼──────────────────────────┼───────────▶ time
           └─ no call ──┘── the next report renews ┘

A playback that is over is not asked for again before its report is due either.
"""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from streams.cmcd.handles import Handle
from streams.cmcd.reports import CmcdReport, PlayerState
from streams.conf import settings
from streams.errors import StreamEnded
from streams.rules import JUDGED_PACE, Hold, Lease

MAX_PLAYBACKS = 10_000
"""Playbacks that a process remembers: those with the latest reports."""
MIN_INTERVAL_MS = 1000


class Known(NamedTuple):
    """A playback after its latest report.

    `reported_at` is the player's clock. `due_at` is when a report costs a call again.
    `hold` is that of the latest lease. `ending` is set when the playback is over.
    """

    state: PlayerState | None = None
    reported_at: int = 0
    due_at: int = 0
    hold: Hold | None = None
    ending: StreamEnded | None = None


class Claim(NamedTuple):
    """The right to one call for a playback: its new state, and what was known."""

    handle: Handle
    state: PlayerState
    before: Known
    reserved: Known


type PlaybackKey = tuple[str, str, int]

UNKNOWN = Known()

_known: OrderedDict[PlaybackKey, Known] = OrderedDict()
_lock = Lock()


def claim(handle: Handle, report: CmcdReport, *, now: int) -> Claim | None:
    """Return the right to a call if the report is due one.

    An older report, which a player repeats after an outage, shows that the player is
    alive, and changes no state.

    Raises:
        StreamEnded: the playback is over, as an earlier report found.
    """
    with _lock:
        before = _known.get(handle.playback, UNKNOWN)
        state = _state_after(before, report)
        is_due = now >= before.due_at
        if before.ending and not is_due:
            if state is PlayerState.OVER:
                return None
            raise before.ending

        reported_at = max(before.reported_at, report.at)
        after = before._replace(reported_at=reported_at)
        is_claimed = is_due or state is not before.state
        if not is_claimed:
            _keep(handle.playback, after)
            return None

        interval_ms = settings.PLANS.default.lease_ms // 3
        after = after._replace(
            state=state,
            due_at=now + interval_ms,
            ending=None,
        )
        _keep(handle.playback, after)
        return Claim(handle, state, before, after)


def hold_of(claim: Claim, *, now: int) -> Hold:
    """Return the claim to the playback: that of its latest lease that is live.

    Without one, the rule determines the length of the lease.
    """
    for hold in (claim.before.hold, claim.handle.hold):
        if hold and hold.expires_at and now < hold.expires_at:
            return hold

    pace = JUDGED_PACE if settings.PLANS.needs_pace else None
    return Hold(epoch=claim.handle.epoch, pace=pace)


def renewed(claim: Claim, lease: Lease, *, now: int) -> None:
    """Remember the renewed lease of a playback."""
    hold = Hold(
        epoch=lease.epoch,
        expires_at=lease.expires_at,
        pace=lease.pace,
    )
    remaining_ms = lease.expires_at - now
    due_at = now + max(MIN_INTERVAL_MS, remaining_ms // 3)
    after = claim.reserved._replace(due_at=due_at, hold=hold)
    _settle(claim, after)


def ended(claim: Claim, ending: StreamEnded) -> None:
    """Remember that a playback is over."""
    after = claim.reserved._replace(state=PlayerState.OVER, ending=ending)
    _settle(claim, after)


def release(claim: Claim) -> None:
    """Forget a report that had no effect, so that the next one is due."""
    _settle(claim, claim.before)


def forget() -> None:
    """Forget every playback."""
    with _lock:
        _known.clear()


def _state_after(before: Known, report: CmcdReport) -> PlayerState:
    is_old = 0 < report.at < before.reported_at
    state = before.state if is_old else report.state
    return state or before.state or PlayerState.PLAYING


def _settle(claim: Claim, after: Known) -> None:
    """Replace what the claim reserved, unless a later report has replaced it."""
    playback = claim.handle.playback
    with _lock:
        current = _known.get(playback)
        if current is None or current.due_at == claim.reserved.due_at:
            _keep(playback, after)


def _keep(playback: PlaybackKey, known: Known) -> None:
    _known[playback] = known
    _known.move_to_end(playback)
    if len(_known) > MAX_PLAYBACKS:
        _known.popitem(last=False)

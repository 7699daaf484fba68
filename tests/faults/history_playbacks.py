"""The playbacks that live for certain, or that can live, during a call."""

from collections.abc import Iterator

from tests.faults.exchanged import FOREVER, Exchanged, ends
from tests.faults.history_limits import Limits

LEASES = ("relaxed_lease_seconds", "paused_seconds")
"""Settings of plans that grant longer leases."""


class Playbacks(Limits):
    """A history, with the facts about its playbacks that hold in every order."""

    def _of(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Generate the calls that reported the lease of a playback."""
        return (
            past
            for past in self.operations
            if past.playback == (id, epoch) and past.verb in ("start", "renew")
        )

    def _answered_at(self, call: Exchanged) -> float:
        starts = [past for past in self._starts() if past.playback == call.playback]
        return min((past.answered for past in starts), default=FOREVER)

    def _enders(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Generate the calls that can end this playback.

        A call that was sent before the playback began counts within the skew of
        the clocks, unless it is a start that was admitted before. A call that was
        denied counts too, because its first try can arrive late.
        """
        starts = [past for past in self._starts() if past.playback == (id, epoch)]
        began = min((past.called for past in starts), default=0)
        for past in self.operations:
            is_start = past.verb == "start"
            is_before = (
                is_start
                and past.is_done
                and (past.answered < began or past.playback == (id, epoch))
            )
            if past.called < began - self.skew_ms or is_before:
                continue
            if ends(past, id, epoch) or (is_start and self._may_evict(past)):
                yield past

    def _is_certain(self, id: str, epoch: int, call: Exchanged) -> bool:
        """Return whether a playback was live during the whole call.

        The effect of the call itself is ignored.
        """
        is_known = any(
            past.epoch == epoch and past.is_done and past.answered < call.called
            for past in self._starts(id)
        )
        return (
            is_known
            and call.answered + self.skew_ms
            < self._end(id, epoch, call, is_certain=True)
            and not any(
                past is not call and past.called <= call.answered
                for past in self._enders(id, epoch)
            )
        )

    def _certain(self, call: Exchanged) -> list[Exchanged]:
        """Return the last start of each id whose playback was live during the call."""
        last = {
            past.id: past
            for past in sorted(self._starts(), key=lambda past: past.epoch)
            if past.is_done
        }
        starts = last.values()
        return [past for past in starts if self._is_certain(*past.playback, call)]

    def _end(self, id: str, epoch: int, call: Exchanged, *, is_certain: bool) -> float:
        """Return the earliest (`is_certain`) or latest expiry of a lease.

        The earliest one follows from the answers before the call. The effect of
        the call itself is ignored.
        """
        of_it = [past for past in self._of(id, epoch) if past is not call]
        if is_certain:
            return max(
                (
                    past.expires_at
                    for past in of_it
                    if past.is_done and past.answered < call.called
                ),
                default=0,
            )

        unknown_ms = self._longest_ms(*LEASES) + self.skew_ms + self.late_ms
        at_most = (
            past.expires_at if past.is_done else past.answered + unknown_ms
            for past in of_it
            if past.called <= call.answered and past.may_be_done
        )
        return max(at_most, default=0)

    def _longest_ms(self, *kinds: str) -> int:
        """Return the longest lease of these kinds under any plan.

        A token keeps the pace of a plan that no longer applies.
        """
        seconds: list[int] = [
            plan.get(kind, 0) for plan in self.plans.values() for kind in kinds
        ]
        return max(self.lease_ms, 1000 * max(seconds))

    def _living(self, id: str, call: Exchanged) -> Iterator[Exchanged]:
        """Generate the starts whose playback can have been live during the call."""
        for past in self._starts(id):
            if past is call or past.called > call.answered:
                continue
            can_live = self._can_live if past.is_done else self._can_arrive_late
            if can_live(past, call):
                yield past

    def _can_live(self, start: Exchanged, call: Exchanged) -> bool:
        """Return whether an admitted start can have been live during the call."""
        latest = self._end(*start.playback, call, is_certain=False) + self.skew_ms
        return call.called <= latest and not any(
            past.answered < call.called and self._has_ended(past, start)
            for past in self.operations
        )

    def _can_arrive_late(self, start: Exchanged, call: Exchanged) -> bool:
        """Return whether a start without an answer can be live during the call.

        It cannot arrive after a later start of its slot. It lives for one lease,
        because its caller has no token.
        """
        is_fenced_off = any(
            past.called > start.answered + self.skew_ms
            and past.took_effect_before(call)
            for past in self._starts(start.id)
        )
        answered = min(start.answered, call.answered)
        until = answered + self.late_ms + self.lease_ms + 2 * self.skew_ms
        return call.called <= until and not is_fenced_off

    def _has_ended(self, end: Exchanged, start: Exchanged) -> bool:
        """Return whether a call ended a playback in every order of concurrent calls.

        An operator's call ends what began before it by the clock of its server.
        """
        skew_ms = self.skew_ms if end.verb in ("end", "end all") else 0
        return (
            end.is_done
            and end.called > start.answered + skew_ms
            and ends(end, start.id, start.epoch)
        )

    def _may_continue(self, pause: Exchanged, call: Exchanged) -> bool:
        """Return whether the player can have resumed between a pause and this call."""
        return any(
            not past.pauses
            and past.may_be_done
            and past.called <= call.answered
            and pause.called <= self._at_latest(past)
            for past in self._of(call.id, call.epoch)
            if past.verb == "renew"
        )

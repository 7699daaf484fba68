"""The playbacks that live for certain, or that can live, during a call."""

from collections.abc import Iterator

from tests.faults.exchanged import FOREVER, Exchanged, Playback, ends
from tests.faults.history_limits import Limits

LEASES = ("relaxed_lease_seconds", "paused_seconds")
"""Settings of plans that grant longer leases."""


class Playbacks(Limits):
    """A history, with the facts about its playbacks that hold in every order."""

    def _reports(self, playback: Playback) -> Iterator[Exchanged]:
        """Generate the calls that reported the lease of a playback."""
        calls = [past for past in self.operations if past.playback == playback]
        return (past for past in calls if past.verb in ("start", "renew"))

    def _answered_at(self, call: Exchanged) -> float:
        starts = self._starts_of(call.playback)
        answered = [past.answered for past in starts]
        return min(answered, default=FOREVER)

    def _enders(self, playback: Playback) -> Iterator[Exchanged]:
        """Generate the calls that can end this playback.

        A call that was sent before the playback began counts within the skew of
        the clocks, unless it is a start that was admitted before. A call that was
        denied counts too, because its first try can arrive late.
        """
        called = [past.called for past in self._starts_of(playback)]
        began = min(called, default=0)
        earliest = began - self.skew_ms
        for past in self.operations:
            is_start = past.verb == "start"
            is_admitted = is_start and past.is_done
            is_own = past.playback == playback
            is_before = is_admitted and (past.answered < began or is_own)
            if past.called < earliest or is_before:
                continue

            may_evict = is_start and self._may_evict(past)
            if may_evict or ends(past, playback):
                yield past

    def _is_certain(self, playback: Playback, call: Exchanged) -> bool:
        """Return whether a playback was live during the whole call.

        The effect of the call itself is ignored.
        """
        starts = self._starts_of(playback)
        if not any(past.took_effect_before(call) for past in starts):
            return False

        expires_at = self._earliest_end(playback, call)
        if call.answered + self.skew_ms >= expires_at:
            return False

        return not any(
            past is not call and past.called <= call.answered
            for past in self._enders(playback)
        )

    def _certain(self, call: Exchanged) -> list[Exchanged]:
        """Return the last start of each id whose playback was live during the call."""
        admitted = [past for past in self._starts() if past.is_done]
        admitted.sort(key=lambda past: past.epoch)
        last = {past.id: past for past in admitted}

        starts = last.values()
        return [past for past in starts if self._is_certain(past.playback, call)]

    def _earliest_end(self, playback: Playback, call: Exchanged) -> float:
        """Return the earliest expiry of a lease, from the answers before a call."""
        reports = self._reports(playback)
        earlier = [past for past in reports if past.took_effect_before(call)]
        return max((past.expires_at for past in earlier), default=0)

    def _latest_end(self, playback: Playback, call: Exchanged) -> float:
        """Return the latest expiry of a lease.

        The effect of the call itself is ignored.
        """
        longest_ms = self._longest_ms(*LEASES)
        unknown_ms = longest_ms + self.skew_ms + self.late_ms
        latest: float = 0
        for past in self._reports(playback):
            is_later = past is call or past.called > call.answered
            if is_later or not past.may_be_done:
                continue

            unknown_end = past.answered + unknown_ms
            end = past.expires_at if past.is_done else unknown_end
            latest = max(latest, end)

        return latest

    def _longest_ms(self, *kinds: str) -> int:
        """Return the longest lease of these kinds under any plan.

        A token keeps the pace of a plan that no longer applies.
        """
        longest_ms = self.lease_ms
        for plan in self.plans.values():
            for kind in kinds:
                lease_ms = 1000 * plan.get(kind, 0)
                longest_ms = max(longest_ms, lease_ms)

        return longest_ms

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
        latest = self._latest_end(start.playback, call)
        if call.called > latest + self.skew_ms:
            return False

        earlier = [past for past in self.operations if past.answered < call.called]
        return not any(self._has_ended(past, start) for past in earlier)

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
        arrived = answered + self.late_ms
        until = arrived + self.lease_ms + 2 * self.skew_ms
        return call.called <= until and not is_fenced_off

    def _has_ended(self, end: Exchanged, start: Exchanged) -> bool:
        """Return whether a call ended a playback in every order of concurrent calls.

        An operator's call ends what began before it by the clock of its server.
        """
        skew_ms = self.skew_ms if end.verb in ("end", "end all") else 0
        return (
            end.is_done
            and end.called > start.answered + skew_ms
            and ends(end, start.playback)
        )

    def _may_continue(self, pause: Exchanged, call: Exchanged) -> bool:
        """Return whether the player can have resumed between a pause and this call."""
        return any(
            not past.pauses
            and past.may_be_done
            and past.called <= call.answered
            and pause.called <= self._at_latest(past)
            for past in self._reports(call.playback)
            if past.verb == "renew"
        )

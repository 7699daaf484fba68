"""The answers that the earlier calls of a user make impossible."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from tests.faults.exchanged import Exchanged
from tests.faults.history_playbacks import Playbacks
from tests.faults.plan_rules import TomlTable, counted_as, places, text_of

DOCUMENTED = {
    "start": {200, 201, 409, 503},
    "renew": {200, 400, 404, 410, 503},
    "stop": {204, 404, 410, 400, 503},
    "end": {204, 404, 503},
    "end all": {200, 503},
    "limit": {200, 204, 503},
    "list": {200, 503},
}
STOPS = ("stop", "end", "end all")


class Answers(Playbacks):
    """A history, with the checks of each kind of answer.

    Each check generates what is impossible in the answer to a call.
    """

    def _claims(self, call: Exchanged) -> Iterator[str]:
        documented = DOCUMENTED[call.verb]
        took_ms = call.answered - call.called
        if call.status and call.status not in documented:
            yield f"no documented answer: {call.status}"
        if took_ms > self.slowest_ms:
            yield f"too slow: {took_ms:.0f} ms"

        if call.verb == "start" and call.is_done:
            yield from self._of_an_admission(call)
        elif call.verb == "start" and call.status == 409:
            yield from self._of_a_denial(call)
        elif call.verb == "renew":
            yield from self._of_a_renewal(call)
        elif call.verb == "stop" and call.status in (404, 410, 400):
            yield from self._of_a_failed_stop(call)
        elif call.verb == "list" and call.status == 200:
            yield from self._of_a_list(call)

    def _of_a_failed_stop(self, call: Exchanged) -> Iterator[str]:
        if self._is_certain(call.playback, call):
            yield f"a holder could not stop: {call.status} {call.reason}"

    def _of_an_admission(self, call: Exchanged) -> Iterator[str]:
        starts = self._starts(call.id)
        earlier = [past for past in starts if past.took_effect_before(call)]
        live = [past for past in earlier if self._is_certain(past.playback, call)]
        before = list(self._living(call.id, call))

        yield from self._of_epochs(call, earlier, live)
        if not self._may_evict(call):
            in_its_slot = before if call.status == 200 else ()
            yield from self._of_room(call, call, before=in_its_slot)
        if call.status == 201 and live:
            yield "201, but its slot was live, so 200 is true"
        if call.status == 200 and not before:
            yield "200, but its slot was free, so 201 is true"

    def _of_epochs(
        self,
        call: Exchanged,
        earlier: Iterable[Exchanged],
        live: Collection[Exchanged],
    ) -> Iterator[str]:
        latest = call.epoch + self.skew_ms * 1000
        for past in earlier:
            if past.epoch >= latest:
                yield f"an epoch decreased: {past.epoch}, {call.epoch}"
            if past.epoch >= call.epoch and past in live:
                yield f"an epoch decreased: {past.epoch} of a live stream, {call.epoch}"

    def _of_room(
        self, call: Exchanged, stream: Exchanged, *, before: Collection[Exchanged]
    ) -> Iterator[str]:
        """Check that this call could give the stream its slot.

        It could not if, under each limit that can apply, a rule or the limit is
        full and did not count one of `before`, the streams that were in the slot,
        in the same way as it counts the stream.
        """
        ended = (call.id, *call.replaces)
        certain = self._certain(call)
        others = [past for past in certain if past.id not in ended]

        def is_full(rule: TomlTable) -> bool:
            own = counted_as(rule, stream)
            in_the_slot = [counted_as(rule, past) for past in before]
            if own is None or own in in_the_slot:
                return False

            occupied = places(rule, stream, others)
            limit: int = rule["limit"]
            return len(occupied) >= limit

        full = []
        for change in self._in_force_during(call):
            rules = self._rules(change)
            full.append([rule for rule in rules if is_full(rule)])

        if all(full):
            text = text_of(full[0][0])
            holders = [past.id for past in others]
            yield f"over the {text}: {holders} and {call.id}"

    def _of_a_denial(self, call: Exchanged) -> Iterator[str]:
        reported = (call.plan, call.limit)
        possible: dict[Any, list[TomlTable]] = {}
        for change in self._in_force_during(call):
            plan = change.plan or "default"
            possible[plan, self._limit(change)] = self._rules(change)

        rules = possible.get(reported, [])
        named = [rule for rule in rules if rule["name"] == call.rule]
        if named:
            yield from self._of_a_denial_by(named[0], call)
            return

        kind = "a rule" if rules else "a limit"
        yield (
            f"a denial by {kind} that did not apply: {call.rule} of {reported}, "
            f"of {sorted(possible)}"
        )

    def _of_a_denial_by(self, rule: TomlTable, call: Exchanged) -> Iterator[str]:
        text = text_of(rule)
        counted = [
            past
            for id in call.names
            for past in self._living(id, call)
            if places(rule, call, [past])
        ]
        counted_ids = {past.id for past in counted}
        for id in call.names:
            if id not in counted_ids:
                yield (
                    f"a denial without a reason: {id} is not live "
                    f"or does not count for the {text}"
                )

        occupied = places(rule, call, counted)
        if len(occupied) < rule["limit"]:
            yield f"a denial without a reason: {call.names} for the {text}"

        certain = self._certain(call)
        own = [past for past in certain if past.id == call.id]
        own_values = [counted_as(rule, past) for past in own]
        if counted_as(rule, call) in own_values:
            yield f"a denial of a holder: {call.id} under the {text}"

    def _of_a_renewal(self, call: Exchanged) -> Iterator[str]:
        is_denied = call.status in (400, 404, 410)
        if is_denied and self._is_certain(call.playback, call):
            yield f"a holder could not renew: {call.status} {call.reason}"
        if call.status == 200:
            yield from self._of_a_renewal_after_an_end(call)
            yield from self._of_a_new_end(call)
        if call.status == 410:
            yield from self._of_an_ending(call)

    def _of_a_renewal_after_an_end(self, call: Exchanged) -> Iterator[str]:
        for past in self._enders(call.playback):
            ending = self._ending_by(past, call)
            if ending and past.took_effect_before(call):
                yield f"a stream that was {ending} renewed"

    def _ending_by(self, past: Exchanged, call: Exchanged) -> str | None:
        """Return how an earlier call ended the playback of this call, if it did."""
        started_at = self._answered_at(call)
        if past.verb == "stop":
            return "stopped" if past.playback == call.playback else None
        if past.verb in ("end", "end all"):
            return "ended" if started_at + self.skew_ms < past.called else None
        if past.id == call.id and past.epoch > call.epoch:
            return "taken over"
        if call.id in past.replaces and started_at < past.called:
            return "replaced"
        return None

    def _of_a_new_end(self, call: Exchanged) -> Iterator[str]:
        at_least = self._earliest_end(call.playback, call)
        at_most = self._latest_end(call.playback, call)
        if call.expires_at < at_least:
            yield f"an expiry decreased: {at_least:.0f}, {call.expires_at:.0f}"
        if call.pauses:
            yield from self._of_a_pause(call)

        ends = list(self._possible_ends(call))
        earliest = min(ends)
        latest = max(*ends, at_most)
        if not earliest <= call.expires_at <= latest:
            yield (
                f"an impossible expiry: {call.expires_at:.0f}, "
                f"not {earliest:.0f} to {latest:.0f}"
            )

        is_revival = at_most + self.skew_ms < call.called
        if not is_revival:
            return
        for start in self._starts_of(call.playback):
            yield from self._of_room(call, start, before=())

    def _of_a_pause(self, call: Exchanged) -> Iterator[str]:
        for past in self._reports(call.playback):
            is_earlier = past.pauses and past.took_effect_before(call)
            is_other = is_earlier and past.paused_at != call.paused_at
            if is_other and not self._may_continue(past, call):
                yield f"a pause began again: {past.paused_at:.0f}, {call.paused_at:.0f}"

    def _possible_ends(self, call: Exchanged) -> Iterator[float]:
        """Generate bounds of the expiry under each plan that can apply."""
        longest_ms = self._longest_ms("relaxed_lease_seconds") + self.skew_ms
        for change in self._in_force_during(call):
            plan = self._plan(change)
            if call.pauses and "paused_seconds" in plan:
                yield call.paused_at + 1000 * plan["paused_seconds"]
            else:
                yield call.called - self.skew_ms + self.lease_ms
                yield call.answered + longest_ms

    def _of_an_ending(self, call: Exchanged) -> Iterator[str]:
        enders = self._enders(call.playback)
        earlier = [past for past in enders if past.called <= call.answered]
        is_stopped = any(past.verb in STOPS for past in earlier)
        starts = [past for past in earlier if past.verb == "start"]
        by_reported = [past for past in starts if past.id == call.by]
        expires_at = self._earliest_end(call.playback, call)

        could = {
            "stopped": is_stopped,
            "taken-over": any(past.id == call.id for past in starts),
            "replaced": any(call.id in past.replaces for past in by_reported),
            "evicted": any(self._may_evict(past) for past in by_reported),
            "expired": expires_at - self.skew_ms <= call.answered,
        }
        if not could.get(call.reason):
            yield f"an untrue reason: {call.reason} by {call.by}"

    def _of_a_list(self, call: Exchanged) -> Iterator[str]:
        for past in self._certain(call):
            if past.id not in call.names:
                yield f"a live stream is not listed: {past.id}"
        for id in call.names:
            if not any(self._living(id, call)):
                yield f"a listed stream is not live: {id}"

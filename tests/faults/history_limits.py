"""The limits and plans that can apply to a user at a moment of a history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.exchanged import UNSET, Exchanged, Playback
from tests.faults.plan_rules import TomlTable


@dataclass
class Limits:
    """The calls of one user, in the order in which they were made.

    `plans` are all plans, including `default`. A lease lasts `lease_ms` under each
    of them, unless it is relaxed or paused. `skew_ms` is the greatest difference
    of the clocks, `late_ms` the longest time that the network keeps a request.
    """

    plans: Mapping[str, TomlTable]
    lease_ms: int
    skew_ms: int = 0
    late_ms: int = 0
    slowest_ms: float = 8500
    operations: list[Exchanged] = field(default_factory=list)

    def _starts(self, id: str | None = None) -> Iterator[Exchanged]:
        return (
            past
            for past in self.operations
            if past.verb == "start" and id in (None, past.id)
        )

    def _starts_of(self, playback: Playback) -> list[Exchanged]:
        """Return the starts that began a playback."""
        return [past for past in self._starts() if past.playback == playback]

    def _in_force_during(self, call: Exchanged) -> list[Exchanged]:
        """Return the changes of the limit of which one applies to a call."""
        return self._in_force(call.called, call.answered)

    def _in_force(self, since: float, until: float) -> list[Exchanged]:
        """Return the changes of the limit of which one applies at a moment between."""
        limits = [past for past in self.operations if past.verb == "limit"]
        changes = [UNSET]
        changes += [past for past in limits if past.called <= until]
        newest = max(
            past.called for past in changes if past.is_done and past.answered < since
        )
        return [
            past
            for past in changes
            if past.may_be_done and self._at_latest(past) >= newest
        ]

    def _at_latest(self, past: Exchanged) -> float:
        """Return the latest time at which a call can have taken effect.

        The call is judged on the item that it read. A late one has no effect after
        any other write, and each admitted start is a write.
        """
        if past.is_done:
            return past.answered

        arrived = past.answered + self.late_ms
        written = (
            start.answered
            for start in self._starts()
            if start.is_done and start.called > past.answered
        )
        return min([arrived, *written])

    def _may_evict(self, call: Exchanged) -> bool:
        changes = self._in_force_during(call)
        return any(change.evicts for change in changes)

    def _plan(self, change: Exchanged) -> TomlTable:
        return self.plans[change.plan or "default"]

    def _limit(self, change: Exchanged) -> int:
        if change.limit is not None:
            return change.limit
        return int(self._plan(change)["limit"])

    def _rules(self, change: Exchanged) -> list[TomlTable]:
        """Return the rules after this change, with the limit as a rule without name."""
        rules = self._plan(change).get("rules", ())
        limit = {"name": "", "limit": self._limit(change)}
        return [*rules, limit]

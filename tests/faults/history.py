"""Checks whether the answers that the callers of one user received are possible.

Some calls are slow, some answers are lost, leases expire without a call, and the
clocks of the servers differ.

Porcupine (Go) and Knossos (Clojure) search for an order of the operations that a
sequential model allows. They do not fit: a lease expires without an operation, by
a clock that is not known exactly, and each call without an answer doubles the
search. This checker compares each answer with the facts that hold in every order:
intervals instead of permutations.

      called       answered                        expires by the earliest clock
    ────┼─────────────┼───────────────────────────────────┼──────────┼────▶ time
        └─ can live ──┴──────── lives for certain ────────┘ can live ┘ by the latest
"""

from dataclasses import dataclass, replace

from tests.faults.exchanged import FOREVER, Exchanged
from tests.faults.history_answers import Answers


@dataclass
class History(Answers):
    """The calls of one user, and the check of each answer."""

    def wrong(self, call: Exchanged) -> str | None:
        """Return what is impossible in the answer to a call, or None.

        Every call that was made before this answer is known.
        """
        return next(self._claims(call), None)

    def shortest(self, call: Exchanged) -> list[Exchanged]:
        """Return as few calls as still show the impossible answer."""
        kept = list(self.operations)
        kind = _kind_of(self.wrong(call))
        for candidate in reversed(self.operations):
            fewer = [other for other in kept if other is not candidate]
            if candidate is call:
                continue

            smaller = replace(self, operations=fewer)
            wrong = smaller.wrong(call)
            if _kind_of(wrong) == kind:
                kept = fewer

        return kept

    def forget(self, before: float) -> None:
        """Drop the calls that cannot affect a later call.

        The limits that can apply, and the starts of streams that can continue,
        are kept.
        """
        operations = self.operations
        kept = {past for past in operations if past.answered > before}
        kept.update(self._in_force(before, FOREVER))

        renewals = [past for past in kept if past.verb == "renew"]
        for renewal in renewals:
            starts = self._starts_of(renewal.playback)
            kept.update(starts)

        self.operations = [past for past in operations if past in kept]


def _kind_of(problem: str | None) -> str:
    return (problem or "").partition(":")[0]

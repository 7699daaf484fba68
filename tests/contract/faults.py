"""Faults at single tries, and another call that acts inside the faulty one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contract.world import Try, no_answer

MODES = {
    "before": "the other call acts before the try is carried out",
    "after": "the other call acts after the try is carried out",
    "behind": "as after; the other call's server is 1.5 s behind",
    "lost": "the try is not carried out and not answered, then the other call acts",
    "unanswered": "the try is carried out and not answered, then the other call acts",
    "doubled, first": "carried out, other call, carried out again; the first answer",
    "doubled, last": "carried out, other call, carried out again; the last answer",
    "held": "not answered, other call, retry; carried out after the answer",
    "held longer": "not answered, retry, answer, other call; carried out after it",
    "gave up": "carried out; that try and the retries are not answered; other call",
    "held, gave up": "no try is answered, other call; carried out after it",
    "down": "no try is carried out or answered, other call",
}
QUICK = ("before", "after", "behind")
"""Modes in which every try is answered at once."""
ON_WRITES = tuple(mode for mode in MODES if mode not in QUICK)
"""Modes that make no difference to a read."""
LATER = ("held longer", "gave up", "held, gave up", "down")
"""Modes in which the other call acts after the answer."""
SILENT = ("gave up", "held, gave up", "down")
"""Modes in which no retry is answered either."""
BEHIND_MS = 1500
WAIT_MS = 2200
"""A try without an answer takes this long."""


def other_calls_delay(mode: str) -> int:
    """Return how much later the other call's server receives it, by its own clock."""
    if mode == "behind":
        return -BEHIND_MS
    return 1 if mode in QUICK else WAIT_MS


@dataclass
class Result:
    """The engine's answer to a try, or its error."""

    answer: dict[str, Any] | None = None
    error: Exception | None = None

    @classmethod
    def of(cls, carry_out: Try) -> "Result":
        """Carry out a try."""
        try:
            return cls(answer=carry_out())
        except Exception as exc:
            return cls(error=exc)

    def deliver(self) -> dict[str, Any]:
        """Return the answer or raise the error."""
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        return self.answer


@dataclass
class Meeting:
    """A fault at the try with this index, and another call that acts inside."""

    mode: str
    index: int
    other: Callable[[], Any]
    is_met: bool = False
    held: list[Try] = field(default_factory=list)

    def __call__(self, index: int, operation: str, carry_out: Try) -> dict[str, Any]:
        """Handle one try of the call."""
        if index < self.index:
            return carry_out()
        if index > self.index:
            if self.is_met and self.mode in SILENT:
                raise no_answer(operation)
            return carry_out()

        self.is_met = True
        match self.mode:
            case "before":
                self.other()
                return carry_out()
            case "after" | "behind":
                result = Result.of(carry_out)
                self.other()
                return result.deliver()
            case "doubled, first":
                first = Result.of(carry_out)
                self.other()
                if first.error is None:
                    # After a failed condition the client sends nothing again, and
                    # TLS keeps the network from delivering it a second time.
                    Result.of(carry_out)
                return first.deliver()
            case "doubled, last":
                Result.of(carry_out)
                self.other()
                return Result.of(carry_out).deliver()
            case "unanswered" | "gave up":
                Result.of(carry_out)
            case "held" | "held longer" | "held, gave up":
                self.held.append(carry_out)

        if self.mode not in LATER:
            self.other()
        raise no_answer(operation)

    def finish(self) -> None:
        """Act after the answer: the other call, then the delivery of what was held."""
        if self.is_met and self.mode in LATER:
            self.other()
        while self.held:
            Result.of(self.held.pop())

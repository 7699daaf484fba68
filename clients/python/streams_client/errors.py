"""The reasons for which a start is not admitted."""

from collections.abc import Mapping
from typing import Any

type Problem = Mapping[str, Any]
type Stream = Mapping[str, Any]


class Refused(Exception):
    """A start that was not admitted. `problem` has the reason.

    `retry_after_seconds` is the time after which a retry can succeed, None if the
    answer did not say.
    """

    def __init__(
        self, problem: Problem, *, retry_after_seconds: float | None = None
    ) -> None:
        message = problem.get("detail") or problem.get("title") or problem.get("type")
        super().__init__(message)
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds


class Denied(Refused):
    """The user has reached the limit, or a rule of the plan refused the stream."""

    @property
    def holders(self) -> list[Stream]:
        """The streams that count. The viewer may choose one of them for `replace`."""
        return list(self.problem["streams"])

    @property
    def rule(self) -> Mapping[str, Any] | None:
        """The rule that refused, with `name` and a `message` for the viewer.

        None means that the limit refused.
        """
        rule: Mapping[str, Any] | None = self.problem.get("rule")
        return rule


class Unavailable(Refused):
    """The service did not answer within the patience, or asked to wait for longer."""


class Superseded(Refused):
    """The player was stopped or started again before this start was admitted.

    This start holds no slot.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "type": "superseded",
                "detail": "The player was stopped or started again.",
            }
        )

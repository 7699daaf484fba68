"""Changes that a run of `manage.py provision` shows, and then applies."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: its subject, and the values before and after if it has any.

    `name` is the key of the stage's file. `apply` is None for a change that the
    CloudFormation change set applies. `can_lower` marks a value that is capacity.
    """

    subject: str
    name: str = ""
    before: object = None
    after: object = None
    apply: Callable[[], object] | None = None
    can_lower: bool = False

    @property
    def lowers(self) -> bool:
        """Whether the change reduces capacity, or removes a limit's value."""
        if not self.can_lower or self.before is None:
            return False
        return _amount(self.after) < _amount(self.before)

    def __str__(self) -> str:
        mark = "LOWER " if self.lowers else ""
        if self.before is None and self.after is None:
            return f"{mark}{self.subject}"
        return f"{mark}{self.subject}: {as_text(self.before)} -> {as_text(self.after)}"


def apply_all(
    changes: Iterable[Change], *, say: Callable[[str], None] | None = None
) -> None:
    """Apply the changes that no change set applies."""
    for change in changes:
        if change.apply is None:
            continue
        if say is not None:
            say(f"{change} …")
        change.apply()


def reductions(changes: Iterable[Change]) -> list[Change]:
    """Return the changes that reduce capacity."""
    return [change for change in changes if change.lowers]


def _amount(value: object) -> float:
    """Return a number to compare. No value is no capacity."""
    return 0.0 if value is None else float(str(value))


def as_text(value: object) -> str:
    """Return a value as an operator reads it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)

"""The writes of one call, so that a repeat recognises the one that took effect.

When no answer to a write arrives, it is sent again, and a network can deliver a
write twice. In both cases the item tells what happened: each write stores its id
in the item, which keeps the last three of them (`Account.recent_writes`).

    write "a1" ──no answer──▶ again ──ConditionFailed──▶ the item has "a1": done
                                                     ▶ it has not: judge it again
"""

from dataclasses import dataclass, field
from secrets import token_urlsafe

from streams.rules import Account


@dataclass(slots=True)
class SentWrites[Outcome]:
    """The writes that a call has sent, with the outcome that each would have."""

    outcomes: dict[str, Outcome | None] = field(default_factory=dict)
    """The outcome is None while only DynamoDB's answer can tell it."""
    has_unanswered: bool = False
    """Whether no answer arrived to an attempt: it may take effect at any time."""
    first_version: int | None = None
    """The version of the item that the first judged write expected."""
    _prefix: str = ""

    @property
    def prefix(self) -> str:
        """Random text that the ids of this call begin with.

        It is drawn when a write needs it: a plain heartbeat stores no id.
        """
        if not self._prefix:
            self._prefix = token_urlsafe(4)
        return self._prefix

    def add(self, outcome: Outcome | None, *, expected_version: int | None) -> str:
        """Register a write that is about to be sent and return its id."""
        write_id = f"{self.prefix}{len(self.outcomes)}"
        self.outcomes[write_id] = outcome
        if self.first_version is None:
            self.first_version = expected_version
        return write_id

    def find(self, account: Account) -> str | None:
        """Return the id of the write that took effect, if the item still has it."""
        for write_id in account.recent_writes:
            if write_id in self.outcomes:
                return write_id
        return None

    def may_be_forgotten(self, account: Account, *, kept: int) -> bool:
        """Return whether a write may have taken effect although the item lacks its id.

        The item keeps `kept` ids, so this needs as many later changes.
        """
        if not self.has_unanswered or self.first_version is None:
            return False
        return account.version - self.first_version > kept

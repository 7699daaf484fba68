"""Networks that lose, delay or repeat messages, and rivals that act in between."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from streams.dynamodb import calls
from streams.errors import StoreUnavailable
from streams.models import UserStreams
from streams.storage.table import Call

WRITES = ("UpdateItem", "DeleteItem")


def delivered_twice(call: Call) -> Call:
    """Return a network that loses the answer to each write: it is sent twice."""

    def act(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = call(operation, arguments)
        return call(operation, arguments) if operation in WRITES else answer

    return act


class Late:
    """A network that keeps the writes for later and answers none of them."""

    def __init__(self, call: Call) -> None:
        self.call, self.kept = (
            call,
            list[tuple[str, Mapping[str, Any]]](),
        )

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if operation not in WRITES:
            return self.call(operation, arguments)
        self.kept.append((operation, arguments))
        raise StoreUnavailable("no answer")

    def deliver(self) -> None:
        for operation, arguments in self.kept:
            with suppress(ClientError):  # its condition fails
                self.call(operation, arguments)


def rival_before_write(number: int, rival: Callable[[], None], call: Call) -> Call:
    """Return a DynamoDB at which a rival acts once, before the write of that number."""
    writes = 0

    def act(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal writes
        writes += operation == "UpdateItem"
        if writes == number:
            rival()
        return call(operation, arguments)

    return act


NO_ANSWER = ConnectionClosedError(endpoint_url="http://dynamodb")


@dataclass
class LostAnswer:
    """A network that carries out the first write, lets a rival act, and is silent."""

    rival: Callable[[], Any]
    is_lost: bool = False

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return calls.make(self._send, operation, arguments)

    def _send(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = _carry_out(operation, arguments)
        if operation in WRITES and not self.is_lost:
            self.is_lost = True
            self.rival()
            raise NO_ANSWER
        return answer


class HeldWrite:
    """A network that holds the first write, and delivers it when asked to.

    If it is silent, it loses all later calls.
    """

    def __init__(self, *, is_silent: bool = False) -> None:
        self.is_silent = is_silent
        self.held: tuple[str, dict[str, Any]] | None = None

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return calls.make(self._send, operation, arguments)

    def deliver(self) -> None:
        """Deliver the held write. Its condition must fail."""
        assert self.held, "a write was sent"
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            _carry_out(*self.held)

    def _send(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation in WRITES and self.held is None:
            self.held = operation, dict(arguments)
            raise NO_ANSWER
        if self.is_silent:
            raise NO_ANSWER
        return _carry_out(operation, arguments)


def _carry_out(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    connection = UserStreams._get_connection().connection
    answer: dict[str, Any] = connection.dispatch(operation, arguments)
    return answer

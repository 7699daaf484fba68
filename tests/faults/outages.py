"""An outage of DynamoDB, and the calls of a player at times after `NOW`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from streams import service
from streams.dynamodb import calls
from streams.errors import (
    StreamEnded,
)
from streams.rules import Reason, StartRequest
from streams.service import Context, IssuedLease
from tests.builders import NOW
from tests.faults.client import Elsewhere
from tests.faults.proxy import Fault


@dataclass
class Store:
    """DynamoDB, as the service reaches it."""

    network: Elsewhere

    @contextmanager
    def failing(
        self, user_id: str, kind: str = "connection refused", **more: Any
    ) -> Iterator[None]:
        """Let the calls of a user fail during the block."""
        fault = Fault(kind, **more)
        self.network.set(user_id, fault)
        try:
            yield
        finally:
            self.network.set(user_id, None)
            calls.reset_circuit()


def start(user_id: str, id: str, *, after_ms: int = 0) -> IssuedLease:
    """Start a stream."""
    context = Context(user_id=user_id, now=NOW + after_ms)
    request = StartRequest(id=id, stream_id="film")
    return service.start(context, request)


def beat(playing: IssuedLease, *, after_ms: int = 0) -> IssuedLease:
    """Renew a stream."""
    return service.renew(
        playing.token,
        user_id=playing.user_id,
        id=playing.lease.id,
        now=NOW + after_ms,
    )


def stop(playing: IssuedLease, *, after_ms: int = 0) -> None:
    """Stop a stream."""
    service.stop(
        playing.token,
        user_id=playing.user_id,
        id=playing.lease.id,
        now=NOW + after_ms,
    )


def live(user_id: str, *, after_ms: int = 0) -> set[str]:
    """Return the ids of the live streams of a user."""
    context = Context(user_id=user_id, now=NOW + after_ms)
    streams = service.listing(context).streams
    return {lease.id for lease in streams}


def ended(playing: IssuedLease, *, after_ms: int = 0) -> Reason:
    """Return the reason for which a heartbeat is denied."""
    with pytest.raises(StreamEnded) as denied:
        beat(playing, after_ms=after_ms)
    reason: Reason = denied.value.ending.reason
    return reason

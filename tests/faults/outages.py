"""An outage of DynamoDB, and the calls of a player during it."""

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
        self.network.set(user_id, Fault(kind, **more))
        try:
            yield
        finally:
            self.network.set(user_id, None)
            calls.reset_circuit()


def start(user_id: str, id: str, *, now: int, **more: Any) -> IssuedLease:
    """Start a stream."""
    context = Context(user_id=user_id, now=now, **more)
    return service.start(context, StartRequest(id=id, stream_id="film"))


def beat(playing: IssuedLease, *, now: int) -> IssuedLease:
    """Renew a stream."""
    id = playing.lease.id
    return service.renew(playing.token, user_id=playing.user_id, id=id, now=now)


def stop(playing: IssuedLease, *, now: int) -> None:
    """Stop a stream."""
    id = playing.lease.id
    service.stop(playing.token, user_id=playing.user_id, id=id, now=now)


def live(user_id: str, *, now: int) -> set[str]:
    """Return the ids of the live streams of a user."""
    streams = service.listing(Context(user_id=user_id, now=now)).streams
    return {lease.id for lease in streams}


def ended(playing: IssuedLease, *, now: int) -> Reason:
    """Return the reason for which a heartbeat is denied."""
    with pytest.raises(StreamEnded) as denied:
        beat(playing, now=now)
    reason: Reason = denied.value.ending.reason
    return reason

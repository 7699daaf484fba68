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
        self.network.set(user_id, Fault(kind, **more))
        try:
            yield
        finally:
            self.network.set(user_id, None)
            calls.reset_circuit()


def start(user_id: str, id: str, *, now: int, **more: Any) -> IssuedLease:
    return service.start(
        Context(user_id=user_id, now=now, **more), StartRequest(id=id, stream_id="film")
    )


def beat(playing: IssuedLease, *, now: int) -> IssuedLease:
    return service.renew(
        playing.token, user_id=playing.user_id, id=playing.lease.id, now=now
    )


def stop(playing: IssuedLease, *, now: int) -> None:
    service.stop(playing.token, user_id=playing.user_id, id=playing.lease.id, now=now)


def live(user_id: str, *, now: int) -> set[str]:
    return {
        lease.id for lease in service.listing(Context(user_id=user_id, now=now)).streams
    }


def ended(playing: IssuedLease, *, now: int) -> Reason:
    with pytest.raises(StreamEnded) as refusal:
        beat(playing, now=now)
    reason: Reason = refusal.value.ending.reason
    return reason

"""Events: one record per decision, with the user and the reason.

docs/events.md explains each kind, and docs/events.schema.json has their shape.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypedDict, Unpack

from django.utils.module_loading import import_string

from streams.conf import settings
from streams.rules import Lease, Metadata


class EventFields(TypedDict, total=False):
    """The fields of an event besides its kind and time. None means absent."""

    user: str
    id: str
    deviceType: str | None
    deviceName: str | None
    metadata: Metadata | None
    plan: str | None
    rule: str | None
    limit: int
    expiresAt: int | None
    holders: list[Lease]
    reason: str
    by: str | None


type Sink = Callable[[str, int, EventFields], Any]
"""Writes one event: its kind, its time (ms) and its fields.

`user` is the plain id, and `deviceName` is text of the viewer. A sink that leaves
this process hashes the id, and omits the name unless `EVENTS_DEVICE_NAMES` is set.
"""


def record(kind: str, *, now: int, **fields: Unpack[EventFields]) -> None:
    """Send an event of `now` (ms) to every sink in `EVENT_SINKS`."""
    for path in settings.EVENT_SINKS:
        sink(path)(kind, now, fields)


@cache
def sink(path: str) -> Sink:
    """Import the sink with this dotted path."""
    imported: Sink = import_string(path)
    return imported

"""What was decided for whom, and why: an event for each decision, to the sinks that the settings name.

docs/events.md says what each means, docs/events.schema.json has their shape, `streams_project.events` writes them."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.utils.module_loading import import_string

from streams.rules import Lease, Metadata


class EventFacts(TypedDict, total=False):
    """What an event says beside its kind and its instant. None is not said."""

    user: str
    id: str
    deviceType: str | None
    metadata: Metadata | None
    plan: str | None
    rule: str | None
    limit: int
    expiresAt: int | None
    holders: list[Lease]
    reason: str
    by: str | None


def record(*kinds: str, now: int, **facts: Unpack[EventFacts]) -> None:
    """Tell of these decisions, made at `now` (ms). The user is named as callers do; no sink says it in the clear."""
    for path in settings.EVENT_SINKS:
        for kind in kinds:
            sink_of(path)(kind, now, facts)


@cache
def sink_of(path: str) -> Callable[[str, int, EventFacts], Any]:
    """The sink that a setting names."""
    sink: Callable[[str, int, EventFacts], Any] = import_string(path)
    return sink

"""The endings that an account keeps, so that a player learns why its stream ended."""

from collections.abc import Mapping
from typing import Any

from streams.rules.leases import Ending, Lease, Reason

MAX_ENDINGS_BYTES = 320
"""Approximate size of the endings that an item keeps.

Above it, the oldest are dropped until two thirds are left. Dropping requires a
read, so about one stop in four drops several instead of each stop dropping one.
"""
ENDING_BYTES = 24
"""Size of a stored ending without its ids."""


def endings_of(
    leases: list[Lease], reason: Reason, *, now: int, by: str | None = None
) -> dict[str, Ending]:
    """Return how leases end now, by id. An expired lease keeps its expiry."""
    endings = {}
    for lease in leases:
        if lease.is_live(now):
            ending = Ending(reason=reason, at=now, epoch=lease.epoch, by=by)
        else:
            ending = lease.expiry
        endings[lease.id] = ending
    return endings


def keep_newest(
    kept: Mapping[str, Ending], added: Mapping[str, Ending]
) -> Mapping[str, Ending]:
    """Return the endings to store: every added one, then the newest that fit."""
    ended = {**kept, **added}
    if not added:
        return ended

    room = room_for_endings(*added.items())
    if len(ended) <= max(len(kept), room):
        return ended

    max_bytes = MAX_ENDINGS_BYTES * 2 // 3
    total_bytes = 0
    remembered: dict[str, Ending] = {}
    for id, ending in _added_then_newest(ended, added):
        total_bytes += _ending_bytes(id, ending)
        if total_bytes > max_bytes and id not in added:
            break
        remembered[id] = ending
    return remembered


def late_before(
    kept: Mapping[str, Ending], ended: Mapping[str, Ending], *, now: int
) -> int:
    """Return the instant before which every start counts as late, or 0.

    An ending keeps late starts out of its slot. When it is dropped, this instant
    does.
    """
    dropped = kept.keys() - ended.keys()
    if not dropped:
        return 0

    ended_at = [kept[id].at for id in dropped]
    return max(now, *ended_at)


def may_lack_endings_since(ended: Mapping[str, Ending], instant: int) -> bool:
    """Return whether an ending at or after an instant may have been dropped.

    The oldest endings are dropped first, and a third of the room stays in use
    unless ids are extraordinarily long.
    """
    has_older = any(ending.at < instant for ending in ended.values())
    kept_bytes = sum(_ending_bytes(id, ending) for id, ending in ended.items())
    return not has_older and kept_bytes > MAX_ENDINGS_BYTES // 3


def _added_then_newest(
    ended: Mapping[str, Ending], added: Mapping[str, Ending]
) -> list[tuple[str, Ending]]:
    def key(item: tuple[str, Ending]) -> Any:
        id, ending = item
        return id not in added, -ending.at, id

    return sorted(ended.items(), key=key)


def room_for_endings(*endings: tuple[str, Ending]) -> int:
    """Return how many endings fit if all are as long as the longest of these."""
    longest = max(_ending_bytes(id, ending) for id, ending in endings)
    return MAX_ENDINGS_BYTES // longest


def _ending_bytes(id: str, ending: Ending) -> int:
    return ENDING_BYTES + len(id) + len(ending.by or "")

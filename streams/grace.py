"""Grace leases: granted while DynamoDB does not answer.

Each process counts the grace leases that it granted, per user. With
`WHEN_STORE_IS_DOWN=open` the service fails open here, and only while no answer
arrives from DynamoDB: refusing every viewer would do more harm than admitting
a few streams too many. Every grace lease ends within one lease after the outage.
"""

from collections import OrderedDict
from itertools import islice
from threading import Lock

from django.conf import settings

from streams.rules import Lease

MAX_USERS = 10_000
"""Further users get no grace lease, so that an outage cannot fill the memory."""

_expiries: OrderedDict[str, dict[str, int]] = OrderedDict()
"""Expiry (ms) of each grace lease, by user and stream; the latest users last."""
_expiries_lock = Lock()


def may_start(user_id: str, lease: Lease, *, now: int) -> bool:
    """Count a new grace lease and return whether the user may have it.

    The limit of the viewer's bearer token applies if it is lower.
    """
    if settings.WHEN_STORE_IS_DOWN != "open":
        return False

    limit = settings.MAX_GRACE_STREAMS
    if lease.entitlement.limit is not None:
        limit = min(limit, lease.entitlement.limit)
    return _count(user_id, lease, limit=limit, now=now)


def may_continue(user_id: str, lease: Lease, *, now: int) -> bool:
    """Count a renewed lease and return whether it may continue on its token alone.

    A live lease always continues while the service fails open.
    """
    _count(user_id, lease, limit=settings.MAX_LIMIT, now=now)
    return bool(settings.WHEN_STORE_IS_DOWN == "open")


def _count(user_id: str, lease: Lease, *, limit: int, now: int) -> bool:
    """Record a lease if it fits and return whether it does."""
    with _expiries_lock:
        _drop_expired_users(now)

        recorded = _expiries.pop(user_id, {})
        live = {id: expiry for id, expiry in recorded.items() if expiry > now}
        is_known = lease.id in live
        has_room = len(live) < limit and len(_expiries) < MAX_USERS

        may_play = is_known or has_room
        if may_play:
            live[lease.id] = lease.expires_at
        if live:
            _expiries[user_id] = live
        return may_play


def _drop_expired_users(now: int) -> None:
    """Drop up to two of the users that were counted longest ago."""
    longest_ago = list(islice(_expiries, 2))
    for user_id in longest_ago:
        if max(_expiries[user_id].values()) <= now:
            del _expiries[user_id]

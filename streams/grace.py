"""Leases that nobody can write down, since the store is down: how many a user has, as far as this process knows.

With `WHEN_STORE_IS_DOWN=open` the service fails open here, and only while no answer comes from DynamoDB: many who may
watch would be kept out for the few who may not. What it gives ends within a lease after the outage.
"""

from collections import OrderedDict
from itertools import islice
from threading import Lock

from django.conf import settings

from streams.rules import Lease

USERS_AT_MOST = 10_000
"""Further users get none, so that an outage fills no memory."""

_ends: OrderedDict[str, dict[str, int]] = OrderedDict()
"""By user and stream, when its lease ends (ms); the users that were here last are last."""
_counting = Lock()


def may_start(user_id: str, lease: Lease, *, now: int) -> bool:
    """Whether the user gets this lease beside the others, whose number the viewer's own bearer token may limit too."""
    at_most = settings.GRACE_STREAMS_AT_MOST
    at_most = (
        at_most
        if lease.entitlement.limit is None
        else min(at_most, lease.entitlement.limit)
    )
    return settings.WHEN_STORE_IS_DOWN == "open" and _count(
        user_id, lease, at_most=at_most, now=now
    )


def may_go_on(user_id: str, lease: Lease, *, now: int) -> bool:
    """Whether a lease that has not run out is renewed by its token alone; it counts, and always goes on."""
    _count(user_id, lease, at_most=settings.HIGHEST_LIMIT, now=now)
    return bool(settings.WHEN_STORE_IS_DOWN == "open")


def _count(user_id: str, lease: Lease, *, at_most: int, now: int) -> bool:
    with _counting:
        for user in [
            user for user in islice(_ends, 2) if max(_ends[user].values()) <= now
        ]:
            del _ends[user]
        live = {id: end for id, end in _ends.pop(user_id, {}).items() if end > now}
        has_room = lease.id in live or (
            len(live) < at_most and len(_ends) < USERS_AT_MOST
        )
        if live := live | ({lease.id: lease.expires_at} if has_room else {}):
            _ends[user_id] = live
        return has_room

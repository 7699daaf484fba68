"""Grace leases: granted while DynamoDB does not answer.

Each process remembers the streams that it let start or continue during an outage.
With `WHEN_STORE_IS_DOWN=open` the service fails open here, and only while no
answer arrives from DynamoDB: refusing every viewer would do more harm than
admitting a few streams too many. Every grace lease ends within one lease after
the outage.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from streams.conf import settings
from streams.errors import TooManyStarts
from streams.rules import Ending, Lease, Reason, StartRate

MAX_USERS = 10_000
"""Further users get no grace lease, so that an outage cannot fill the memory."""


@dataclass(slots=True)
class _Outage:
    """The memory of one user: the latest lease of each id, and the starts so far."""

    leases: dict[str, Lease] = field(default_factory=dict)
    theoretical_arrival_at: int = 0

    def drop_expired(self, now: int) -> None:
        live = self.leases.items()
        self.leases = {id: lease for id, lease in live if lease.is_live(now)}

    def is_over(self, now: int) -> bool:
        has_live = any(lease.is_live(now) for lease in self.leases.values())
        return not has_live and self.theoretical_arrival_at <= now


_users: OrderedDict[str, _Outage] = OrderedDict()
"""The users of this outage; the latest ones last."""
_users_lock = Lock()


def may_start(user_id: str, lease: Lease, *, start_rate: StartRate, now: int) -> bool:
    """Remember a new grace lease and return whether the user may have it.

    It replaces an earlier playback of the same id. The limit of the viewer's
    bearer token applies if it is lower.

    Raises:
        TooManyStarts: the user starts streams too quickly.
    """
    limit = settings.MAX_GRACE_STREAMS
    if lease.entitlement.limit is not None:
        limit = min(limit, lease.entitlement.limit)
    if settings.WHEN_STORE_IS_DOWN != "open" or limit == 0:
        return False

    with _recalled(user_id, now=now) as user:
        is_known = lease.id in user.leases
        has_room = len(user.leases) < limit and len(_users) < MAX_USERS
        if not is_known and not has_room:
            return False

        earliest = start_rate.earliest_start(user.theoretical_arrival_at)
        if now < earliest:
            raise TooManyStarts(retry_at=earliest)
        user.theoretical_arrival_at = start_rate.arrival_after_start(
            user.theoretical_arrival_at, now=now
        )
        user.leases[lease.id] = lease
        return True


def may_continue(user_id: str, lease: Lease, *, now: int) -> bool:
    """Remember a renewed lease and return whether it may continue on its token alone.

    A live lease always continues while the service fails open.
    """
    if settings.WHEN_STORE_IS_DOWN != "open":
        return False

    with _recalled(user_id, now=now) as user:
        if len(_users) < MAX_USERS:
            user.leases[lease.id] = lease
        return True


def ending_of(user_id: str, lease: Lease, *, now: int) -> Ending | None:
    """Return how a playback ended if a newer one of its id started in the outage."""
    with _users_lock:
        user = _users.get(user_id)
        newer = user.leases.get(lease.id) if user else None

    if newer is None or newer.epoch <= lease.epoch or not newer.is_live(now):
        return None
    return Ending(
        reason=Reason.TAKEN_OVER,
        at=newer.started_at,
        epoch=lease.epoch,
        by=lease.id,
    )


def paused_since(user_id: str, *, id: str, epoch: int) -> int:
    """Return when a playback reported its pause in this outage, or 0 if it plays."""
    with _users_lock:
        user = _users.get(user_id)
        lease = user.leases.get(id) if user else None

    if lease is None or lease.epoch != epoch:
        return 0
    return lease.paused_at


def forget() -> None:
    """Forget every outage."""
    with _users_lock:
        _users.clear()


@contextmanager
def _recalled(user_id: str, *, now: int) -> Iterator[_Outage]:
    """Give the memory of a user, and keep it if anything is left in it.

    The user becomes the latest one. Up to two of the users that were here longest
    ago are dropped if their leases have expired.
    """
    with _users_lock:
        for longest_ago in list(islice(_users, 2)):
            if _users[longest_ago].is_over(now):
                del _users[longest_ago]

        user = _users.pop(user_id, None) or _Outage()
        user.drop_expired(now)
        try:
            yield user
        finally:
            if not user.is_over(now):
                _users[user_id] = user

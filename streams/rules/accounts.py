"""The words of the rule: a policy, a lease, an ending, an account, and what a player asks for.

Every instant is an integer of milliseconds since 1970 UTC; a stream is live while `now < expires_at`, so expiry is a
comparison and never waits for a deletion.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼────────────────────▶ time
            └──────────── live: holds a slot ─────┘ a ghost: its slot is there for whoever asks
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class WhenFull(StrEnum):
    """What a start does when every slot is taken."""

    DENY = "deny"
    EVICT_OLDEST = "evict-oldest"


class Reason(StrEnum):
    """Why a stream is over."""

    STOPPED = "stopped"
    EVICTED = "evicted"
    REPLACED = "replaced"
    TAKEN_OVER = "taken-over"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How many streams a user may hold, for how long a lease lasts, and what happens when full."""

    limit: int
    lease_ms: int
    when_full: WhenFull = WhenFull.DENY


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One stream's right to play until `expires_at`. `epoch`, the version that its start met, grows each time the slot
    changes hands."""

    id: str
    stream_id: str
    started_at: int
    expires_at: int
    epoch: int
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None

    def is_live(self, now: int) -> bool:
        """Whether it still holds its slot."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why and when (ms) a stream ended, and which stream's start ended it, if one did."""

    reason: Reason
    at: int
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is kept of one user. `version` grows with every change; `limit` and `when_full` are overrides. A lease
    goes before an ending of the same id, which is of an earlier playback."""

    version: int
    leases: Mapping[str, Lease] = field(default_factory=dict)
    ended: Mapping[str, Ending] = field(default_factory=dict)
    limit: int | None = None
    when_full: WhenFull | None = None

    def live(self, now: int) -> list[Lease]:
        """The streams that hold a slot, oldest first."""
        return sorted((lease for lease in self.leases.values() if lease.is_live(now)), key=age)

    def policy(self, default: Policy, entitlement: int | None = None) -> Policy:
        """The policy that holds for this user: the entitlement's limit, else the override's, else the default's."""
        limits = (entitlement, self.limit, default.limit)
        return replace(
            default,
            limit=next(limit for limit in limits if limit is not None),
            when_full=self.when_full or default.when_full,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a player asks for. `replace` names streams to end in the same write; `entitlement` is the limit that the
    caller was granted for this start, whatever is stored."""

    id: str
    stream_id: str
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None
    replace: frozenset[str] = frozenset()
    entitlement: int | None = None

    def lease(self, *, epoch: int, now: int, policy: Policy) -> Lease:
        """The lease this request gets when it is admitted."""
        return Lease(
            id=self.id,
            stream_id=self.stream_id,
            started_at=now,
            expires_at=now + policy.lease_ms,
            epoch=epoch,
            device_id=self.device_id,
            device_name=self.device_name,
            device_type=self.device_type,
            title=self.title,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A start that was admitted: its lease, whether it took over its own live slot, and why others ended for it."""

    lease: Lease
    took_over: bool
    ended: tuple[Reason, ...] = ()


def age(lease: Lease) -> tuple[int, str]:
    """Sorts leases: oldest first."""
    return lease.started_at, lease.id

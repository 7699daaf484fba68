"""The words of the rule: a lease, an ending, an account, and what a player asks for.

Every instant is an integer of milliseconds since 1970 UTC; a stream is live while `now < expires_at`, so expiry is a
comparison and never waits for a deletion.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼────────────────────▶ time
            └──────────── live: holds a slot ─────┘ a ghost: its slot is there for whoever asks
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from streams.rules.plans import NOTHING_GRANTED, Entitlement, Pace, Policy, WhenFull

EPOCHS_A_MS = 1000
"""How many epochs a millisecond has: a start's is of the millisecond it began in."""

type Metadata = Mapping[str, str | int | float | bool]


class Reason(StrEnum):
    """Why a stream is over."""

    STOPPED = "stopped"
    EVICTED = "evicted"
    REPLACED = "replaced"
    TAKEN_OVER = "taken-over"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    OVER_LIMIT = "over-limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What is watched, under which id, by which device and from which network."""

    id: str
    stream_id: str
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None
    metadata: Metadata = field(default_factory=dict)
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Playback):
    """One stream's right to play until `expires_at`.

    `epoch` grows each time the slot changes hands, and `nonce` says which start it was. `prior_expires_at` is when the
    lease that this start found in its slot would have ended, 0 where there was none. `entitlement` is what the viewer's
    own bearer token granted for this start. A late heartbeat that revived the stream found it to have ended at
    `revived_from`, and let it go on until `revived_to`. `paused_at` is 0 while it plays. `pace` is not kept: it goes
    into the player's token.
    """

    started_at: int
    expires_at: int
    epoch: int
    nonce: str = ""
    prior_expires_at: int = 0
    entitlement: Entitlement = NOTHING_GRANTED
    revived_from: int = 0
    revived_to: int = 0
    paused_at: int = 0
    pace: Pace | None = field(default=None, compare=False)

    def is_live(self, now: int) -> bool:
        """Whether it still holds its slot."""
        return now < self.expires_at

    @property
    def took_over(self) -> bool:
        """Whether its start found the slot held by a live stream of the same id."""
        return self.started_at < self.prior_expires_at

    @property
    def expiry(self) -> "Ending":
        """How it ended, when nobody ended it before its time."""
        return Ending(reason=Reason.EXPIRED, at=self.expires_at, epoch=self.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why and when (ms) a stream ended, its epoch, and which stream's start ended it, if one did."""

    reason: Reason
    at: int
    epoch: int = 0
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is kept of one user. `version` grows with every change; `limit`, `plan` and `when_full` are overrides. A
    lease goes before an ending of the same id, which is of an earlier playback. `mints` is the instant up to which the
    starts so far are paid for: each costs an interval."""

    version: int
    leases: Mapping[str, Lease] = field(default_factory=dict)
    ended: Mapping[str, Ending] = field(default_factory=dict)
    limit: int | None = None
    plan: str | None = None
    when_full: WhenFull | None = None
    mints: int = 0

    def live(self, now: int) -> list[Lease]:
        """The streams that hold a slot, oldest first."""
        return sorted(
            (lease for lease in self.leases.values() if lease.is_live(now)), key=age
        )

    def endings(self, now: int) -> list[tuple[str, Ending]]:
        """The last streams that are over, newest first; one whose lease ran out is."""
        ghosts = [lease for lease in self.leases.values() if not lease.is_live(now)]
        ended = {**self.ended, **{lease.id: lease.expiry for lease in ghosts}}
        return sorted(ended.items(), key=lambda item: (-item[1].at, item[0]))

    def policy(
        self, default: Policy, entitlement: Entitlement = NOTHING_GRANTED
    ) -> Policy:
        """The policy that holds for this user: the plan that the entitlement names, else the stored one, else the
        default, which stands in for one that is not known; and its limit by the entitlement, else the stored one."""
        plan = default.plans.get(entitlement.plan or self.plan or "", default)
        limits = (entitlement.limit, self.limit, plan.limit)
        limit = next(limit for limit in limits if limit is not None)
        when_full = self.when_full or plan.when_full
        is_as_it_is = (limit, when_full) == (plan.limit, plan.when_full)
        return plan if is_as_it_is else replace(plan, limit=limit, when_full=when_full)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Playback):
    """What a player asks for with a start. `replace` names streams to end in the same write, each with the epoch of the
    playback that is meant, or None for whichever holds the id."""

    replace: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest(Asked):
    """A start as it is judged. `epoch` and `nonce` are its own: the epoch from the clock, so that it is above every
    earlier one of the slot but for clocks that disagree, and the nonce at random. `entitlement` is what the viewer's
    own bearer token grants. `is_grace` says that it plays already, by a grace lease."""

    epoch: int
    nonce: str
    entitlement: Entitlement = NOTHING_GRANTED
    is_grace: bool = False

    def lease(
        self,
        *,
        now: int,
        policy: Policy,
        epoch: int | None = None,
        prior_expires_at: int = 0,
    ) -> Lease:
        """The lease that this request gets when it is admitted."""
        return Lease(
            **{name: getattr(self, name) for name in Playback.__slots__},
            started_at=now,
            expires_at=now + policy.lease_ms,
            epoch=self.epoch if epoch is None else epoch,
            nonce=self.nonce,
            prior_expires_at=prior_expires_at,
            entitlement=self.entitlement,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A start that was admitted: its lease, what ended for it, by id, the stored plan, and the account that it found,
    where that was looked at."""

    lease: Lease
    ended: Mapping[str, Ending] = field(default_factory=dict)
    plan: str | None = field(default=None, compare=False)
    before: Account | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The playback that is meant: its epoch, and of a player's token the end (ms) of the lease it was issued for, and
    the pace that it was told. `is_grace` says that it was a grace lease, so that the slot may know nothing of it."""

    epoch: int
    expires_at: int | None = None
    pace: Pace | None = None
    is_grace: bool = False


def last_epoch_of(now: int) -> int:
    """The last epoch of this millisecond: what began later has a higher one."""
    return now * EPOCHS_A_MS + EPOCHS_A_MS - 1


def age(lease: Lease) -> tuple[int, str]:
    """Sorts leases: oldest first."""
    return lease.started_at, lease.id

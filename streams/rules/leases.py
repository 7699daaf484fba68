"""Leases: a stream's right to play, the request for one, and how one ends.

Every instant is an integer: milliseconds since 1970, UTC. A stream is live while
`now < expires_at`, so expiry is a comparison and never waits for a clean-up job.

        started_at            now            expires_at
    ────────┼──────────────────┼──────────────────┼─────────────────▶ time
            └────── live: holds its slot ─────────┘ ghost: the slot can be reused
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, NamedTuple

from streams.rules.immutable import immutable

EPOCHS_PER_MS = 1000
"""A start draws its epoch from the millisecond in which it begins."""

type Metadata = Mapping[str, str | int | float | bool]
type StoredFields = Mapping[str, Any]
"""Stored fields that this release does not know, by their stored names."""


class Reason(StrEnum):
    """Reason why a stream ended."""

    STOPPED = "stopped"
    EVICTED = "evicted"
    REPLACED = "replaced"
    TAKEN_OVER = "taken-over"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    OVER_LIMIT = "over-limit"


class Entitlement(NamedTuple):
    """Limit and plan that the viewer's bearer token grants."""

    limit: int | None = None
    plan: str | None = None


NOTHING_GRANTED = Entitlement()


class Pace(NamedTuple):
    """Lease length that the next heartbeat requests.

    It applies only while the item stores at most `max_stored_leases` leases, and
    until an operator changes the user's limit or plan.
    """

    lease_ms: int
    max_stored_leases: int


JUDGED_PACE = Pace(lease_ms=1, max_stored_leases=0)
"""A pace that never applies, because a stream that renews stores a lease.

The rule determines the length of the lease. It stands for a pace in a token of
another release that this one cannot read.
"""


@immutable
class Lease:
    """A stream's right to play until `expires_at`.

    The first eight fields describe the playback: the content, the device and the
    network. They are those of the `StartRequest` that the lease was granted for.

    `epoch` increases each time the slot changes hands.
    `nonce` identifies the start that wrote this lease.
    `prior_expires_at` is the expiry of the lease that this start replaced, or 0.
    `revived_from` and `revived_to` are the old and the new expiry of the last
    heartbeat that arrived after the lease had expired.
    `paused_at` is 0 while the stream plays.
    `pace` is not stored. It travels in the player's token.
    `unknown` has the fields that another release stored, as it stored them. Each
    write keeps them.
    """

    id: str
    stream_id: str
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None
    metadata: Metadata = field(default_factory=dict)
    network: str | None = None
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
    unknown: StoredFields = field(default_factory=dict, compare=False)

    def is_live(self, now: int) -> bool:
        """Return whether the stream still holds its slot."""
        return now < self.expires_at

    @property
    def took_over(self) -> bool:
        """Whether a live stream held the same id when this one started."""
        return self.started_at < self.prior_expires_at

    @property
    def expiry(self) -> "Ending":
        """The ending of a lease that expired."""
        return Ending(reason=Reason.EXPIRED, at=self.expires_at, epoch=self.epoch)


@immutable
class Ending:
    """How a stream ended. `by` is the id of the stream whose start ended it.

    `unknown` has the fields that another release stored, as it stored them.
    """

    reason: Reason
    at: int
    epoch: int = 0
    by: str | None = None
    unknown: StoredFields = field(default_factory=dict, compare=False)


@immutable
class StartRequest:
    """A start that a player asks for.

    `replace` maps the ids of streams to end to the epoch of the playback that
    the viewer saw, or to None for any playback with that id.

    The service sets the remaining fields before the rule judges the request.
    `epoch` comes from the clock, so it exceeds every earlier epoch of the slot
    unless clocks disagree. `nonce` is random. `is_grace` marks a stream that
    already plays on a grace lease. A start by a ticket (`is_by_ticket`) has the
    ticket's epoch and nonce. `network_aliases` are the hashes of the same network
    under the other keys that sign tokens while keys change.
    """

    id: str
    stream_id: str
    device_id: str | None = None
    device_name: str | None = None
    device_type: str | None = None
    title: str | None = None
    metadata: Metadata = field(default_factory=dict)
    network: str | None = None
    replace: Mapping[str, int | None] = field(default_factory=dict)
    epoch: int = 0
    nonce: str = ""
    entitlement: Entitlement = NOTHING_GRANTED
    is_grace: bool = False
    network_aliases: tuple[str, ...] = ()
    is_by_ticket: bool = False

    def lease(
        self,
        *,
        now: int,
        lease_ms: int,
        epoch: int | None = None,
        prior_expires_at: int = 0,
    ) -> Lease:
        """Return the lease that this request receives when it is admitted."""
        return Lease(
            id=self.id,
            stream_id=self.stream_id,
            device_id=self.device_id,
            device_name=self.device_name,
            device_type=self.device_type,
            title=self.title,
            metadata=self.metadata,
            network=self.network,
            started_at=now,
            expires_at=now + lease_ms,
            epoch=self.epoch if epoch is None else epoch,
            nonce=self.nonce,
            prior_expires_at=prior_expires_at,
            entitlement=self.entitlement,
        )


@immutable
class Hold:
    """A caller's claim to one playback.

    `expires_at` and `pace` come from the player's token. An operator who names
    an epoch has neither. `is_grace` marks the token of a grace lease, which the
    store may never have seen. `networks` are the forms in which the player's
    network can be stored, the current one first, if the plans examine networks.
    """

    epoch: int
    expires_at: int | None = None
    pace: Pace | None = None
    is_grace: bool = False
    networks: tuple[str, ...] = ()

    def has_moved(self, lease: Lease) -> bool:
        """Return whether the player is in another network than its lease."""
        return bool(self.networks) and lease.network not in self.networks

    def issued_after(self, longest_lease_ms: int) -> int:
        """Return an instant (ms) after which the token was issued for its lease."""
        return (self.expires_at or 0) - longest_lease_ms


def last_epoch_of(now: int) -> int:
    """Return the highest epoch of this millisecond."""
    return now * EPOCHS_PER_MS + EPOCHS_PER_MS - 1


def age(lease: Lease) -> tuple[int, str]:
    """Return a sort key that puts the oldest lease first."""
    return lease.started_at, lease.id

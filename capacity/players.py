"""A population of players: how many, what they do, and how often."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from capacity.sizing import (
    EARLIEST_SHARE,
    HEARTBEATS_PER_LEASE,
    heartbeats_per_second,
)

HOURS_PER_MONTH = 730
MEAN_SHARE = (1 + EARLIEST_SHARE) / 2
"""Of the longest time between two heartbeats: the jitter is even."""
FREE_SLOTS_TO_RELAX = 2
"""A lease is a relaxed one while so many slots of its user are free."""


@dataclass(frozen=True, kw_only=True)
class Players:
    """Players, as who plans them knows them. `_share`s are of one."""

    concurrent: int = field(metadata={"help": "streams that play at once, at the peak"})
    average: float = field(
        default=0.4, metadata={"help": "of a month, as a share of the peak"}
    )
    lease_seconds: int = field(default=60, metadata={"help": "LEASE_SECONDS"})
    relaxed_seconds: int = field(
        default=0,
        metadata={"help": "lease while two or more slots are free; 0: the same"},
    )
    paused_share: float = field(
        default=0.0, metadata={"help": "of the streams that are paused"}
    )
    paused_seconds: int = field(
        default=0, metadata={"help": "lease of a paused stream; 0: the same"}
    )
    limit: int = field(default=3, metadata={"help": "streams that a user may hold"})
    streams_per_user: float = field(
        default=1.3, metadata={"help": "of a user who plays, on average"}
    )
    starts_per_hour: float = field(
        default=1.5, metadata={"help": "new streams, for each that plays"}
    )
    zap_per_hour: float = field(
        default=2.0,
        metadata={"help": "starts in their own slot, for each stream that plays"},
    )
    lists_per_hour: float = field(
        default=0.5, metadata={"help": "looks at who holds the slots, for each stream"}
    )
    denial_share: float = field(
        default=0.02, metadata={"help": "of the new streams that are asked for"}
    )
    crash_share: float = field(
        default=0.1, metadata={"help": "of the streams that end without a stop"}
    )
    new_share: float = field(
        default=0.15,
        metadata={"help": "of the starts that are of a user not seen for a day"},
    )
    users_kept: float = field(
        default=3.0,
        metadata={"help": "users whose item is kept, for each that plays at the peak"},
    )
    duration_ms: float = field(
        default=10.0,
        metadata={"help": "of a request on Lambda; DynamoDB is most of it"},
    )
    memory_mb: int = field(default=1769, metadata={"help": "of an instance"})
    processor_ms: float = field(
        default=2.0,
        metadata={"help": "of a request in a container, its server included"},
    )
    response_bytes: int = field(
        default=1200, metadata={"help": "of an answer, with its headers"}
    )
    request_bytes: int = field(
        default=800, metadata={"help": "of a request, with its headers"}
    )

    def __post_init__(self) -> None:
        for name in (
            "average",
            "paused_share",
            "denial_share",
            "crash_share",
            "new_share",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}: it is a share, from 0 to 1."
                )
        if not 1 <= self.concurrent <= 1_000_000_000:
            raise ValueError(
                f"concurrent is {self.concurrent}: name 1 to 1,000,000,000 streams that play at once."
            )
        if not 1 <= self.limit <= 100:
            raise ValueError(
                f"limit is {self.limit}: a user may hold 1 to 100 streams."
            )
        if not 1 <= self.streams_per_user <= self.limit:
            raise ValueError(
                f"streams_per_user is {self.streams_per_user}: it is from 1 to the limit, {self.limit}."
            )
        if self.denial_share == 1:
            raise ValueError("denial_share is 1: then nobody would play.")
        for name in ("lease_seconds", "relaxed_seconds", "paused_seconds"):
            least = 0 if name != "lease_seconds" else 5
            if not least <= getattr(self, name) <= 3600:
                raise ValueError(
                    f"{name} is {getattr(self, name)}: it is from {least} to 3600 seconds."
                )
        for name in (
            "starts_per_hour",
            "zap_per_hour",
            "lists_per_hour",
            "users_kept",
            "duration_ms",
            "processor_ms",
        ):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}: it cannot be less than 0."
                )
        if not 128 <= self.memory_mb <= 10_240:
            raise ValueError(
                f"memory_mb is {self.memory_mb}: Lambda has 128 to 10,240."
            )

    @cached_property
    def by_held(self) -> Mapping[int, float]:
        """The share of streams whose user holds so many: each number of streams is as much rarer than the one before
        as gives the average."""
        low, high = 0.0, 1e6
        for _ in range(200):
            ratio = (low + high) / 2
            mean = _mean(ratio, self.limit)
            low, high = (ratio, high) if mean < self.streams_per_user else (low, ratio)
        users = [ratio**held for held in range(self.limit)]
        streams = {held: users[held - 1] * held for held in range(1, self.limit + 1)}
        return {
            held: number / sum(streams.values()) for held, number in streams.items()
        }

    @property
    def users(self) -> float:
        """Who play at the peak."""
        return self.concurrent / self.streams_per_user

    def lease_of(self, held: int) -> int:
        """How long the lease of a stream is whose user holds so many."""
        is_relaxed = self.relaxed_seconds and self.limit - held >= FREE_SLOTS_TO_RELAX
        return self.relaxed_seconds if is_relaxed else self.lease_seconds

    def heartbeats(self) -> float:
        """Of streams that play, a second, at the peak. Each start of a stream, and each zap, is followed by a whole
        time between two, that of an ordinary lease: the heartbeat that was due is never sent."""
        resets = (self.starts_per_hour + self.zap_per_hour) / 3600
        first = self.lease_seconds / HEARTBEATS_PER_LEASE * MEAN_SHARE
        return sum(
            streams
            * _between_resets(first, lease / HEARTBEATS_PER_LEASE * MEAN_SHARE, resets)
            for lease, streams in self.playing_by_lease.items()
        )

    def paused_heartbeats(self) -> float:
        """Of streams that are paused, a second, at the peak."""
        lease = self.paused_seconds or self.lease_seconds
        return heartbeats_per_second(
            self.concurrent * self.paused_share, lease_seconds=lease, share=MEAN_SHARE
        )

    @property
    def most_heartbeats(self) -> float:
        """A second, when all come as early as they may and nobody zaps."""
        playing = sum(
            heartbeats_per_second(streams, lease_seconds=lease)
            for lease, streams in self.playing_by_lease.items()
        )
        paused = heartbeats_per_second(
            self.concurrent * self.paused_share,
            lease_seconds=self.paused_seconds or self.lease_seconds,
        )
        return playing + paused

    @cached_property
    def playing_by_lease(self) -> Mapping[int, float]:
        """How many streams have leases of so many seconds."""
        found: dict[int, float] = {}
        for held, share in self.by_held.items():
            lease = self.lease_of(held)
            found[lease] = (
                found.get(lease, 0) + self.concurrent * (1 - self.paused_share) * share
            )
        return found


def _between_resets(first: float, then: float, resets_a_second: float) -> float:
    """How often a second a clock strikes that is set back at random instants, when it strikes after `first` seconds,
    and from then on each `then`."""
    if not resets_a_second:
        return 1 / then
    return (
        resets_a_second
        * math.exp(-resets_a_second * first)
        / -math.expm1(-resets_a_second * then)
    )


def _mean(ratio: float, limit: int) -> float:
    weights = [ratio**held for held in range(limit)]
    return sum(weight * held for held, weight in enumerate(weights, start=1)) / sum(
        weights
    )


def population_of(options: Mapping[str, Any]) -> Players:
    """The population that these options name. Raises `ValueError`."""
    names = {one.name for one in dataclasses.fields(Players)}
    return Players(
        **{
            name: value
            for name, value in options.items()
            if name in names and value is not None
        }
    )

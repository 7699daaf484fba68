"""A population of players: how many there are, what they do, and how often."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from capacity.sizing import (
    EARLIEST_SHARE,
    HEARTBEATS_PER_LEASE,
    heartbeats_per_second,
)

HOURS_PER_MONTH = 730
MEAN_SHARE = (1 + EARLIEST_SHARE) / 2
"""The mean time between two heartbeats, as a share of the longest. The jitter is
uniform."""
FREE_SLOTS_TO_RELAX = 2
"""A stream has a relaxed lease while its user has this many free slots."""
RATIO_STEPS = 200

SHARES = ("average", "paused_share", "denial_share", "crash_share", "new_share")
RATES = (
    "starts_per_hour",
    "zap_per_hour",
    "lists_per_hour",
    "users_kept",
    "duration_ms",
    "processor_ms",
)
MIN_LEASE_SECONDS = {"lease_seconds": 5, "relaxed_seconds": 0, "paused_seconds": 0}
MAX_LEASE_SECONDS = 3600
MAX_CONCURRENT = 1_000_000_000
MAX_LIMIT = 100


def described(description: str, default: Any = dataclasses.MISSING) -> Any:
    """Return a field with the description that the command's help shows."""
    return dataclasses.field(default=default, metadata={"help": description})


@dataclass(frozen=True, kw_only=True)
class Players:
    """The players of a service at its peak. A share is from 0 to 1.

    Raises:
        ValueError: a value is out of range.
    """

    concurrent: int = described("streams that play at once at the peak")
    average: float = described("mean of a month, as a share of the peak", 0.4)
    lease_seconds: int = described("LEASE_SECONDS", 60)
    relaxed_seconds: int = described(
        "lease while two or more slots are free; 0: lease_seconds", 0
    )
    paused_share: float = described("share of the streams that are paused", 0.0)
    paused_seconds: int = described("lease of a paused stream; 0: lease_seconds", 0)
    limit: int = described("streams that a user may have at once", 3)
    streams_per_user: float = described("mean streams of a user who plays", 1.3)
    starts_per_hour: float = described("new streams per stream that plays", 1.5)
    zap_per_hour: float = described(
        "starts in their own slot per stream that plays", 2.0
    )
    lists_per_hour: float = described("requests of the list per stream", 0.5)
    denial_share: float = described("share of the new streams that are denied", 0.02)
    crash_share: float = described("share of the streams that end without a stop", 0.1)
    new_share: float = described(
        "share of the starts whose user was not seen for a day", 0.15
    )
    users_kept: float = described(
        "users with a stored item per user who plays at the peak", 3.0
    )
    duration_ms: float = described(
        "duration of a request on Lambda; most of it is DynamoDB's", 10.0
    )
    memory_mb: int = described("memory of a Lambda instance", 1769)
    processor_ms: float = described(
        "processor time of a request in a container, with its server", 2.0
    )
    response_bytes: int = described("size of a response, with its headers", 1200)
    request_bytes: int = described("size of a request, with its headers", 800)

    def __post_init__(self) -> None:
        self._check_shares()
        self._check_users()
        self._check_leases()
        self._check_rates()

    @cached_property
    def by_held(self) -> Mapping[int, float]:
        """The share of the streams whose user has 1, 2, … streams.

        Users with one more stream are rarer by a constant ratio, which gives
        `streams_per_user`.
        """
        ratio = _ratio_for(self.streams_per_user, self.limit)
        users = _users_by_held(ratio, self.limit)
        streams = {held: number * held for held, number in users.items()}
        total = sum(streams.values())

        return {held: number / total for held, number in streams.items()}

    @property
    def users(self) -> float:
        """The users who play at the peak."""
        return self.concurrent / self.streams_per_user

    def lease_of(self, held: int) -> int:
        """Return the seconds of a lease of a user with `held` streams."""
        free = self.limit - held
        is_relaxed = self.relaxed_seconds and free >= FREE_SLOTS_TO_RELAX

        return self.relaxed_seconds if is_relaxed else self.lease_seconds

    def heartbeats(self) -> float:
        """Return the heartbeats per second of streams that play, at the peak.

        A start and a zap replace the heartbeat that was due. The next heartbeat
        follows after the whole interval of an ordinary lease.
        """
        resets = (self.starts_per_hour + self.zap_per_hour) / 3600
        first = _interval_seconds(self.lease_seconds)

        return sum(
            streams * _ticks_per_second(first, _interval_seconds(lease), resets)
            for lease, streams in self.playing_by_lease.items()
        )

    def paused_heartbeats(self) -> float:
        """Return the heartbeats per second of paused streams, at the peak."""
        return heartbeats_per_second(
            self.paused_streams, lease_seconds=self.paused_lease, share=MEAN_SHARE
        )

    @property
    def most_heartbeats(self) -> float:
        """Heartbeats per second if all are as early as possible and no player zaps."""
        playing = sum(
            heartbeats_per_second(streams, lease_seconds=lease)
            for lease, streams in self.playing_by_lease.items()
        )
        paused = heartbeats_per_second(
            self.paused_streams, lease_seconds=self.paused_lease
        )

        return playing + paused

    @property
    def paused_streams(self) -> float:
        """The streams that are paused at the peak."""
        return self.concurrent * self.paused_share

    @property
    def paused_lease(self) -> int:
        """The seconds of a paused stream's lease."""
        return self.paused_seconds or self.lease_seconds

    @cached_property
    def playing_by_lease(self) -> Mapping[int, float]:
        """The streams that play, by the seconds of their lease."""
        playing = self.concurrent * (1 - self.paused_share)
        by_lease: dict[int, float] = {}
        for held, share in self.by_held.items():
            lease = self.lease_of(held)
            by_lease[lease] = by_lease.get(lease, 0) + playing * share

        return by_lease

    def _check_shares(self) -> None:
        for name in SHARES:
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share}: it is a share, from 0 to 1.")
        if self.denial_share == 1:
            raise ValueError("denial_share is 1: every start would be denied.")

    def _check_users(self) -> None:
        if not 1 <= self.concurrent <= MAX_CONCURRENT:
            raise ValueError(
                f"concurrent is {self.concurrent}: name 1 to {MAX_CONCURRENT:,} "
                "streams that play at once."
            )

        if not 1 <= self.limit <= MAX_LIMIT:
            raise ValueError(
                f"limit is {self.limit}: a user may have 1 to {MAX_LIMIT} streams."
            )

        if not 1 <= self.streams_per_user <= self.limit:
            raise ValueError(
                f"streams_per_user is {self.streams_per_user}: it is from 1 to the "
                f"limit, {self.limit}."
            )

    def _check_leases(self) -> None:
        for name, least in MIN_LEASE_SECONDS.items():
            seconds = getattr(self, name)
            if not least <= seconds <= MAX_LEASE_SECONDS:
                raise ValueError(
                    f"{name} is {seconds}: it is from {least} to {MAX_LEASE_SECONDS} "
                    "seconds."
                )

    def _check_rates(self) -> None:
        for name in RATES:
            rate = getattr(self, name)
            if not 0 <= rate < math.inf:
                raise ValueError(f"{name} is {rate}: it is at least 0.")
        if not 128 <= self.memory_mb <= 10_240:
            raise ValueError(
                f"memory_mb is {self.memory_mb}: Lambda has 128 to 10,240."
            )


def players_of(options: Mapping[str, Any]) -> Players:
    """Return the population that a command's options describe.

    Raises:
        ValueError: a value is out of range.
    """
    names = {field.name for field in dataclasses.fields(Players)}
    values = {
        name: value
        for name, value in options.items()
        if name in names and value is not None
    }

    return Players(**values)


def _interval_seconds(lease_seconds: int) -> float:
    """Return the mean time between two heartbeats."""
    return lease_seconds / HEARTBEATS_PER_LEASE * MEAN_SHARE


def _ticks_per_second(first: float, interval: float, resets_per_second: float) -> float:
    """Return how often a clock ticks that random resets set back.

    It ticks `first` seconds after a reset, and then after each `interval`. The
    resets are a Poisson process.
    """
    if not resets_per_second:
        return 1 / interval

    reaches_first = math.exp(-resets_per_second * first)
    is_reset_in_interval = -math.expm1(-resets_per_second * interval)

    return resets_per_second * reaches_first / is_reset_in_interval


def _ratio_for(streams_per_user: float, limit: int) -> float:
    """Return the ratio of users with one more stream, by bisection."""
    low, high = 0.0, 1e6
    for _ in range(RATIO_STEPS):
        ratio = (low + high) / 2
        if _mean_held(ratio, limit) < streams_per_user:
            low = ratio
        else:
            high = ratio

    return ratio


def _mean_held(ratio: float, limit: int) -> float:
    users = _users_by_held(ratio, limit)
    streams = sum(number * held for held, number in users.items())

    return streams / sum(users.values())


def _users_by_held(ratio: float, limit: int) -> dict[int, float]:
    """Return the relative number of users with 1, 2, … streams."""
    return {held: ratio ** (held - 1) for held in range(1, limit + 1)}

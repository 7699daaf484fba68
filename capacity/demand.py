"""The requests of a population at its peak, with their DynamoDB calls and units."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from capacity.players import Players
from capacity.sizing import Capacity, capacity_for

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
INDEX_BYTES = 100
"""Bytes that DynamoDB adds to each stored item."""


@dataclass(frozen=True, slots=True)
class RequestKind:
    """Requests of one kind at the peak, and the DynamoDB calls of each request.

    `written` writes take effect. `refused` writes fail their condition and cost the
    same; if they find no item (`finds_no_item`) they cost one unit.
    """

    name: str
    per_second: float
    written: int = 0
    refused: int = 0
    read: int = 0
    finds_no_item: bool = False

    @property
    def calls(self) -> int:
        """Calls to DynamoDB for one request."""
        return self.written + self.refused + self.read


@dataclass(frozen=True, slots=True)
class ItemSizes:
    """The sizes of users' items.

    `bytes_of` returns the bytes of an item by its number of streams.
    `forgetting_share` is the share of stops that drop old endings.
    """

    bytes_of: Callable[[int], int]
    forgetting_share: float


@dataclass(frozen=True)
class Demand:
    """The requests of a population at its peak."""

    population: Players
    items: ItemSizes

    @cached_property
    def request_kinds(self) -> tuple[RequestKind, ...]:
        """Every kind of request."""
        return (*self._starts(), *self._heartbeats(), *self._stops(), self._lists())

    @property
    def starts_per_second(self) -> float:
        """New streams that are admitted."""
        return self._per_second(self.population.starts_per_hour)

    @property
    def requests(self) -> float:
        """Requests per second."""
        return sum(kind.per_second for kind in self.request_kinds)

    @property
    def calls(self) -> float:
        """Calls to DynamoDB per second."""
        return sum(kind.per_second * kind.calls for kind in self.request_kinds)

    def write_units_of(self, kind: RequestKind) -> float:
        """Return the write units of one request."""
        units = self._mean_units(WRITE_UNIT_BYTES)
        refused = 1 if kind.finds_no_item else units

        return kind.written * units + kind.refused * refused

    @property
    def write_units(self) -> float:
        """Write units per second."""
        return sum(
            kind.per_second * self.write_units_of(kind) for kind in self.request_kinds
        )

    @property
    def read_units(self) -> float:
        """Read units per second."""
        reads = sum(kind.per_second * kind.read for kind in self.request_kinds)
        return reads * self._mean_units(READ_UNIT_BYTES)

    @property
    def stored_gb(self) -> float:
        """Gigabytes in the table: the items of users who played within a day.

        Most items contain endings and no stream.
        """
        users = self.population.users * self.population.users_kept
        return users * (self.items.bytes_of(1) + INDEX_BYTES) / 1e9

    @property
    def instances(self) -> float:
        """Lambda instances that are busy at the peak."""
        return self.requests * self.population.duration_ms / 1000

    @property
    def to_provision(self) -> Capacity:
        """The capacity that `manage.py provision` sets for these viewers."""
        return capacity_for(
            self.population.concurrent, heartbeats=self.population.most_heartbeats
        )

    def _starts(self) -> tuple[RequestKind, ...]:
        players = self.population
        over_ghosts = self._starts_over_ghosts()
        first = (self.starts_per_second - over_ghosts) * players.new_share
        ordinary = self.starts_per_second - first - over_ghosts
        denied_per_admitted = players.denial_share / (1 - players.denial_share)

        return (
            RequestKind("start", ordinary, written=1),
            RequestKind(
                "first start of a user",
                first,
                written=1,
                refused=1,
                finds_no_item=True,
            ),
            RequestKind("start over ghosts", over_ghosts, written=1, refused=1),
            RequestKind(
                "start in its own slot",
                self._per_second(players.zap_per_hour),
                written=1,
            ),
            RequestKind(
                "denial", self.starts_per_second * denied_per_admitted, refused=1
            ),
        )

    def _heartbeats(self) -> tuple[RequestKind, ...]:
        players = self.population
        # A paused stream is read first. If its end is set, no write follows.
        paused_writes = 0 if players.paused_seconds else 1

        return (
            RequestKind("heartbeat", players.heartbeats(), written=1),
            RequestKind(
                "heartbeat while paused",
                players.paused_heartbeats(),
                written=paused_writes,
                read=1,
            ),
        )

    def _stops(self) -> tuple[RequestKind, ...]:
        stops = self.starts_per_second * (1 - self.population.crash_share)
        forgetting_share = self.items.forgetting_share

        return (
            RequestKind("stop", stops * (1 - forgetting_share), written=1),
            RequestKind(
                "stop that drops old endings",
                stops * forgetting_share,
                written=1,
                refused=1,
            ),
        )

    def _lists(self) -> RequestKind:
        return RequestKind(
            "list", self._per_second(self.population.lists_per_hour), read=1
        )

    def _starts_over_ghosts(self) -> float:
        """Return the starts per second that remove ghosts.

        A ghost stays until no slot is free. The start that finds this removes all
        ghosts of the user.
        """
        players = self.population
        crashed = self.starts_per_second * players.crash_share

        return crashed * sum(
            share / (players.limit - held + 1)
            for held, share in players.by_held.items()
        )

    def _per_second(self, per_hour: float) -> float:
        """Return the rate of all streams, from the rate of one stream per hour."""
        return self.population.concurrent * per_hour / 3600

    def _mean_units(self, unit_bytes: int) -> float:
        """Return the units of one call, as the mean over all streams."""
        return sum(
            share * math.ceil(self.items.bytes_of(held) / unit_bytes)
            for held, share in self.population.by_held.items()
        )

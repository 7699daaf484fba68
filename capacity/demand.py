"""The requests of a population at its peak, with their DynamoDB calls and units."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from capacity.players import Players
from capacity.sizing import Capacity, capacity_for


@dataclass(frozen=True, slots=True)
class RequestKind:
    """Requests of one kind at the peak, and the calls of each to DynamoDB: writes that take place, writes whose
    condition fails (paid for like those that take place), reads."""

    name: str
    per_second: float
    written: int = 0
    refused: int = 0
    read: int = 0
    finds_no_item: bool = False

    @property
    def calls(self) -> int:
        """To DynamoDB, for one request."""
        return self.written + self.refused + self.read


@dataclass(frozen=True, slots=True)
class ItemSizes:
    """The items of users: bytes by how many streams are held, and the share of stops that have endings to drop."""

    bytes_of: Callable[[int], int]
    forgetting_share: float


@dataclass(frozen=True)
class Demand:
    """What a population asks, at the peak."""

    population: Players
    items: ItemSizes

    @cached_property
    def request_kinds(self) -> tuple[RequestKind, ...]:
        """Every kind of request."""
        people = self.population
        starts = people.concurrent * people.starts_per_hour / 3600
        # A ghost stays until no slot is left; the start that finds that takes them all away.
        over_ghosts = (
            starts
            * people.crash_share
            * sum(
                share / (people.limit - held + 1)
                for held, share in people.by_held.items()
            )
        )
        stops = starts * (1 - people.crash_share)
        first = (starts - over_ghosts) * people.new_share
        return (
            RequestKind("start", starts - first - over_ghosts, written=1),
            RequestKind(
                "first start of a user", first, written=1, refused=1, finds_no_item=True
            ),
            RequestKind("start over ghosts", over_ghosts, written=1, refused=1),
            RequestKind(
                "start in its own slot",
                people.concurrent * people.zap_per_hour / 3600,
                written=1,
            ),
            RequestKind(
                "denial",
                starts * people.denial_share / (1 - people.denial_share),
                refused=1,
            ),
            RequestKind("heartbeat", people.heartbeats(), written=1),
            # Judged on what is read; where its end is set there is nothing to write.
            RequestKind(
                "heartbeat while paused",
                people.paused_heartbeats(),
                written=0 if people.paused_seconds else 1,
                read=1,
            ),
            RequestKind("stop", stops * (1 - self.items.forgetting_share), written=1),
            RequestKind(
                "stop that drops old endings",
                stops * self.items.forgetting_share,
                written=1,
                refused=1,
            ),
            RequestKind(
                "list", people.concurrent * people.lists_per_hour / 3600, read=1
            ),
        )

    @property
    def requests(self) -> float:
        """A second, at the peak."""
        return sum(verb.per_second for verb in self.request_kinds)

    @property
    def calls(self) -> float:
        """To DynamoDB, a second, at the peak."""
        return sum(verb.per_second * verb.calls for verb in self.request_kinds)

    def _units(self, unit_bytes: int) -> float:
        """Of one call, over all streams."""
        sizes = {held: self.items.bytes_of(held) for held in self.population.by_held}
        return sum(
            share * math.ceil(sizes[held] / unit_bytes)
            for held, share in self.population.by_held.items()
        )

    def write_units_of(self, verb: RequestKind) -> float:
        """Of one request."""
        units = self._units(1024)
        return verb.written * units + verb.refused * (
            1 if verb.finds_no_item else units
        )

    @property
    def write_units(self) -> float:
        """A second, at the peak."""
        return sum(
            verb.per_second * self.write_units_of(verb) for verb in self.request_kinds
        )

    @property
    def read_units(self) -> float:
        """A second, at the peak."""
        return sum(
            verb.per_second * verb.read for verb in self.request_kinds
        ) * self._units(4096)

    @property
    def stored_gb(self) -> float:
        """In the table: the items of who play, and of who did within a day. An item keeps its endings, not its
        streams; DynamoDB adds 100 bytes to each."""
        kept = self.population.users * self.population.users_kept
        return kept * (self.items.bytes_of(1) + 100) / 1e9

    @property
    def instances(self) -> float:
        """Of Lambda that are busy at the peak."""
        return self.requests * self.population.duration_ms / 1000

    @property
    def to_provision(self) -> Capacity:
        """What `manage.py provision` sets for so many viewers."""
        return capacity_for(
            self.population.concurrent, heartbeats=self.population.most_heartbeats
        )

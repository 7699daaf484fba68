"""A scaled-down population, replayed: players who start, zap, beat, crash, are denied and stop, by a clock of their
own, through the store and against a real engine. What that took stands beside what the planner says.

python -m bench.replay   a table, on the engine that `DYNAMODB_ENDPOINT` names; `make replay` starts one
"""

import dataclasses
import heapq
import itertools
import math
import random
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from capacity.demand import Demand
from capacity.items import item_bytes, typical_item_sizes
from capacity.players import Players
from streams.errors import StreamLimitReached
from streams.models import UserStreams
from streams.rules import EPOCHS_A_MS, Hold, Policy, StartRequest
from streams.storage.store import StreamStore

NOW = 1_800_000_000_000
POPULATION = Players(
    concurrent=120,
    starts_per_hour=60,
    zap_per_hour=60,
    lists_per_hour=30,
    denial_share=0.1,
    streams_per_user=1.5,
)
"""Sessions are short, so that a few minutes have all of it."""
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples are as evenly spread as those of any number."""
BEGIN_WITHIN_SECONDS = 20
PAUSE_SECONDS = 0.2
"""Between two sessions before the same screen."""
RELAXED = Players(
    concurrent=120,
    relaxed_seconds=300,
    starts_per_hour=20,
    zap_per_hour=10,
    lists_per_hour=10,
    denial_share=0.1,
    crash_share=0.02,
    streams_per_user=1.5,
)
"""With leases that are longer while two slots are free. A crash is rare, since its slot is taken for as long."""
WARM_UP_SECONDS, SECONDS = 180, 120
"""The first are of what was before: as many sessions as give an item its endings."""


@dataclass
class Metered:
    """DynamoDB, with the calls and units of each verb. A refused write is not metered by the engine: DynamoDB charges
    for it as for one that takes place, by the size of the item that it found.
    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""

    verb: str = ""
    is_counting: bool = False
    requests: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    write_units: Counter[str] = field(default_factory=Counter)
    read_units: Counter[str] = field(default_factory=Counter)
    reported_units: float = 0

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Send it on."""
        self.calls[self.verb] += self.is_counting
        try:
            answer = UserStreams.call(operation, arguments)
        except ClientError as exc:
            found: Any = exc.response.get("Item")
            self._add(
                self.write_units, math.ceil(item_bytes(found) / 1024) if found else 1
            )
            raise
        units = answer["ConsumedCapacity"]["CapacityUnits"]
        self._add(
            self.read_units if operation == "GetItem" else self.write_units, units
        )
        self.reported_units += units * self.is_counting
        return answer

    def _add(self, to: Counter[str], units: float) -> None:
        to[self.verb] += units * self.is_counting  # type: ignore[assignment]  # halves are possible


class Replay:
    """The population, from its first second. Everything that happens is on one queue, by its instant."""

    def __init__(self, population: Players, *, seed: int = 7) -> None:
        self.population, self.random = population, random.Random(seed)
        self.metered = Metered()
        policy = Policy(
            limit=population.limit,
            lease_ms=population.lease_seconds * 1000,
            relaxed_lease_ms=population.relaxed_seconds * 1000 or None,
        )
        self.store = StreamStore(
            policy=policy, call=self.metered, sleep=lambda seconds: None
        )
        self.number = itertools.count()
        self.drawn: Counter[str] = Counter()
        self.carried: dict[str, float] = defaultdict(float)
        self.playing: Counter[str] = Counter()
        self.played_seconds = 0.0
        self.run = uuid.uuid4().hex[:12]
        self.queue: list[tuple[float, int, Callable[[float], None]]] = []

    def even(self, kind: str) -> float:
        """From 0 to 1, and over a few more evenly spread than at random: so few players are as many would be."""
        self.drawn[kind] += 1
        return (self.drawn[kind] * GOLDEN) % 1

    def whole(self, kind: str, number: float) -> int:
        """So many, in whole ones: what is left over is carried to the next."""
        self.carried[kind] += number
        whole = int(self.carried[kind])
        self.carried[kind] -= whole
        return whole

    def at(self, instant: float, act: Callable[[float], None]) -> None:
        """Let it happen then, in seconds from the beginning."""
        heapq.heappush(self.queue, (instant, next(self.number), act))

    def play(self, warm_up_seconds: float, seconds: float) -> Metered:
        """All of it; what is counted begins after the warm-up."""
        for user, held in self._seats():
            for seat in range(held):
                self.at(
                    self.random.uniform(0, BEGIN_WITHIN_SECONDS),
                    _Seat(self, user, held, seat).start,
                )
        now = 0.0
        while self.queue and self.queue[0][0] < warm_up_seconds + seconds:
            instant, _, act = heapq.heappop(self.queue)
            self.metered.is_counting = instant >= warm_up_seconds
            self.played_seconds += self.playing.total() * max(
                0.0, instant - max(now, warm_up_seconds)
            )
            now = instant
            act(instant)
        return self.metered

    def ask(self, verb: str, act: Callable[[], Any]) -> Any:
        """One request."""
        self.metered.verb = verb
        self.metered.requests[verb] += self.metered.is_counting
        return act()

    def start(self, verb: str, user: str, id: str, instant: float) -> Hold:
        """One that is admitted, or `StreamLimitReached`."""
        now = _ms(instant)
        number = next(self.number)
        request = StartRequest(
            id=id,
            stream_id=f"episode-{number}",
            device_id=id,
            device_name="Living room TV",
            device_type="tv",
            title="The Great Escape",
            epoch=now * EPOCHS_A_MS + number % EPOCHS_A_MS,
            nonce=f"{number:06}",
        )
        lease = self.ask(verb, lambda: self.store.start(user, request, now=now)).lease
        return Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)

    def _seats(self) -> list[tuple[str, int]]:
        """Users, with how many streams each plays at once."""
        users = []
        for held, share in self.population.by_held.items():
            number = round(self.population.concurrent * share / held)
            users += [(f"replay-{self.run}-{held}-{at}", held) for at in range(number)]
        return users

    def deny(self, instant: float) -> None:
        """Another device of a user who plays on all that they may, now and then when somebody starts."""
        wanted = self.population.denial_share / (1 - self.population.denial_share)
        on_all = [
            user
            for user, playing in self.playing.items()
            if playing == self.population.limit
        ]
        if on_all and self.even("denial") < wanted:
            with suppress(StreamLimitReached):
                self.start(
                    "denial", self.random.choice(on_all), "one-too-many", instant
                )


class _Seat:
    """A place before a screen: one session after the other, each in a slot of a new id."""

    def __init__(self, replay: Replay, user: str, held: int, seat: int) -> None:
        self.replay, self.user, self.seat = replay, user, seat
        self.session_seconds = 3600 / replay.population.starts_per_hour
        self.new_share = (
            replay.population.new_share / replay.population.by_held[1]
            if held == 1
            else 0.0
        )
        self.sessions = itertools.count()

    def start(self, instant: float) -> None:
        """A session, whose end no time makes more likely than another."""
        replay, random = self.replay, self.replay.random
        seconds = -math.log(1 - replay.even("session")) * self.session_seconds
        id = f"android-{self.seat}{next(self.sessions):04}c1e2f"
        if (
            self.new_share and replay.even("new") < self.new_share
        ):  # as if DynamoDB had forgotten the user
            key = {"user_id": {"S": self.user}}
            UserStreams.call(
                "DeleteItem", {"TableName": UserStreams.Meta.table_name, "Key": key}
            )
        replay.deny(instant)
        session = _Session(
            self,
            id,
            replay.start("start", self.user, id, instant),
            ends_at=instant + seconds,
        )
        replay.playing[self.user] += 1
        session.beat_later(instant)
        people = replay.population
        for act, an_hour in (
            (session.zap, people.zap_per_hour),
            (session.look, people.lists_per_hour),
        ):
            for _ in range(replay.whole(act.__name__, an_hour * seconds / 3600)):
                replay.at(instant + random.uniform(0, seconds), act)
        replay.at(instant + seconds, session.end)


@dataclass
class _Session:
    """A playback, with what its token says."""

    seat: _Seat
    id: str
    hold: Hold
    ends_at: float
    beats_at: float = 0

    def beat_later(self, now: float) -> None:
        """The next heartbeat is due when `heartbeatSeconds` of the last answer are over."""
        assert self.hold.expires_at
        left = (self.hold.expires_at - _ms(now)) / 1000
        self.beats_at = now + left / 3 * self.seat.replay.random.uniform(0.9, 1)
        self.seat.replay.at(self.beats_at, self.beat)

    def beat(self, now: float) -> None:
        """A heartbeat, unless a start came in between, or the end."""
        if now == self.beats_at and now < self.ends_at:
            replay = self.seat.replay
            renew = partial(
                replay.store.renew,
                self.seat.user,
                self.id,
                hold=self.hold,
                now=_ms(now),
            )
            lease = replay.ask("heartbeat", renew)
            self.hold = Hold(
                epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace
            )
            self.beat_later(now)

    def zap(self, now: float) -> None:
        """Another programme in the same slot."""
        self.hold = self.seat.replay.start(
            "start in its own slot", self.seat.user, self.id, now
        )
        self.beat_later(now)

    def look(self, now: float) -> None:
        """Who holds the slots."""
        self.seat.replay.ask(
            "list", partial(self.seat.replay.store.read, self.seat.user, now=_ms(now))
        )

    def end(self, now: float) -> None:
        """A stop, or a crash, after which nobody sits there until the lease has ended."""
        replay, pause = self.seat.replay, PAUSE_SECONDS
        if replay.even("crash") >= replay.population.crash_share:
            stop = partial(
                replay.store.stop, self.seat.user, self.id, hold=self.hold, now=_ms(now)
            )
            replay.ask("stop", stop)
        else:
            pause = replay.population.lease_seconds
        replay.playing[self.seat.user] -= 1
        replay.at(now + pause, self.seat.start)


def _ms(instant: float) -> int:
    return NOW + int(instant * 1000)


@dataclass(frozen=True)
class Compared:
    """A figure as planned and as measured, a second."""

    what: str
    planned: float
    measured: float

    @property
    def off(self) -> float:
        """By this share."""
        return self.measured / self.planned - 1


AS_ONE = {
    "first start of a user": "start",
    "start over ghosts": "start",
    "stop that drops old endings": "stop",
}
"""Requests that only their calls tell apart."""


def compare(
    population: Players = POPULATION, *, seconds: float = SECONDS
) -> list[Compared]:
    """Requests by verb, calls and units together, planned for as many as played on average."""
    replay = Replay(population)
    metered = replay.play(WARM_UP_SECONDS, seconds)
    played = dataclasses.replace(
        population, concurrent=round(replay.played_seconds / seconds)
    )
    demand = Demand(played, typical_item_sizes())
    planned: Counter[str] = Counter()
    for verb in demand.request_kinds:
        planned[AS_ONE.get(verb.name, verb.name)] += verb.per_second  # type: ignore[assignment]
    rows = [
        Compared(f"requests: {name}", planned[name], metered.requests[name] / seconds)
        for name in planned
        if planned[name]
    ]
    rows.append(
        Compared("requests", demand.requests, metered.requests.total() / seconds)
    )
    rows.append(Compared("calls", demand.calls, metered.calls.total() / seconds))
    rows.append(
        Compared(
            "write units", demand.write_units, metered.write_units.total() / seconds
        )
    )
    rows.append(
        Compared("read units", demand.read_units, metered.read_units.total() / seconds)
    )
    return rows


def main() -> None:
    """Print both."""
    for row in (*compare(), *compare(RELAXED, seconds=2 * SECONDS)):
        sys.stdout.write(
            f"{row.what:34}{row.planned:10.2f}{row.measured:10.2f}{row.off:+8.1%}\n"
        )


if __name__ == "__main__":
    import django

    django.setup()
    main()

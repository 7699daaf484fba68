"""Replays a scaled-down population and compares its cost with the planner's estimate.

Players start, zap, send heartbeats, crash, are denied and stop, on a simulated clock.
Their calls go through the store to a real engine.

python -m bench.replay

Prints a table. The engine is the one that `DYNAMODB_ENDPOINT` names; `make replay`
starts one.
"""

import dataclasses
import heapq
import itertools
import math
import random
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from capacity.demand import Demand
from capacity.items import item_bytes, typical_item_sizes
from capacity.players import Players
from streams.errors import StreamLimitReached
from streams.models import UserStreams
from streams.rules import EPOCHS_PER_MS, Hold, Lease, Plan, Plans, StartRequest
from streams.storage.store import StreamStore

BEGIN_MS = 1_800_000_000_000
"""The instant at which the simulated clock begins."""
WRITE_UNIT_BYTES = 1024
SECONDS_PER_HOUR = 3600
SEED = 7

POPULATION = Players(
    concurrent=120,
    starts_per_hour=60,
    zap_per_hour=60,
    lists_per_hour=30,
    denial_share=0.1,
    streams_per_user=1.5,
)
"""Sessions are short, so that a few minutes contain every kind of request."""
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
"""Leases are longer while two slots are free.

Crashes are rare because each one occupies its slot for such a long lease.
"""

GOLDEN_RATIO = (5**0.5 - 1) / 2
"""The fractional parts of its multiples are spread more evenly than any other's."""
BEGIN_WITHIN_SECONDS = 20
PAUSE_SECONDS = 0.2
"""Pause between two sessions of a viewer."""
WARM_UP_SECONDS = 180
"""Not counted. It contains enough sessions to give each item its usual endings."""
SECONDS = 120

type Act = Callable[[float], None]
"""An action at an instant, in seconds since the beginning."""


@dataclass
class MeteredCalls:
    """Sends calls to DynamoDB and adds up the calls and units of each verb.

    The engine does not report units for a write whose condition failed. DynamoDB
    charges for it by the size of the existing item, as for a write that succeeds.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """

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
        """Send a call and add up its units."""
        self.calls[self.verb] += self.is_counting
        try:
            answer = UserStreams.call(operation, arguments)
        except ClientError as exc:
            self._add(self.write_units, _units_of_failed_write(exc))
            raise

        units = answer["ConsumedCapacity"]["CapacityUnits"]
        is_read = operation == "GetItem"
        self._add(self.read_units if is_read else self.write_units, units)
        self.reported_units += units * self.is_counting
        return answer

    def _add(self, counter: Counter[str], units: float) -> None:
        counted: Any = units * self.is_counting  # reads take half a unit
        counter[self.verb] += counted


def _units_of_failed_write(exc: ClientError) -> int:
    item: Any = exc.response.get("Item")
    return math.ceil(item_bytes(item) / WRITE_UNIT_BYTES) if item else 1


class Replay:
    """The population. Every action is in one queue, ordered by its instant."""

    def __init__(self, population: Players, *, seed: int = SEED) -> None:
        self.population = population
        self.random = random.Random(seed)
        self.metered = MeteredCalls()
        plan = Plan(
            limit=population.limit,
            lease_ms=population.lease_seconds * 1000,
            relaxed_lease_ms=population.relaxed_seconds * 1000 or None,
        )
        self.store = StreamStore(
            plans=Plans(default=plan),
            call=self.metered,
            sleep=lambda seconds: None,
        )

        self.numbers = itertools.count()
        self.drawn: Counter[str] = Counter()
        self.carried: dict[str, float] = defaultdict(float)
        self.playing: Counter[str] = Counter()
        self.played_seconds = 0.0
        self.run_id = uuid.uuid4().hex[:12]
        self.queue: list[tuple[float, int, Act]] = []

    def draw_evenly(self, kind: str) -> float:
        """Return a number from 0 to 1.

        A few of these numbers are spread more evenly than random ones, so that a few
        players behave as many would.
        """
        self.drawn[kind] += 1
        return (self.drawn[kind] * GOLDEN_RATIO) % 1

    def whole(self, kind: str, number: float) -> int:
        """Round a number down, and carry the remainder over to the next call."""
        self.carried[kind] += number
        whole = int(self.carried[kind])
        self.carried[kind] -= whole
        return whole

    def schedule(self, instant: float, act: Act) -> None:
        """Run an action at an instant, in seconds since the beginning."""
        heapq.heappush(self.queue, (instant, next(self.numbers), act))

    def play(self, warm_up_seconds: float, seconds: float) -> MeteredCalls:
        """Run the replay and return the counts, which begin after the warm-up."""
        self._schedule_first_sessions()
        end = warm_up_seconds + seconds
        now = 0.0

        while self.queue and self.queue[0][0] < end:
            instant, _, act = heapq.heappop(self.queue)
            counted_seconds = max(0.0, instant - max(now, warm_up_seconds))
            self.played_seconds += self.playing.total() * counted_seconds
            self.metered.is_counting = instant >= warm_up_seconds
            now = instant
            act(instant)

        return self.metered

    def request[Result](self, verb: str, act: Callable[[], Result]) -> Result:
        """Send one request and count it."""
        self.metered.verb = verb
        self.metered.requests[verb] += self.metered.is_counting
        return act()

    def start(self, verb: str, user: str, id: str, instant: float) -> Hold:
        """Start a stream and return its hold. Raises `StreamLimitReached`."""
        now = _milliseconds(instant)
        number = next(self.numbers)
        request = StartRequest(
            id=id,
            stream_id=f"episode-{number}",
            device_id=id,
            device_name="Living room TV",
            device_type="tv",
            title="The Great Escape",
            epoch=now * EPOCHS_PER_MS + number % EPOCHS_PER_MS,
            nonce=f"{number:06}",
        )
        admission = self.request(
            verb,
            lambda: self.store.start(user, request, now=now),
        )
        return _hold_of(admission.lease)

    def deny(self, instant: float) -> None:
        """Start one stream too many, on some of the occasions on which a viewer starts.

        The user is one who plays on every slot.
        """
        denial_share = self.population.denial_share
        denials_per_start = denial_share / (1 - denial_share)
        full_users = [
            user
            for user, playing in self.playing.items()
            if playing == self.population.limit
        ]
        if not full_users or self.draw_evenly("denial") >= denials_per_start:
            return

        user = self.random.choice(full_users)
        with suppress(StreamLimitReached):
            self.start("denial", user, "one-too-many", instant)

    def _schedule_first_sessions(self) -> None:
        for user, streams in self._users():
            for number in range(streams):
                viewer = _Viewer(self, user, streams, number)
                first_start = self.random.uniform(0, BEGIN_WITHIN_SECONDS)
                self.schedule(first_start, viewer.start)

    def _users(self) -> Iterator[tuple[str, int]]:
        """Yield the users with the number of streams that each plays at once."""
        for streams, share in self.population.by_held.items():
            users = round(self.population.concurrent * share / streams)
            for number in range(users):
                yield f"replay-{self.run_id}-{streams}-{number}", streams


class _Viewer:
    """A viewer of a user's account: one session after another, each with a new id."""

    def __init__(self, replay: Replay, user: str, streams: int, number: int) -> None:
        self.replay = replay
        self.user = user
        self.number = number
        self.session_seconds = SECONDS_PER_HOUR / replay.population.starts_per_hour
        self.sessions = itertools.count()
        self.new_user_share = 0.0
        if streams == 1:
            population = replay.population
            self.new_user_share = population.new_share / population.by_held[1]

    def start(self, instant: float) -> None:
        """Start a session. Its length has an exponential distribution."""
        replay = self.replay
        seconds = -math.log(1 - replay.draw_evenly("session")) * self.session_seconds
        id = f"android-{self.number}{next(self.sessions):04}c1e2f"

        is_new_user = (
            self.new_user_share > 0 and replay.draw_evenly("new") < self.new_user_share
        )
        if is_new_user:
            self._forget_user()
        replay.deny(instant)

        hold = replay.start("start", self.user, id, instant)
        session = _Session(self, id, hold, ends_at=instant + seconds)
        replay.playing[self.user] += 1
        session.schedule_heartbeat(instant)

        population = replay.population
        self._schedule_some(
            "zap", population.zap_per_hour, session.zap, instant, seconds
        )
        self._schedule_some(
            "list", population.lists_per_hour, session.list_streams, instant, seconds
        )
        replay.schedule(instant + seconds, session.end)

    def _schedule_some(
        self,
        kind: str,
        per_hour: float,
        act: Act,
        instant: float,
        seconds: float,
    ) -> None:
        """Schedule an action at random instants of a session."""
        replay = self.replay
        for _ in range(replay.whole(kind, per_hour * seconds / SECONDS_PER_HOUR)):
            replay.schedule(instant + replay.random.uniform(0, seconds), act)

    def _forget_user(self) -> None:
        """Delete the item, as DynamoDB's time to live would."""
        arguments = {
            "TableName": UserStreams.Meta.table_name,
            "Key": {"user_id": {"S": self.user}},
        }
        UserStreams.call("DeleteItem", arguments)


@dataclass
class _Session:
    """One playback, with the hold that its token grants."""

    viewer: _Viewer
    id: str
    hold: Hold
    ends_at: float
    heartbeat_at: float = 0

    def schedule_heartbeat(self, now: float) -> None:
        """Schedule the next heartbeat after about a third of the lease."""
        assert self.hold.expires_at
        replay = self.viewer.replay
        seconds_left = (self.hold.expires_at - _milliseconds(now)) / 1000
        self.heartbeat_at = now + seconds_left / 3 * replay.random.uniform(0.9, 1)
        replay.schedule(self.heartbeat_at, self.send_heartbeat)

    def send_heartbeat(self, now: float) -> None:
        """Renew the lease, unless a start rescheduled the heartbeat or the end came."""
        if now != self.heartbeat_at or now >= self.ends_at:
            return

        replay = self.viewer.replay
        lease = replay.request(
            "heartbeat",
            lambda: replay.store.renew(
                self.viewer.user,
                self.id,
                hold=self.hold,
                now=_milliseconds(now),
            ),
        )
        self.hold = _hold_of(lease)
        self.schedule_heartbeat(now)

    def zap(self, now: float) -> None:
        """Start another programme in the same slot."""
        self.hold = self.viewer.replay.start(
            "start in its own slot",
            self.viewer.user,
            self.id,
            now,
        )
        self.schedule_heartbeat(now)

    def list_streams(self, now: float) -> None:
        """List the user's streams."""
        replay = self.viewer.replay
        replay.request(
            "list",
            lambda: replay.store.read(self.viewer.user, now=_milliseconds(now)),
        )

    def end(self, now: float) -> None:
        """End by a stop or a crash.

        After a crash the viewer waits until the lease has expired.
        """
        replay = self.viewer.replay
        is_crash = replay.draw_evenly("crash") < replay.population.crash_share
        if is_crash:
            pause: float = replay.population.lease_seconds
        else:
            pause = PAUSE_SECONDS
            replay.request(
                "stop",
                lambda: replay.store.stop(
                    self.viewer.user,
                    self.id,
                    hold=self.hold,
                    now=_milliseconds(now),
                ),
            )

        replay.playing[self.viewer.user] -= 1
        replay.schedule(now + pause, self.viewer.start)


def _hold_of(lease: Lease) -> Hold:
    return Hold(epoch=lease.epoch, expires_at=lease.expires_at, pace=lease.pace)


def _milliseconds(instant: float) -> int:
    """Convert an instant of the simulated clock."""
    return BEGIN_MS + int(instant * 1000)


@dataclass(frozen=True)
class Compared:
    """A figure per second, as planned and as measured."""

    what: str
    planned: float
    measured: float

    @property
    def off(self) -> float:
        """The difference as a share of the planned figure."""
        return self.measured / self.planned - 1


ALIASES = {
    "first start of a user": "start",
    "start over ghosts": "start",
    "stop that drops old endings": "stop",
}
"""Kinds that the replay cannot distinguish, except by their calls."""


def compare(
    population: Players = POPULATION, *, seconds: float = SECONDS
) -> list[Compared]:
    """Return requests by verb, and all requests, calls and units.

    The estimate is for the number of streams that the replay had on average.
    """
    replay = Replay(population)
    metered = replay.play(WARM_UP_SECONDS, seconds)
    average_playing = round(replay.played_seconds / seconds)
    played = dataclasses.replace(population, concurrent=average_playing)
    demand = Demand(played, typical_item_sizes())

    planned: defaultdict[str, float] = defaultdict(float)
    for kind in demand.request_kinds:
        planned[ALIASES.get(kind.name, kind.name)] += kind.per_second

    figures = []
    for name, rate in planned.items():
        if rate:
            measured = metered.requests[name] / seconds
            figures.append(Compared(f"requests: {name}", rate, measured))

    totals = (
        ("requests", demand.requests, metered.requests),
        ("calls", demand.calls, metered.calls),
        ("write units", demand.write_units, metered.write_units),
        ("read units", demand.read_units, metered.read_units),
    )
    for name, rate, counter in totals:
        figures.append(Compared(name, rate, counter.total() / seconds))
    return figures


def main() -> None:
    """Print the comparison for both populations."""
    figures = [*compare(), *compare(RELAXED, seconds=2 * SECONDS)]
    for figure in figures:
        sys.stdout.write(
            f"{figure.what:34}"
            f"{figure.planned:10.2f}"
            f"{figure.measured:10.2f}"
            f"{figure.off:+8.1%}\n"
        )


if __name__ == "__main__":
    import django

    django.setup()
    main()

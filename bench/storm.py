"""Simulates a kick-off: ten million players arrive within minutes.

The model counts players instead of following each of them. In each second a number of
requests is due. The bottleneck refuses the same share of all of them. A refused player
comes back as the project's clients do: after `Retry-After`, with full jitter under a
doubling bound. API Gateway, Lambda and DynamoDB let through what AWS documents;
`capacity/prices.toml` has the figures and sources.

python -m bench.storm

Writes `storm.png` and `after-an-outage.png` into docs/performance/, and prints a table
of the results.
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from capacity.prices import prices_of
from capacity.sizing import (
    EARLIEST_SHARE,
    HEARTBEATS_PER_LEASE,
    SLOW_REQUEST_SECONDS,
    capacity_for,
)

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "performance"
QUOTAS = prices_of("eu-west-1").quotas

PLAYERS = 10_000_000
SECONDS = 1800
KICK_OFF_SECOND = 900
SPREAD_SECONDS = 150
"""Standard deviation of the arrivals around the kick-off."""
OUTAGE = range(1400, 1430)
"""Seconds without answers: half a minute, eight minutes after the kick-off."""

MAX_BACKOFF_SECONDS = 30
MAX_FAILURES = 20
LATEST_RETRY_SECONDS = 700
"""Room in the schedule for requests that are due after the last simulated second."""

BURST = 5000
"""API Gateway's burst of an account. It cannot be raised."""
REQUEST_SECONDS = 0.01
"""How long a request occupies a Lambda instance."""
THROTTLED_REQUEST_SECONDS = 1.0
"""How long a throttled request occupies an instance, which repeats it for a while."""
WARM_SHARE = 0.8
"""Share of the estimated instances that are warm before the players arrive."""
UNITS_HALVE_AFTER_SECONDS = 1800
"""A table accepts at least twice the rate of half an hour ago or earlier."""


class Wait(NamedTuple):
    """The range of `Retry-After` that refused players receive, in seconds."""

    shortest: float
    longest: float


GATEWAY_WAIT = Wait(1, 1)
THROTTLED_WAIT = Wait(5, 15)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The quotas and capacity that the operator prepared.

    `rate` is API Gateway's quota in requests per second, and `instances` is Lambda's.
    `warm_instances` run before the players arrive. `warm_units` are the write units
    that the table accepts immediately. During `down` no request is answered.
    """

    name: str
    rate: float = QUOTAS["api_gateway_rate"]
    instances: float = QUOTAS["lambda_concurrency"]
    warm_instances: float = 0
    warm_units: float = QUOTAS["warm_write_units"]
    lease_seconds: int = 60
    has_jitter: bool = True
    down: range = range(0)

    @property
    def heartbeat_seconds(self) -> float:
        """The longest time between two heartbeats."""
        return self.lease_seconds / HEARTBEATS_PER_LEASE

    @property
    def earliest_heartbeat_seconds(self) -> float:
        """The shortest time between two heartbeats."""
        if self.has_jitter:
            return self.heartbeat_seconds * EARLIEST_SHARE
        return self.heartbeat_seconds


@dataclass
class Course:
    """The result of a setting, by the second."""

    setting: Setting
    starts: list[float] = field(default_factory=list)
    heartbeats: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    playing: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    expired: float = 0.0
    """Heartbeats that arrived only after their lease had expired."""

    @property
    def requests(self) -> list[float]:
        """Requests per second."""
        pairs = zip(self.starts, self.heartbeats, strict=True)
        return [starts + heartbeats for starts, heartbeats in pairs]

    @property
    def mean_wait(self) -> float:
        """The mean seconds from a player's first start until it plays."""
        return sum(self.waiting) / PLAYERS


class Schedule:
    """Requests by the second at which they are due, and by their failures so far."""

    def __init__(self, seconds: int) -> None:
        self.seconds = [[0.0] * (MAX_FAILURES + 1) for _ in range(seconds)]

    def due(self, second: int) -> list[float]:
        """Return the requests of a second, by their failures so far."""
        return self.seconds[second]

    def add(
        self,
        number: float,
        *,
        now: int,
        earliest: float,
        latest: float,
        failures: int,
    ) -> None:
        """Distribute requests evenly between two times from now."""
        first = now + max(1, round(earliest))
        last = now + max(1, round(latest))
        for second in range(first, last + 1):
            self.seconds[second][failures] += number / (last - first + 1)


class Simulation:
    """One evening under a setting."""

    def __init__(self, setting: Setting, *, seconds: int) -> None:
        self.setting = setting
        self.seconds = seconds
        self.course = Course(setting)
        self.bottlenecks = _Bottlenecks(setting)
        self.tries_per_lease = _tries_per_lease(setting)
        self.playing = 0.0
        self.arrived = 0.0

        self.starts = Schedule(seconds + LATEST_RETRY_SECONDS)
        self.heartbeats = Schedule(seconds + LATEST_RETRY_SECONDS)
        for second, number in enumerate(_arrivals(seconds)):
            self.starts.due(second)[0] += number

    def run(self) -> Course:
        """Simulate every second."""
        for now in range(self.seconds):
            self._simulate(now)
        return self.course

    def _simulate(self, now: int) -> None:
        """Serve or refuse the requests of a second, and record the result."""
        starts = sum(self.starts.due(now))
        heartbeats = sum(self.heartbeats.due(now))
        requests = starts + heartbeats
        self.arrived += self.starts.due(now)[0]

        served, wait = self.bottlenecks.serve(requests, now)
        served_share = served / requests if requests else 1.0
        self.playing += starts * served_share

        self._answer(self.starts, now, served_share, wait)
        self.course.expired += self._answer(self.heartbeats, now, served_share, wait)

        self.course.starts.append(starts)
        self.course.heartbeats.append(heartbeats)
        self.course.refused.append(requests - served)
        self.course.playing.append(self.playing)
        self.course.waiting.append(self.arrived - self.playing)

    def _answer(
        self, schedule: Schedule, now: int, served_share: float, wait: Wait
    ) -> float:
        """Schedule the heartbeats of served requests and the retries of refused ones.

        Returns the number of requests that have no further try within their lease.
        """
        without_further_try = 0.0
        for failures, number in enumerate(schedule.due(now)):
            if not number:
                continue

            refused = number * (1 - served_share)
            self.heartbeats.add(
                number * served_share,
                now=now,
                earliest=self.setting.earliest_heartbeat_seconds,
                latest=self.setting.heartbeat_seconds,
                failures=0,
            )
            self._retry(schedule, refused, now=now, failures=failures, wait=wait)
            if failures + 1 == self.tries_per_lease:
                without_further_try += refused
        return without_further_try

    def _retry(
        self,
        schedule: Schedule,
        number: float,
        *,
        now: int,
        failures: int,
        wait: Wait,
    ) -> None:
        """Schedule the retries of refused players, with or without jitter."""
        bound = _backoff_bound(failures)
        earliest = wait.shortest
        latest = wait.longest + bound
        if not self.setting.has_jitter:
            earliest = latest = wait.shortest + bound / 2

        schedule.add(
            number,
            now=now,
            earliest=earliest,
            latest=latest,
            failures=min(MAX_FAILURES, failures + 1),
        )


def run(setting: Setting, *, seconds: int = SECONDS) -> Course:
    """Simulate an evening, second by second."""
    return Simulation(setting, seconds=seconds).run()


def _arrivals(seconds: int) -> Iterator[float]:
    """Yield the players that arrive in each second, by a normal distribution."""
    weights = []
    for second in range(seconds):
        deviations = (second - KICK_OFF_SECOND) / SPREAD_SECONDS
        weights.append(math.exp(-(deviations**2) / 2))

    total = sum(weights)
    for weight in weights:
        yield PLAYERS * weight / total


def _backoff_bound(failures: int) -> float:
    return min(MAX_BACKOFF_SECONDS, 2**failures)


def _tries_per_lease(setting: Setting) -> int:
    """Return how many tries a heartbeat has, on average, before its lease expires."""
    seconds_left = setting.lease_seconds * (1 - 1 / HEARTBEATS_PER_LEASE)
    failures = 0
    while seconds_left > 0 and failures < MAX_FAILURES:
        seconds_left -= GATEWAY_WAIT.shortest + _backoff_bound(failures) / 2
        failures += 1
    return failures


class _Bottlenecks:
    """API Gateway's bucket, Lambda's starting instances, the table's partitions."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.tokens = float(BURST)
        self.instances = max(setting.warm_instances, 1.0)
        self.written: list[float] = []

    def serve(self, requests: float, now: int) -> tuple[float, Wait]:
        """Return how many requests of a second are served, and the others' wait."""
        if now in self.setting.down:
            self.written.append(0.0)
            return 0.0, GATEWAY_WAIT

        passed = self._pass_gateway(requests)
        self._start_instances(passed)
        invoked = min(passed, self.instances / SLOW_REQUEST_SECONDS)

        written = min(invoked, self.write_units)
        throttled = self._throttled(invoked, written)
        self.written.append(written)

        is_table_the_bottleneck = throttled > (requests - written) / 2
        return written, THROTTLED_WAIT if is_table_the_bottleneck else GATEWAY_WAIT

    @property
    def write_units(self) -> float:
        """The write units that the table accepts in this second."""
        earlier = self.written[:-UNITS_HALVE_AFTER_SECONDS]
        return max(self.setting.warm_units, 2 * max(earlier, default=0.0))

    def _pass_gateway(self, requests: float) -> float:
        """Return the requests that API Gateway's token bucket lets through."""
        rate = self.setting.rate
        self.tokens = min(rate + BURST, self.tokens + rate)
        passed = min(requests, self.tokens)
        self.tokens -= passed
        return passed

    def _start_instances(self, requests: float) -> None:
        """Start the instances that the requests need, as fast as Lambda allows."""
        needed = min(self.setting.instances, requests * SLOW_REQUEST_SECONDS)
        started = QUOTAS["lambda_instances_each_10_s"] / 10
        self.instances = max(self.instances, min(needed, self.instances + started))

    def _throttled(self, invoked: float, written: float) -> float:
        """Return the requests that the table throttles."""
        free_instances = max(0.0, self.instances - written * REQUEST_SECONDS)
        return min(invoked - written, free_instances / THROTTLED_REQUEST_SECONDS)


def prepared(name: str, *, lease_seconds: int = 60, **others: Any) -> Setting:
    """Return a setting with the quotas of the estimate, warm before players arrive."""
    estimate = capacity_for(PLAYERS, lease_seconds=lease_seconds)
    return Setting(
        name=name,
        rate=estimate.rate,
        instances=estimate.concurrency,
        warm_instances=estimate.concurrency * WARM_SHARE,
        warm_units=estimate.write_units,
        lease_seconds=lease_seconds,
        **others,
    )


def kick_offs() -> list[Course]:
    """Simulate the kick-off with four preparations, from none to all of them."""
    of_a_million = capacity_for(PLAYERS // 10)
    all_prepared = prepared("quotas raised, table and instances warm")
    settings = (
        Setting(name="nothing prepared"),
        replace(
            all_prepared,
            name="quotas raised, warm for a million",
            warm_units=of_a_million.write_units / 1.5,
            warm_instances=of_a_million.concurrency / 1.5,
        ),
        all_prepared,
        prepared("the same, with leases of 300 s", lease_seconds=300),
    )
    return [run(setting) for setting in settings]


def outages() -> list[Course]:
    """Simulate an outage, with and without jitter in the clients."""
    settings = (
        prepared("as the clients are: jitter", down=OUTAGE),
        prepared("without jitter", down=OUTAGE, has_jitter=False),
    )
    return [run(setting) for setting in settings]


def draw(courses: Sequence[Course], path: Path, *, since: int = 0) -> None:
    """Plot requests and players by the minute, one column per course."""
    from matplotlib.figure import Figure  # of bench/requirements.txt

    size = (3.3 * len(courses), 4.6)
    figure = Figure(figsize=size, layout="constrained")
    axes: Any = figure.subplots(2, len(courses), squeeze=False, sharex=True)
    minutes = [second / 60 for second in range(since, SECONDS)]

    def plot(axis: Any, label: str, values: list[float], unit: float) -> None:
        scaled = [value / unit for value in values[since:]]
        axis.plot(minutes, scaled, label=label, linewidth=1)

    for column, course in enumerate(courses):
        above, below = axes[0][column], axes[1][column]
        plot(above, "heartbeats", course.heartbeats, 1000)
        plot(above, "starts", course.starts, 1000)
        plot(above, "refused", course.refused, 1000)
        plot(below, "playing", course.playing, 1e6)
        plot(below, "waiting", course.waiting, 1e6)
        above.set_title(course.setting.name, fontsize="small")
        below.set_xlabel("minutes")

    axes[0][0].set_ylabel("thousands per second")
    axes[1][0].set_ylabel("million players")
    for row in axes:
        row[0].legend(fontsize="x-small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=70)


HEADINGS = (
    "preparation",
    "peak, thousand requests per second",
    "share of requests refused",
    "mean seconds until play",
    "players who play in the end",
    "expired leases per player",
)


def table(courses: Iterable[Course]) -> list[tuple[str, ...]]:
    """Return a row for each kick-off."""
    return [
        (
            course.setting.name,
            f"{max(course.requests) / 1000:,.0f}",
            f"{sum(course.refused) / sum(course.requests):.0%}",
            f"{course.mean_wait:,.0f}",
            f"{course.playing[-1] / PLAYERS:.0%}",
            f"{course.expired / PLAYERS:.1f}",
        )
        for course in courses
    ]


OUTAGE_HEADINGS = (
    "clients",
    "peak, thousand requests per second",
    "seconds until no request is refused",
    "expired leases per player",
    "busiest second divided by the quietest, minutes later",
)


def outage_table(courses: Iterable[Course]) -> list[tuple[str, ...]]:
    """Return a row for each outage."""
    rows: list[tuple[str, ...]] = []
    for course in courses:
        ratio = last_peak_ratio(course)
        rows.append(
            (
                course.setting.name,
                f"{max(course.requests) / 1000:,.0f}",
                str(settled_after(course)),
                f"{course.expired / PLAYERS:.2f}",
                f"{ratio:.1f}" if ratio < 100 else "over 100",
            )
        )
    return rows


def settled_after(course: Course) -> int:
    """Return the seconds from the outage's end until at most 0.1 % is refused."""
    end = course.setting.down.stop
    last_refused = end
    for second in range(end, SECONDS):
        if course.refused[second] > course.requests[second] / 1000:
            last_refused = second
    return last_refused + 1 - end


def last_peak_ratio(course: Course) -> float:
    """Return the highest second of the last two minutes relative to the lowest."""
    last = course.requests[-120:]
    return max(last) / min(last)


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    """Simulate, draw the plots and print the tables."""
    storm, outage = kick_offs(), outages()
    draw(storm, FOLDER / "storm.png")
    draw(outage, FOLDER / "after-an-outage.png", since=OUTAGE.start - 100)

    tables = (
        (HEADINGS, table(storm)),
        (OUTAGE_HEADINGS, outage_table(outage)),
    )
    for headings, rows in tables:
        for row in (headings, *rows):
            write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()

"""A kick-off: ten million players come within minutes, and what stands in their way lets through only so many a second.

Players are counted, not followed: each second so many are due, the same share of all is refused by whatever is too
small, and who is refused comes again as the project's clients do (full jitter under a doubling bound, after
`Retry-After`). What API Gateway, Lambda and DynamoDB let through is what AWS documents: `capacity/prices.toml` has the
figures and sources.

python -m bench.storm   writes docs/performance/storm.png and after-an-outage.png, and prints what came of each
"""

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
KICK_OFF, SPREAD_SECONDS = 900, 150
"""When the match begins, and the standard deviation of when players come."""
BACKOFF_AT_MOST_SECONDS, FAILURES_AT_MOST = 30, 20
GATEWAY_RETRY_AFTER, THROTTLED_RETRY_AFTER = 1, (5, 15)
DURATION_SECONDS, THROTTLED_SECONDS = 0.01, 1.0
"""How long an instance is busy with a request, and with one that the table throttles, which is repeated for a while."""
BURST = 5000
"""API Gateway's, of an account; it is not to be set."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What was prepared: requests a second that API Gateway lets through, instances that Lambda may have, those that
    are there before, and write units that the table takes at once. `down` is when nothing is answered."""

    name: str
    rate: float = QUOTAS["api_gateway_rate"]
    instances: float = QUOTAS["lambda_concurrency"]
    warm_instances: float = 0
    warm_units: float = QUOTAS["warm_write_units"]
    lease_seconds: int = 60
    has_jitter: bool = True
    down: range = range(0)


@dataclass
class Course:
    """What came of it, by the second."""

    setting: Setting
    starts: list[float] = field(default_factory=list)
    heartbeats: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    playing: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    lost: float = 0.0
    """Heartbeats that came only after their lease had ended."""

    @property
    def asked(self) -> list[float]:
        """Requests a second."""
        return [sum(both) for both in zip(self.starts, self.heartbeats, strict=True)]

    @property
    def mean_wait(self) -> float:
        """Seconds from the first start that was sent until play, of all who came."""
        return sum(self.waiting) / PLAYERS


type Due = list[list[float]]
"""Requests by the second at which they are due, and by how often they have failed."""


def run(setting: Setting, *, seconds: int = SECONDS) -> Course:
    """The whole evening, second by second."""
    course, horizon = Course(setting), seconds + 700
    starts: Due = [[0.0] * (FAILURES_AT_MOST + 1) for _ in range(horizon)]
    heartbeats: Due = [[0.0] * (FAILURES_AT_MOST + 1) for _ in range(horizon)]
    for second, number in enumerate(_arrivals(seconds)):
        starts[second][0] += number
    between = setting.lease_seconds / HEARTBEATS_PER_LEASE
    gates, tries = _Gates(setting), _failures_in_a_lease(setting)
    playing = came = 0.0
    for now in range(seconds):
        asked_starts, asked_beats = sum(starts[now]), sum(heartbeats[now])
        came += starts[now][0]
        asked = asked_starts + asked_beats
        served, wait = gates.let_through(asked, now)
        share = served / asked if asked else 1.0
        playing += asked_starts * share
        for due in (starts, heartbeats):
            for failures, number in enumerate(due[now]):
                if number:
                    first = between * EARLIEST_SHARE if setting.has_jitter else between
                    _spread(heartbeats, now, first, between, 0, number * share)
                    _again(
                        due,
                        now,
                        failures,
                        number * (1 - share),
                        wait,
                        has_jitter=setting.has_jitter,
                    )
                    if due is heartbeats and failures + 1 == tries:
                        course.lost += number * (1 - share)
        course.starts.append(asked_starts)
        course.heartbeats.append(asked_beats)
        course.refused.append(asked - served)
        course.playing.append(playing)
        course.waiting.append(came - playing)
    return course


def _arrivals(seconds: int) -> Iterable[float]:
    """How many come in each second: by a normal distribution before the kick-off."""
    weights = [
        math.exp(-(((second - KICK_OFF) / SPREAD_SECONDS) ** 2) / 2)
        for second in range(seconds)
    ]
    return (PLAYERS * weight / sum(weights) for weight in weights)


def _spread(
    due: Due, now: int, first: float, last: float, failures: int, number: float
) -> None:
    """Evenly over the seconds from `first` to `last` from now."""
    begin, end = now + max(1, round(first)), now + max(1, round(last))
    for second in range(begin, end + 1):
        due[second][failures] += number / (end - begin + 1)


def _again(
    due: Due,
    now: int,
    failures: int,
    number: float,
    wait: tuple[float, float],
    *,
    has_jitter: bool,
) -> None:
    """Who was refused, as the clients do it, or without any jitter."""
    more = min(FAILURES_AT_MOST, failures + 1)
    bound = min(BACKOFF_AT_MOST_SECONDS, 2**failures)
    if has_jitter:
        _spread(due, now, wait[0], wait[1] + bound, more, number)
    else:
        _spread(due, now, wait[0] + bound / 2, wait[0] + bound / 2, more, number)


def _failures_in_a_lease(setting: Setting) -> int:
    """How many tries a heartbeat has, on average, before its lease is over."""
    left, failures = setting.lease_seconds * (1 - 1 / HEARTBEATS_PER_LEASE), 0
    while left > 0 and failures < FAILURES_AT_MOST:
        left -= GATEWAY_RETRY_AFTER + min(BACKOFF_AT_MOST_SECONDS, 2**failures) / 2
        failures += 1
    return failures


class _Gates:
    """API Gateway's bucket, Lambda's instances as they come, the table's partitions."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.tokens = setting, float(BURST)
        self.there = max(setting.warm_instances, 1.0)
        self.peaks: list[float] = []

    def let_through(self, asked: float, now: int) -> tuple[float, tuple[float, float]]:
        """How many requests of this second are served, and how long who is refused is told to wait."""
        setting = self.setting
        if now in setting.down:
            self.peaks.append(0.0)
            return 0.0, (GATEWAY_RETRY_AFTER, GATEWAY_RETRY_AFTER)
        self.tokens = min(setting.rate + BURST, self.tokens + setting.rate)
        passed = min(asked, self.tokens)
        self.tokens -= passed
        wanted = min(setting.instances, passed * SLOW_REQUEST_SECONDS)
        self.there = max(
            self.there,
            min(wanted, self.there + QUOTAS["lambda_instances_each_10_s"] / 10),
        )
        invoked = min(passed, self.there / SLOW_REQUEST_SECONDS)
        units = self.units
        written = min(invoked, units)
        throttled = min(
            invoked - written,
            max(0.0, self.there - written * DURATION_SECONDS) / THROTTLED_SECONDS,
        )
        self.peaks.append(written)
        by_table = throttled > (asked - written) / 2
        return written, THROTTLED_RETRY_AFTER if by_table else (
            GATEWAY_RETRY_AFTER,
            GATEWAY_RETRY_AFTER,
        )

    @property
    def units(self) -> float:
        """What the table takes at once: what it was warmed for, and twice what it took half an hour ago or before."""
        return max(self.setting.warm_units, 2 * max(self.peaks[:-1800], default=0.0))


def prepared(name: str, *, lease_seconds: int = 60, **more: Any) -> Setting:
    """With what the planner says raised, and warm before they come."""
    needed = capacity_for(PLAYERS, lease_seconds=lease_seconds)
    warm = needed.concurrency * 0.8
    return Setting(
        name=name,
        rate=needed.rate,
        instances=needed.concurrency,
        warm_instances=warm,
        warm_units=needed.write_units,
        lease_seconds=lease_seconds,
        **more,
    )


def kick_offs() -> list[Course]:
    """Nothing prepared; quotas alone, after an evening with a million; all of it; all of it, with long leases."""
    yesterday = capacity_for(PLAYERS // 10)
    units, instances = yesterday.write_units / 1.5, yesterday.concurrency / 1.5
    all_of_it = prepared("quotas raised, table and instances warm")
    return [
        run(one)
        for one in (
            Setting(name="nothing prepared"),
            replace(
                all_of_it,
                name="quotas raised, warm for a million",
                warm_units=units,
                warm_instances=instances,
            ),
            all_of_it,
            prepared("the same, with leases of 300 s", lease_seconds=300),
        )
    ]


def outages() -> list[Course]:
    """Nobody is answered for half a minute, eight minutes after the kick-off."""
    down = range(1400, 1430)
    return [
        run(prepared("as the clients are: jitter", down=down), seconds=SECONDS),
        run(prepared("without jitter", down=down, has_jitter=False), seconds=SECONDS),
    ]


def draw(courses: list[Course], path: Path, *, since: int = 0) -> None:
    """Requests a second, and who waits, one column for each."""
    from matplotlib.figure import Figure  # of bench/requirements.txt

    figure = Figure(figsize=(3.3 * len(courses), 4.6), layout="constrained")
    axes: Any = figure.subplots(2, len(courses), squeeze=False, sharex=True)
    minutes = [second / 60 for second in range(since, SECONDS)]
    for column, course in enumerate(courses):
        above, below = axes[0][column], axes[1][column]
        lines: dict[str, list[float]] = {
            "heartbeats": course.heartbeats,
            "starts": course.starts,
            "refused": course.refused,
        }
        for label, values in lines.items():
            above.plot(
                minutes,
                [value / 1000 for value in values[since:]],
                label=label,
                linewidth=1,
            )
        for label, values in {
            "playing": course.playing,
            "waiting": course.waiting,
        }.items():
            below.plot(
                minutes,
                [value / 1e6 for value in values[since:]],
                label=label,
                linewidth=1,
            )
        above.set_title(course.setting.name, fontsize="small")
        below.set_xlabel("minutes")
    axes[0][0].set_ylabel("thousands a second")
    axes[1][0].set_ylabel("million players")
    for row in axes:
        row[0].legend(fontsize="x-small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=70)


HEADINGS = (
    "prepared",
    "thousand requests a second at most",
    "of these refused",
    "seconds until play, on average",
    "have begun to play in the end",
    "leases that ran out, for each player",
)


def table(courses: list[Course]) -> list[tuple[str, ...]]:
    """A row for each."""
    return [
        (
            course.setting.name,
            f"{max(course.asked) / 1000:,.0f}",
            f"{sum(course.refused) / sum(course.asked):.0%}",
            f"{course.mean_wait:,.0f}",
            f"{course.playing[-1] / PLAYERS:.0%}",
            f"{course.lost / PLAYERS:.1f}",
        )
        for course in courses
    ]


OUTAGE_HEADINGS = (
    "clients",
    "thousand requests a second at most",
    "seconds until nobody is refused",
    "leases that ran out, for each player",
    "the highest second to the lowest, minutes later",
)


def outage_table(courses: list[Course]) -> list[tuple[str, ...]]:
    """A row for each."""
    return [
        (
            course.setting.name,
            f"{max(course.asked) / 1000:,.0f}",
            str(settled_after(course)),
            f"{course.lost / PLAYERS:.2f}",
            f"{wave(course):.1f}" if wave(course) < 100 else "over 100",
        )
        for course in courses
    ]


def settled_after(course: Course) -> int:
    """Seconds from the end of the outage until fewer than one in a thousand is refused."""
    end = course.setting.down.stop
    refused = [
        second
        for second in range(end, SECONDS)
        if course.refused[second] > course.asked[second] / 1000
    ]
    return max(refused, default=end) + 1 - end


def wave(course: Course) -> float:
    """The highest second to the lowest of the last two minutes."""
    last = course.asked[-120:]
    return max(last) / min(last)


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    """Simulate, draw, print."""
    storm, outage = kick_offs(), outages()
    draw(storm, FOLDER / "storm.png")
    draw(outage, FOLDER / "after-an-outage.png", since=1300)
    for headings, rows in (
        (HEADINGS, table(storm)),
        (OUTAGE_HEADINGS, outage_table(outage)),
    ):
        for row in (headings, *rows):
            write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()

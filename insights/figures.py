"""What a report says: figures over everybody's events, each with its definition beside it.

Nothing here reads a clock or a file. Instants are milliseconds since 1970 UTC; the period is from `since` to before
`until`. Events from before it tell what was playing when it began.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from insights.timeline import RENEWALS, STARTS, Bar, EventOfUser, playbacks

MINUTE, HOUR = 60_000, 3_600_000
LENGTHS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR)
LENGTHS_SAID = (
    *("under 1 min", "1 to 5 min", "5 to 15 min", "15 to 30 min"),
    *("30 to 60 min", "1 to 2 h", "2 to 4 h", "over 4 h"),
)
UNNAMED = "(none)"

type Row = tuple[Any, ...]
"""A name and numbers."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is called, what it counts, and its rows; the first column names them."""

    name: str
    title: str
    definition: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody's events in order, the playbacks that follow from them, and the period."""

    since: int
    until: int
    events: tuple[EventOfUser, ...]
    bars: Mapping[str, list[Bar]]

    def told(self, *kinds: str) -> Iterator[EventOfUser]:
        """The events of the period, of these kinds."""
        return (
            event
            for event in self.events
            if event["at"] >= self.since and event["kind"] in kinds
        )

    @property
    def all_bars(self) -> Iterator[Bar]:
        """Every playback, of whichever user."""
        return (bar for bars in self.bars.values() for bar in bars)

    def is_in(self, at: int | None) -> bool:
        """Whether an instant is in the period."""
        return at is not None and self.since <= at < self.until


type Rows = Iterable[Row]
type Count = Callable[[Population], Rows]
type Made = Callable[[Population], Figure]

FIGURES: list[Made] = []


def figure(title: str, *columns: str) -> Callable[[Count], Made]:
    """Make a figure of a function that gives its rows; the function's docstring is the definition."""

    def register(count: Count) -> Made:
        @wraps(count)
        def made(population: Population) -> Figure:
            rows = tuple(count(population))
            return Figure(
                count.__name__,
                title,
                " ".join((count.__doc__ or "").split()),
                columns,
                rows,
            )

        FIGURES.append(made)
        return made

    return register


def report(events: Iterable[EventOfUser], *, since: int, until: int) -> list[Figure]:
    """All figures that have rows."""
    ordered = sorted(
        (event for event in events if event["at"] < until),
        key=lambda event: int(event["at"]),
    )
    of_users: dict[str, list[EventOfUser]] = defaultdict(list)
    for event in ordered:
        if "user" in event:
            of_users[event["user"]].append(event)
    bars = {user: playbacks(theirs, until=until) for user, theirs in of_users.items()}
    population = Population(since, until, tuple(ordered), bars)
    return [found for found in (made(population) for made in FIGURES) if found.rows]


@figure("Active users", "", "users")
def users(population: Population) -> Rows:
    """Users of whom a start was admitted or denied, or a heartbeat was told, in the period."""
    active = {event["user"] for event in population.told(*STARTS, *RENEWALS, "denied")}
    yield "active users", len(active)


@figure("Starts", "", "starts", "share in %")
def starts(population: Population) -> Rows:
    """Starts in the period: admitted took a slot, took-over went on in the slot of their own id, denied were
    refused. The share is of all three."""
    counts = Counter(event["kind"] for event in population.told(*STARTS, "denied"))
    yield from (
        (kind, counts[kind], _percent(counts[kind], counts.total()))
        for kind in (*STARTS, "denied")
    )


@figure("Starts by plan", "plan", "admitted", "took-over", "denied", "denied in %")
def starts_by_plan(population: Population) -> Rows:
    """Starts in the period by the plan that was judged by. Denied in % is of all starts of the row."""
    return _by(population, "plan")


@figure(
    "Starts by device type",
    "device type",
    "admitted",
    "took-over",
    "denied",
    "denied in %",
)
def starts_by_device_type(population: Population) -> Rows:
    """Starts in the period by the device type that the player named. Denied in % is of all starts of the row."""
    return _by(population, "deviceType")


@figure("Denials by rule", "rule", "denied")
def denials_by_rule(population: Population) -> Rows:
    """Denials in the period by the rule of the plan that refused; (none) is the plan's own limit."""
    counts = Counter(
        str(event.get("rule", UNNAMED)) for event in population.told("denied")
    )
    return counts.most_common()


@figure("How long playbacks last", "length", "playbacks")
def durations(population: Population) -> Rows:
    """Playbacks that began in the period and were over by its end, by the time from start to end.
    One that nobody stopped ended with its lease."""
    ended = [
        bar
        for bar in population.all_bars
        if population.is_in(bar.started_at) and bar.ended_at is not None
    ]
    counts = Counter(
        bisect_right(LENGTHS, (bar.ended_at or 0) - (bar.started_at or 0))
        for bar in ended
    )
    return (
        [(name, counts[place]) for place, name in enumerate(LENGTHS_SAID)]
        if ended
        else []
    )


@figure("Streams at once, by time", "streams at once", "hours")
def concurrency(population: Population) -> Rows:
    """For how long users held so many slots at once, added up over all users, in hours of the period. A slot is held
    while the lease lasts, from a start to the end of the playback."""
    at_level: Counter[int] = Counter()
    for bars in population.bars.values():
        at_level.update(_time_at_levels(bars, population))
    return [
        (str(level), round(at_level[level] / HOUR, 3)) for level in sorted(at_level)
    ]


@figure("Streams at once, by user", "most at once", "users")
def peaks(population: Population) -> Rows:
    """Users by the most slots that they held at once in the period."""
    peaks = Counter(
        max(levels)
        for bars in population.bars.values()
        if (levels := _time_at_levels(bars, population).keys())
    )
    return [(str(level), peaks[level]) for level in sorted(peaks)]


@figure("What another limit would have denied", "a limit of", "denied", "share in %")
def other_limits(population: Population) -> Rows:
    """Starts in the period that would have been denied if this had been everybody's limit, as far as can be told
    without playing it again: those that found so many other streams of the user live, whether they were then admitted
    or denied. The share is of all starts but those that took over their own slot. Every other decision is taken as it
    was, so that for a lower limit than the real one it is an upper bound, and for a higher one a lower bound."""
    found = Counter(
        _level_at_denial(event, population) for event in population.told("denied")
    )
    for bars in population.bars.values():
        found.update(_levels_at_starts(bars, population))
    if found:
        for limit in range(1, max(found) + 2):
            denied = sum(number for level, number in found.items() if level >= limit)
            yield str(limit), denied, _percent(denied, found.total())


@figure("How playbacks end", "why", "playbacks", "share in %")
def endings(population: Population) -> Rows:
    """Playbacks that were over in the period, by the reason. Those that expired are ghosts: their lease ended and
    nobody had stopped them, as when an app crashes, a network is gone or a player forgets to stop."""
    over = [
        bar
        for bar in population.all_bars
        if bar.ended_at is not None and population.is_in(bar.ended_at)
    ]
    counts = Counter(str(bar.reason) for bar in over)
    return [
        (reason, number, _percent(number, len(over)))
        for reason, number in counts.most_common()
    ]


@figure("What the shadow plans would have decided", "decision", "starts")
def shadow(population: Population) -> Rows:
    """Starts in the period that the shadow plans would have decided in another way, by what they would have said."""
    differences = (
        event for event in population.events if str(event["kind"]).startswith("shadow-")
    )
    counts = Counter(
        f"{event['kind'].removeprefix('shadow-')}, plan {event.get('plan', UNNAMED)}"
        for event in differences
        if event["at"] >= population.since
    )
    return counts.most_common()


@figure("Other decisions", "kind", "events")
def others(population: Population) -> Rows:
    """All other events of the period: what operators did, requests that were given up, credentials that were
    refused."""
    known = (*STARTS, *RENEWALS, "denied", "stopped", "ended")
    rest = (
        str(event["kind"])
        for event in population.events
        if event["at"] >= population.since
    )
    return Counter(
        kind for kind in rest if kind not in known and not kind.startswith("shadow-")
    ).most_common()


def _by(population: Population, member: str) -> Rows:
    counts = Counter(
        (str(event.get(member, UNNAMED)), event["kind"])
        for event in population.told(*STARTS, "denied")
    )
    for name in sorted({name for name, _ in counts}):
        admitted, took_over, denied = (
            counts[name, kind] for kind in (*STARTS, "denied")
        )
        yield (
            name,
            admitted,
            took_over,
            denied,
            _percent(denied, admitted + took_over + denied),
        )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _time_at_levels(bars: Sequence[Bar], population: Population) -> Counter[int]:
    """How long (ms of the period) a user held one slot, two, …"""
    changes: list[tuple[int, int]] = []
    for first, last in (span for bar in bars for span in bar.spans(population.until)):
        start, end = max(population.since, first), min(population.until, last)
        if start < end:
            changes += [(start, 1), (end, -1)]
    at_level: Counter[int] = Counter()
    level, since = 0, 0
    for at, change in sorted(changes):
        if level and at > since:
            at_level[level] += at - since
        level, since = level + change, at
    return at_level


def _levels_at_starts(bars: Sequence[Bar], population: Population) -> Iterator[int]:
    """For each start that took a slot: how many other streams were live, those that it evicted among them. Bars are in
    the order of their starts."""
    for place, bar in enumerate(bars):
        if (
            bar.started_at is None
            or bar.took_over
            or bar.is_grace
            or not population.is_in(bar.started_at)
        ):
            continue
        at, by = bar.started_at, f"stream {bar.id}"
        yield sum(
            other.id != bar.id
            and (
                other.is_live(at)
                or (
                    other.ended_at == at
                    and other.reason == "evicted"
                    and other.by == by
                )
            )
            for other in bars[:place]
        )


def _level_at_denial(event: EventOfUser, population: Population) -> int:
    """How many streams were live at a denial; by a rule, those that it does not count too."""
    held = int(event.get("held", 0))
    if "rule" not in event or "user" not in event:
        return held
    bars = population.bars[event["user"]]
    return max(
        held,
        sum(bar.id != event.get("id") and bar.is_live(event["at"]) for bar in bars),
    )


def as_json(figures: Iterable[Figure]) -> dict[str, Any]:
    """By name, for programs."""
    return {
        figure.name: {
            "definition": figure.definition,
            "columns": list(figure.columns),
            "rows": list(figure.rows),
        }
        for figure in figures
    }

"""The figures of a report.

The docstring of each function is printed as the definition of its figure.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator

from insights.concurrency import (
    level_at_denial,
    levels_at_starts,
    peak_levels,
    time_at_levels,
)
from insights.figures import Chart, Row, figure
from insights.kinds import DENIED, ENDS, RENEWALS, SHADOW_PREFIX, STARTS
from insights.population import Population
from insights.steps import (
    HOUR,
    MINUTE,
    active_period,
    count_by_step,
    edges,
    step_length,
)
from reporting.instants import at_zone

DURATION_BOUNDS = (
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
)
DURATION_NAMES = (
    "under 1 min",
    "1 to 5 min",
    "5 to 15 min",
    "15 to 30 min",
    "30 to 60 min",
    "1 to 2 h",
    "2 to 4 h",
    "over 4 h",
)
UNNAMED = "(none)"
DECISIONS = (*STARTS, DENIED)

type Rows = Iterable[Row]


@figure("Active users", "kind", "users")
def users(population: Population) -> Rows:
    """Count the users with a start, a denial or a recorded heartbeat in the period."""
    events = population.in_period(*DECISIONS, *RENEWALS)
    active = {event["user"] for event in events if "user" in event}
    yield "active users", len(active)


@figure(
    "Starts",
    "decision",
    "starts",
    "share in %",
    chart=Chart.BARS,
)
def starts(population: Population) -> Rows:
    """Count the starts of the period. An admitted start took a free slot, one that
    took over continued in the slot of its id, a denied one was refused. The share is
    of all three."""
    by_kind = Counter(event["kind"] for event in population.in_period(*DECISIONS))
    total = by_kind.total()

    for kind in DECISIONS:
        yield kind, by_kind[kind], _percent(by_kind[kind], total)


@figure(
    "Starts, denials and peak over time",
    "from",
    "starts",
    "denied",
    "peak",
    chart=Chart.TIMES,
)
def over_time(population: Population) -> Rows:
    """Count the admitted and the denied starts of each step of time. Peak is the
    highest number of streams of all users that were live at once in the step. A
    stream whose start is not known counts from the first event that mentions it."""
    period = active_period(population)
    if period is None:
        return
    length = step_length(*period)
    for start, admitted, denied, peak in _steps(population, period, length):
        yield at_zone(start, population.zone), admitted, denied, peak


@figure(
    "Starts, denials and peak by hour of day",
    "hour",
    "starts",
    "denied",
    "peak",
    chart=Chart.HOURS,
)
def by_hour(population: Population) -> Rows:
    """Count the admitted and the denied starts of the period by hour of day. Peak is
    the highest number of streams of all users that were live at once in that hour of
    any day."""
    period = active_period(population)
    if period is None:
        return
    admitted: Counter[int] = Counter()
    denied: Counter[int] = Counter()
    highest: Counter[int] = Counter()
    for start, admitted_now, denied_now, peak in _steps(population, period, HOUR):
        hour = at_zone(start, population.zone).hour
        admitted[hour] += admitted_now
        denied[hour] += denied_now
        highest[hour] = max(highest[hour], peak)

    for hour in range(24):
        yield f"{hour:02}:00", admitted[hour], denied[hour], highest[hour]


@figure(
    "Starts by plan",
    "plan",
    "admitted",
    "took-over",
    "denied",
    "denied in %",
    chart=Chart.BARS,
)
def starts_by_plan(population: Population) -> Rows:
    """Count the starts of the period by the plan that applied. Denied in % is of all
    starts of the row."""
    return _by(population, "plan")


@figure(
    "Starts by device type",
    "device type",
    "admitted",
    "took-over",
    "denied",
    "denied in %",
    chart=Chart.BARS,
)
def starts_by_device_type(population: Population) -> Rows:
    """Count the starts of the period by the device type that the player sent. Denied
    in % is of all starts of the row."""
    return _by(population, "deviceType")


@figure("Denials by rule", "rule", "denied", chart=Chart.BARS)
def denials_by_rule(population: Population) -> Rows:
    """Count the denials of the period by the rule of the plan that refused. (none)
    is the plan's own limit."""
    denials = population.in_period(DENIED)
    rules = [str(event.get("rule", UNNAMED)) for event in denials]
    return Counter(rules).most_common()


@figure("How long playbacks last", "length", "playbacks", chart=Chart.HISTOGRAM)
def durations(population: Population) -> Rows:
    """Count the playbacks that began in the period and ended before its end, by the
    time from start to end. Without a stop, a playback ends with its lease."""
    by_name = Counter(
        DURATION_NAMES[bisect_right(DURATION_BOUNDS, playback.duration)]
        for playback in population.all_playbacks
        if playback.duration is not None and population.contains(playback.started_at)
    )
    if by_name:
        for name in DURATION_NAMES:
            yield name, by_name[name]


@figure("Streams at once, by time", "streams at once", "hours", chart=Chart.HISTOGRAM)
def concurrency(population: Population) -> Rows:
    """Add up, over all users and in hours of the period, how long a user held this
    number of slots at once. A slot is held from a start to the end of the playback,
    while its lease lasts. A stream whose start is not known counts from the first
    event that mentions it."""
    time_at: Counter[int] = Counter()
    for playbacks in population.playbacks.values():
        time_at.update(time_at_levels(playbacks, population))
    for level in sorted(time_at):
        yield str(level), round(time_at[level] / HOUR, 3)


@figure("Streams at once, by user", "most at once", "users", chart=Chart.HISTOGRAM)
def peaks(population: Population) -> Rows:
    """Count the users by the highest number of slots that they held at once in the
    period."""
    by_peak: Counter[int] = Counter()
    for playbacks in population.playbacks.values():
        levels = time_at_levels(playbacks, population)
        if levels:
            by_peak[max(levels)] += 1
    for level in sorted(by_peak):
        yield str(level), by_peak[level]


@figure(
    "Denials under another limit",
    "a limit of",
    "denied",
    "share in %",
    chart=Chart.HISTOGRAM,
)
def other_limits(population: Population) -> Rows:
    """Count the starts of the period that this limit, for every user, would have
    denied: those that met at least as many other live streams of the user, whether
    they were admitted or denied. The share is of all starts except takeovers of the
    stream's own slot. Every other decision is taken as it was made. The number is
    therefore an upper bound for a limit below the real one, and a lower bound for a
    limit above it."""
    by_level = Counter(
        level_at_denial(event, population) for event in population.in_period(DENIED)
    )
    for playbacks in population.playbacks.values():
        by_level.update(levels_at_starts(playbacks, population))
    if not by_level:
        return

    for limit in range(1, max(by_level) + 2):
        denied = sum(number for level, number in by_level.items() if level >= limit)
        yield str(limit), denied, _percent(denied, by_level.total())


@figure(
    "How playbacks end",
    "reason",
    "playbacks",
    "share in %",
    chart=Chart.BARS,
)
def endings(population: Population) -> Rows:
    """Count the playbacks that ended in the period by the reason. Expired playbacks
    are ghosts: their lease ended without a stop, as when an app crashes, a network
    fails or a player does not send its stop."""
    by_reason = Counter(
        str(playback.reason)
        for playback in population.all_playbacks
        if playback.ended_at is not None and population.contains(playback.ended_at)
    )
    for reason, number in by_reason.most_common():
        yield reason, number, _percent(number, by_reason.total())


@figure("Different decisions of the shadow plans", "decision", "starts")
def shadow(population: Population) -> Rows:
    """Count the starts of the period that the shadow plans would have decided
    differently, by their decision."""
    decisions: Counter[str] = Counter()
    for event in population.in_period():
        kind = str(event["kind"])
        if kind.startswith(SHADOW_PREFIX):
            decision = kind.removeprefix(SHADOW_PREFIX)
            plan = event.get("plan", UNNAMED)
            decisions[f"{decision}, plan {plan}"] += 1

    return decisions.most_common()


@figure("Other decisions", "kind", "events")
def others(population: Population) -> Rows:
    """Count the other events of the period: changes by operators, requests that
    failed, refused credentials."""
    counted = (*DECISIONS, *RENEWALS, *ENDS)
    kinds = [str(event["kind"]) for event in population.in_period()]
    return Counter(
        kind
        for kind in kinds
        if kind not in counted and not kind.startswith(SHADOW_PREFIX)
    ).most_common()


def _by(population: Population, member: str) -> Rows:
    """Yield the starts by a member of their events."""
    by_name: Counter[tuple[str, str]] = Counter()
    for event in population.in_period(*DECISIONS):
        name = str(event.get(member, UNNAMED))
        by_name[name, event["kind"]] += 1

    for name in sorted({name for name, _ in by_name}):
        numbers = [by_name[name, kind] for kind in DECISIONS]
        yield name, *numbers, _percent(by_name[name, DENIED], sum(numbers))


def _steps(
    population: Population, period: tuple[int, int], length: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield each step's start, admitted starts, denials and peak."""
    step_edges = edges(*period, length=length, zone=population.zone)
    spans = population.spans(population.all_playbacks)
    yield from zip(
        step_edges[:-1],
        count_by_step(_instants(population, *STARTS), step_edges),
        count_by_step(_instants(population, DENIED), step_edges),
        peak_levels(spans, step_edges),
        strict=True,
    )


def _instants(population: Population, *kinds: str) -> list[int]:
    return [int(event["at"]) for event in population.in_period(*kinds)]


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0

"""The targets for the service's cost, and whether the figures meet them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bench.growth import ITEMS_AXIS
from bench.peers import MODULES, NAMES
from bench.scene import VERBS
from bench.workers import Figures

MAX_CALLS = {
    "first start of a new user": 2,
    "start": 1,
    "denial": 1,
    "renew": 1,
    "stop": 1,
    "stop that forgets old endings, one in four": 2,
    "start over a ghost": 2,
    "list": 1,
    "family plan: set it": 2,
    "family plan: start, of one device": 1,
    "family plan: start, of another title": 2,
    "family plan: denial, of the same title": 1,
    "family plan: denial, of a third big screen": 1,
    "family plan: pause": 2,
    "family plan: heartbeat while paused": 1,
    "family plan: heartbeat that resumes": 2,
    "family plan: heartbeat, relaxed": 1,
}
"""DynamoDB calls of each case of `bench.counted`, by design.

A write of an item up to 1 KB consumes one unit.
"""
MAX_CPU_RATIOS = {
    "dynamodb-local": {"start": 0.95, "denial": 1.0, "renew": 0.8, "stop": 0.75},
    "embedded": {"start": 0.95, "denial": 0.95, "renew": 0.8, "stop": 0.75},
}
MAX_WALL_RATIOS = {
    "dynamodb-local": {"start": 1.0, "denial": 1.05, "renew": 1.0, "stop": 1.0},
}
"""The embedded engine is not Amazon's: it needs longer for the longer conditions."""
MAX_COLD_RATIO = 1.6
MAX_MEMORY_RATIO = 1.3
MAX_RESUMED_MS = {"resumed": 2, "resumed_tls": 5}
"""Processor time of the first request. Over TLS it also makes a handshake."""
MIN_RATE = 1000
"""Requests per second with the service, the engine and the players on two cores."""
MAX_ZIP_MIB = 16
MAX_ZIP_MIB_WITH_CRYPTOGRAPHY = 20
MAX_GROWTH = 0.1
MAX_CONTENDED_CALLS = 2.2
MOST_CALLERS = "64"


class Target(NamedTuple):
    """A target with its result."""

    target: str
    result: str
    is_met: bool


def targets(figures: Figures) -> Iterator[Target]:
    """Yield every target. Unless it says otherwise, a ratio is to bare boto3."""
    yield from _warm(figures)
    yield from _fresh(figures)
    yield from _resumed(figures)
    yield _package(figures)
    for peer in MODULES:
        if peer not in ("bare", "service"):
            yield _faster_than(peer, figures)
    yield _calls(figures)
    yield _units(figures)
    yield _flat(figures)
    yield _load(figures)
    yield _contended(figures)
    yield _never_over_limit(figures)


def _warm(figures: Figures) -> Iterator[Target]:
    """Yield the warm ratios of each engine."""
    for engine, verbs in figures["warm"].items():
        for name, kind, limits in (
            ("cpu_us_ratio", "processor", MAX_CPU_RATIOS),
            ("wall_us_ratio", "wall", MAX_WALL_RATIOS),
        ):
            allowed = limits.get(engine)
            if allowed is None:
                continue
            ratios = {verb: verbs[verb]["service"][name] for verb in VERBS}
            yield Target(
                f"warm {kind} time at most {_each(allowed)} ({engine})",
                _each(ratios),
                all(ratios[verb] <= allowed[verb] for verb in VERBS),
            )


def _fresh(figures: Figures) -> Iterator[Target]:
    """Yield the ratios of cold starts and memory."""
    for title, kind, name, allowed in (
        ("cold start", "cold", "wall_ms", MAX_COLD_RATIO),
        ("cold start with TLS", "cold_tls", "wall_ms", MAX_COLD_RATIO),
        ("memory", "cold", "memory_mib", MAX_MEMORY_RATIO),
    ):
        ratio = figures[kind]["service"][f"{name}_ratio"]
        yield Target(f"{title} at most {allowed}", f"{ratio:.2f}", ratio <= allowed)


def _resumed(figures: Figures) -> Iterator[Target]:
    """Yield the processor times of the first request after a resume."""
    for kind, allowed in MAX_RESUMED_MS.items():
        measured = figures[kind]["service"]["cpu_ms"]
        tls = " with TLS" if kind == "resumed_tls" else ""
        yield Target(
            "processor time of the first request after a resume"
            f"{tls} at most {allowed} ms",
            f"{measured:.1f} ms",
            measured <= allowed,
        )


def _package(figures: Figures) -> Target:
    size = figures["zip_mib"]["service"]
    allowed = MAX_ZIP_MIB
    if figures["has_cryptography"]:
        allowed = MAX_ZIP_MIB_WITH_CRYPTOGRAPHY
    return Target(f"package at most {allowed} MiB", f"{size:.1f}", size <= allowed)


def _faster_than(peer: str, figures: Figures) -> Target:
    """Return whether the processor time of every verb is lower than a framework's."""
    compared = 0
    slower = []
    for engine, verbs in figures["warm"].items():
        for verb in VERBS:
            compared += 1
            own = verbs[verb]["service"]["cpu_us_ratio"]
            if own >= verbs[verb][peer]["cpu_us_ratio"]:
                slower.append(f"a {verb} ({engine})")

    result = f"on {compared - len(slower)} of {compared}"
    if slower:
        result += f"; not on {', '.join(slower)}"
    return Target(
        f"ahead of {NAMES[peer]} in processor time of each verb",
        result,
        not slower,
    )


def _calls(figures: Figures) -> Target:
    over = []
    for case, counts in figures["counted"].items():
        if counts["calls"] > MAX_CALLS[case]:
            over.append(f"{case}: {counts['calls']}")
    return Target(
        "DynamoDB calls of each verb are the design's",
        "; ".join(over) or "all are",
        not over,
    )


def _units(figures: Figures) -> Target:
    counted: Mapping[str, Mapping[str, float]] = figures["counted"]
    most = max(counts["units"] / counts["calls"] for counts in counted.values())
    return Target(
        "at most one unit reported for each call, of an item up to 1 KB",
        f"{most:g}",
        most <= 1,
    )


def _flat(figures: Figures) -> Target:
    """Return whether the size of the table makes no difference."""
    largest = {}
    for verb, points in figures["growth"][ITEMS_AXIS].items():
        changes = [abs(point["wall_us_ratio"] - 1) for point in points.values()]
        largest[verb] = max(changes)
    return Target(
        f"wall time flat within {MAX_GROWTH:.0%} from 1 item to 1,000,000",
        ", ".join(f"{verb} {change:.0%}" for verb, change in largest.items()),
        max(largest.values()) <= MAX_GROWTH,
    )


def _load(figures: Figures) -> Target:
    """Return whether the service keeps up with the players' rate."""
    kept = [step["offered"] for step in figures["load"]["steps"] if _keeps_up(step)]
    highest = max(kept, default=0)
    return Target(
        f"{MIN_RATE:,} requests per second kept up with",
        f"{highest:,.0f}",
        highest >= MIN_RATE,
    )


def _keeps_up(step: Figures) -> bool:
    return bool(step["failed"] == 0 and step["achieved"] >= 0.99 * step["offered"])


def _contended(figures: Figures) -> Target:
    calls = {
        verb: by_callers[MOST_CALLERS]["calls_a_request"]
        for verb, by_callers in figures["contention"].items()
    }
    return Target(
        f"at most {MAX_CONTENDED_CALLS} DynamoDB calls per request, "
        f"{MOST_CALLERS} callers on one user",
        _each(calls),
        max(calls.values()) <= MAX_CONTENDED_CALLS,
    )


def _never_over_limit(figures: Figures) -> Target:
    admitted = 0
    for by_callers in figures["contention"].values():
        admitted += sum(run["over"] for run in by_callers.values())
    return Target(
        "streams admitted over the limit: none",
        str(admitted),
        admitted == 0,
    )


def _each(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{verb} {figure:.2f}" for verb, figure in figures.items())

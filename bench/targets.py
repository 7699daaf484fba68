"""What the service should cost, and whether it does."""

from collections.abc import Iterator

from bench.scene import VERBS
from bench.workers import Figures

CALLS_AT_MOST = {
    "first start of a new user": 2,
    "start": 1,
    "denial": 1,
    "renew": 1,
    "stop": 1,
    "stop, eight endings remembered": 1,
    "start over a ghost": 2,
    "list": 1,
}
"""DynamoDB calls of each case of `bench.counted`, as designed. A write is one unit, of an item up to 1 KB."""
WARM_AT_MOST = 1.0
COLD_AT_MOST = MEMORY_AT_MOST = 1.3
FLAT_WITHIN = 0.1
CONTENDED_CALLS_AT_MOST = 2.2
MOST_CALLERS = "64"

Target = tuple[str, str, bool]
"""What it is, the result, whether it is met."""


def targets(figures: Figures) -> Iterator[Target]:
    """All of them, ratios to bare boto3 in the same run unless said otherwise."""
    for engine, verbs in figures["warm"].items():
        for name, kind in (("cpu_us", "processor"), ("wall_us", "wall")):
            ratios = {verb: verbs[verb]["service"][f"{name}_ratio"] for verb in VERBS}
            yield (
                f"warm {kind} time at most {WARM_AT_MOST} ({engine})",
                _each(ratios),
                max(ratios.values()) <= WARM_AT_MOST,
            )
    for name, kind, at_most in (("wall_ms", "cold start", COLD_AT_MOST), ("memory_mib", "memory", MEMORY_AT_MOST)):
        ratio = figures["cold"]["service"][f"{name}_ratio"]
        yield f"{kind} at most {at_most}", f"{ratio:.2f}", ratio <= at_most
    yield from _ahead(figures)
    calls = {case: found["calls"] for case, found in figures["counted"].items()}
    over = [f"{case}: {made}" for case, made in calls.items() if made > CALLS_AT_MOST[case]]
    yield "DynamoDB calls of each verb are the design's", "; ".join(over) or "all are", not over
    units = max(found["units"] for found in figures["counted"].values())
    yield "at most one unit reported for each verb, of an item up to 1 KB", f"{units:g}", units <= 1
    flat = {
        verb: max(abs(found["wall_us_ratio"] - 1) for found in points.values())
        for verb, points in figures["growth"]["rows in the table"].items()
    }
    yield (
        f"wall time flat within {FLAT_WITHIN:.0%} from 1 row to 1,000,000",
        ", ".join(f"{verb} {value:.0%}" for verb, value in flat.items()),
        max(flat.values()) <= FLAT_WITHIN,
    )
    contended = {verb: found[MOST_CALLERS]["calls_a_request"] for verb, found in figures["contention"].items()}
    yield (
        f"at most {CONTENDED_CALLS_AT_MOST} DynamoDB calls a request, {MOST_CALLERS} callers on one user",
        _each(contended),
        max(contended.values()) <= CONTENDED_CALLS_AT_MOST,
    )
    admitted = sum(found["over"] for counts in figures["contention"].values() for found in counts.values())
    yield "streams admitted over the limit: none", str(admitted), not admitted


def _ahead(figures: Figures) -> Iterator[Target]:
    """Whether each figure is lower than every framework's, measured in the same run."""
    frameworks = [peer for peer in figures["cold"] if peer not in ("bare", "service")]
    behind = [
        f"{kind} of a {verb} on {engine} behind {peer}"
        for engine, verbs in figures["warm"].items()
        for verb in VERBS
        for name, kind in (("cpu_us", "processor time"), ("wall_us", "wall time"))
        for peer in frameworks
        if verbs[verb]["service"][f"{name}_ratio"] > verbs[verb][peer][f"{name}_ratio"]
    ]
    for name, kind in (("wall_ms", "cold start"), ("memory_mib", "memory")):
        found = figures["cold"]
        behind += [f"{kind} behind {peer}" for peer in frameworks if found["service"][name] > found[peer][name]]
    sizes = figures["zip_mib"]
    behind += [f"zip behind {peer}" for peer in frameworks if sizes["service"] > sizes[peer]]
    yield "ahead of every framework on each", "; ".join(behind) or "it is", not behind


def _each(ratios: dict[str, float]) -> str:
    return ", ".join(f"{verb} {ratio:.2f}" for verb, ratio in ratios.items())

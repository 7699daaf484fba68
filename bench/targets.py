"""What the service should cost, and whether it does."""

from collections.abc import Iterator

from bench.peers import MODULES, NAMES
from bench.scene import VERBS
from bench.workers import Figures

CALLS_AT_MOST = {
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
"""DynamoDB calls of each case of `bench.counted`, as designed. A write is one unit, of an item up to 1 KB."""
CPU_AT_MOST = {"start": 0.95, "denial": 0.95, "renew": 0.85, "stop": 0.85}
WALL_AT_MOST = dict.fromkeys(VERBS, 1.0)
COLD_AT_MOST, MEMORY_AT_MOST = 1.6, 1.3
RESUMED_AT_MOST = 2
"""Times a warm request, in processor time. Over TLS it makes a handshake too."""
ZIP_MIB_AT_MOST, ZIP_MIB_WITH_CRYPTOGRAPHY_AT_MOST = 16, 20
FLAT_WITHIN = 0.1
CONTENDED_CALLS_AT_MOST = 2.2
MOST_CALLERS = "64"

Target = tuple[str, str, bool]
"""What it is, the result, whether it is met."""


def targets(figures: Figures) -> Iterator[Target]:
    """All of them, ratios to bare boto3 in the same run unless said otherwise."""
    for engine, verbs in figures["warm"].items():
        for name, kind, allowed in (
            ("cpu_us", "processor", CPU_AT_MOST),
            ("wall_us", "wall", WALL_AT_MOST),
        ):
            ratios = {verb: verbs[verb]["service"][f"{name}_ratio"] for verb in VERBS}
            yield (
                f"warm {kind} time at most {_each(allowed)} ({engine})",
                _each(ratios),
                all(ratios[verb] <= allowed[verb] for verb in VERBS),
            )
    for kind, figure, name, at_most in (
        ("cold start", "cold", "wall_ms", COLD_AT_MOST),
        ("cold start with TLS", "cold_tls", "wall_ms", COLD_AT_MOST),
        ("memory", "cold", "memory_mib", MEMORY_AT_MOST),
        (
            "processor time of the first request after a resume, to a warm one,",
            "resumed",
            "cpu_ms",
            RESUMED_AT_MOST,
        ),
    ):
        ratio = figures[figure]["service"][f"{name}_ratio"]
        yield f"{kind} at most {at_most}", f"{ratio:.2f}", ratio <= at_most
    size = figures["zip_mib"]["service"]
    at_most = (
        ZIP_MIB_WITH_CRYPTOGRAPHY_AT_MOST
        if figures["has_cryptography"]
        else ZIP_MIB_AT_MOST
    )
    yield f"package at most {at_most} MiB", f"{size:.1f}", size <= at_most
    yield from _ahead(figures)
    calls = {case: found["calls"] for case, found in figures["counted"].items()}
    over = [
        f"{case}: {made}" for case, made in calls.items() if made > CALLS_AT_MOST[case]
    ]
    yield (
        "DynamoDB calls of each verb are the design's",
        "; ".join(over) or "all are",
        not over,
    )
    units = max(
        found["units"] / found["calls"] for found in figures["counted"].values()
    )
    yield (
        "at most one unit reported for each call, of an item up to 1 KB",
        f"{units:g}",
        units <= 1,
    )
    flat = {
        verb: max(abs(found["wall_us_ratio"] - 1) for found in points.values())
        for verb, points in figures["growth"]["rows in the table"].items()
    }
    yield (
        f"wall time flat within {FLAT_WITHIN:.0%} from 1 row to 1,000,000",
        ", ".join(f"{verb} {value:.0%}" for verb, value in flat.items()),
        max(flat.values()) <= FLAT_WITHIN,
    )
    contended = {
        verb: found[MOST_CALLERS]["calls_a_request"]
        for verb, found in figures["contention"].items()
    }
    yield (
        f"at most {CONTENDED_CALLS_AT_MOST} DynamoDB calls a request, {MOST_CALLERS} callers on one user",
        _each(contended),
        max(contended.values()) <= CONTENDED_CALLS_AT_MOST,
    )
    admitted = sum(
        found["over"]
        for counts in figures["contention"].values()
        for found in counts.values()
    )
    yield "streams admitted over the limit: none", str(admitted), not admitted


def _ahead(figures: Figures) -> Iterator[Target]:
    """Whether each warm figure is lower than every framework's, measured in the same run."""
    for peer in (peer for peer in MODULES if peer not in ("bare", "service")):
        pairs = {
            f"{kind} of a {verb} ({engine})": (
                verbs[verb]["service"][ratio],
                verbs[verb][peer][ratio],
            )
            for engine, verbs in figures["warm"].items()
            for ratio, kind in (
                ("cpu_us_ratio", "processor time"),
                ("wall_us_ratio", "wall time"),
            )
            for verb in VERBS
        }
        behind = [what for what, (mine, other) in pairs.items() if mine >= other]
        said = f"on {len(pairs) - len(behind)} of {len(pairs)}" + (
            f"; not on {', '.join(behind)}" if behind else ""
        )
        yield f"ahead of {NAMES[peer]} on each warm figure", said, not behind


def _each(ratios: dict[str, float]) -> str:
    return ", ".join(f"{verb} {ratio:.2f}" for verb, ratio in ratios.items())

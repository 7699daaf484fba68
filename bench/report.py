"""Writes the figures as tables into `docs/performance.md`.

A table stands between `<!-- figures: NAME -->` and `<!-- end -->`. A single figure in a
sentence stands between `<!-- figure: NAME -->` and `<!-- end -->`.

python -m bench.report

Writes the tables and plots of the existing figures, without a measurement.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench.engines import PROJECT
from bench.peers import NAMES
from bench.scene import VERBS
from bench.targets import MAX_CALLS, targets
from bench.workers import Figures

FOLDER = PROJECT / "docs" / "performance"
PAGE = PROJECT / "docs" / "performance.md"
FILE = FOLDER / "figures.json"
MARKER = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

ENGINE_NAMES = {"embedded": "the embedded engine", "dynamodb-local": "DynamoDB Local"}
RESUMED = ("resumed", "resumed_tls")
LOAD_PARTS = ("service", "engine", "load")
TIMES = {"cpu_us": "processor", "wall_us": "wall"}
MIN_LISTED_MS = 5
"""Packages whose imports take less than this in every peer are added up."""


def write(figures: Figures) -> None:
    """Store the figures and write the tables into the page."""
    FOLDER.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), figures))


def filled(page: str, figures: Figures) -> str:
    """Return the page with the tables of these figures."""

    def table(marker: re.Match[str]) -> str:
        name = marker[1]
        return f"<!-- figures: {name} -->\n{TABLES[name](figures)}\n<!-- end -->"

    return MARKER.sub(table, page)


def lines(figures: Figures) -> str:
    """Return the last lines of the output, for scripts."""
    verbs = figures["warm"][figures["engine"]]
    result = []
    for label, peer in (("ratio", "service"), ("botocore", "service-botocore")):
        for verb, peers in verbs.items():
            cpu = peers[peer]["cpu_us_ratio"]
            wall = peers[peer]["wall_us_ratio"]
            result.append(f"{label} {verb} cpu={cpu:.3f} wall={wall:.3f}")

    cold_figures = figures["cold"]["service"]
    result.append(
        f"ratio cold={cold_figures['wall_ms_ratio']:.3f} "
        f"memory={cold_figures['memory_mib_ratio']:.3f} "
        f"zip_mib={figures['zip_mib']['service']:.2f}"
    )
    result.append(
        f"ratio cold_tls={figures['cold_tls']['service']['wall_ms_ratio']:.3f} "
        f"resumed={figures['resumed']['service']['cpu_ms_ratio']:.3f} "
        f"resumed_tls={figures['resumed_tls']['service']['cpu_ms_ratio']:.3f}"
    )
    return "\n".join(result)


def machine(figures: Figures) -> str:
    """Return a sentence about the machine."""
    facts = figures["machine"]
    return (
        f"{facts['cores']} cores, {facts['memory_gib']} GiB, {facts['system']}, "
        f"Python {facts['python']}{_build(facts)}, ministack {facts['ministack']}. "
        f"{facts['busy_before']:.1f} processes were running or waiting before the run."
    )


def _build(facts: Figures) -> str:
    """Return how Python was compiled, if that is known."""
    builds = {True: " with PGO", False: " without PGO", None: ""}
    return builds[facts.get("has_pgo")]


def aims(figures: Figures) -> str:
    """Return the table of targets and results."""
    rows = [
        [target, result, "met" if is_met else "**not met**"]
        for target, result, is_met in targets(figures)
    ]
    return _table(["target", "result", ""], rows)


def warm(figures: Figures) -> str:
    """Return the table of warm calls: ratios with quartiles, and microseconds."""
    rows = []
    for engine, verbs in figures["warm"].items():
        for name, kind in TIMES.items():
            for peer in verbs["start"]:
                cells = [_compared(verbs[verb][peer], name) for verb in VERBS]
                rows.append([ENGINE_NAMES[engine], _name(peer), kind, *cells])
    return _table(["engine", "", "time", *VERBS], rows)


def cold(figures: Figures) -> str:
    """Return the table of cold starts: ratios with quartiles, milliseconds and MiB."""
    rows = []
    for peer, plain in figures["cold"].items():
        with_tls = figures["cold_tls"][peer]
        rows.append(
            [
                _name(peer),
                _compared(plain, "wall_ms"),
                _compared(plain, "cpu_ms"),
                _compared(with_tls, "wall_ms"),
                _compared(with_tls, "cpu_ms"),
                _compared(plain, "memory_mib"),
                _short(figures["zip_mib"][peer]),
            ]
        )

    header = [
        "",
        "wall, ms",
        "processor, ms",
        "wall with TLS, ms",
        "processor with TLS, ms",
        "memory, MiB",
        "zip, MiB",
    ]
    return _table(header, rows)


def resumed(figures: Figures) -> str:
    """Return the table of resumes: ratios to warm requests, and milliseconds."""
    rows = []
    for peer in figures["resumed"]:
        row = [_name(peer)]
        for kind in RESUMED:
            peer_figures = figures[kind][peer]
            row.append(_compared(peer_figures, "cpu_ms"))
            row.append(_compared(peer_figures, "wall_ms"))
        rows.append(row)

    header = [
        "",
        "processor, ms",
        "wall, ms",
        "processor with TLS, ms",
        "wall with TLS, ms",
    ]
    return _table(header, rows)


def imports(figures: Figures) -> str:
    """Return the table of import times, in milliseconds by top-level package."""
    by_peer = figures["imports"]
    listed = _listed_packages(by_peer)

    rows = []
    for package in listed:
        cells = [
            _short(spent[package]) if package in spent else ""
            for spent in by_peer.values()
        ]
        rows.append([package, *cells])

    others = []
    for spent in by_peer.values():
        small = [ms for package, ms in spent.items() if package not in listed]
        others.append(_short(sum(small)))
    rows.append(["others", *others])

    header = ["ms", *(_name(peer) for peer in by_peer)]
    return _table(header, rows)


def _listed_packages(by_peer: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the packages with a row, the service's largest first."""
    largest: dict[str, float] = {}
    for spent in by_peer.values():
        for package, ms in spent.items():
            largest[package] = max(ms, largest.get(package, 0))

    def order(package: str) -> tuple[float, float, str]:
        own = by_peer["service"].get(package, 0)
        return -own, -largest[package], package

    listed = [package for package, ms in largest.items() if ms >= MIN_LISTED_MS]
    return sorted(listed, key=order)


def counted(figures: Figures) -> str:
    """Return the table of calls and units."""
    rows = []
    for case, counts in figures["counted"].items():
        rows.append(
            [
                case,
                str(counts["calls"]),
                str(MAX_CALLS[case]),
                f"{counts['units']:g}",
                str(counts["refused"]),
            ]
        )

    header = [
        "",
        "calls",
        "at most",
        "units reported",
        "writes whose condition failed",
    ]
    return _table(header, rows)


def growth(figures: Figures) -> str:
    """Return a table for each axis: ratios to the first point, and microseconds."""
    tables = []
    for axis, verbs in figures["growth"].items():
        rows = []
        for verb, points in verbs.items():
            cells = [
                f"{point['wall_us_ratio']:.2f} · {point['wall_us']:,.0f}"
                for point in points.values()
            ]
            rows.append([verb, *cells])

        header = [axis, *(f"{int(point):,}" for point in verbs["start"])]
        tables.append(_table(header, rows))
    return "\n\n".join(tables)


def contention(figures: Figures) -> str:
    """Return the table of contention: calls per request, latencies and refusals."""
    rows = []
    for verb, by_callers in figures["contention"].items():
        for callers, run in by_callers.items():
            rows.append(
                [
                    verb,
                    callers,
                    f"{run['calls_a_request']:.2f}",
                    _short(run["median_ms"]),
                    _short(run["slowest_ms"]),
                    str(run["contended"]),
                    str(run["over"]),
                ]
            )

    header = [
        "",
        "callers",
        "calls per request",
        "median, ms",
        "slowest, ms",
        "refused as contended",
        "over the limit",
    ]
    return _table(header, rows)


def load(figures: Figures) -> str:
    """Return the engine's ceiling and the table of latencies by offered rate."""
    run = figures["load"]
    percents = list(run["steps"][0]["latency_ms"])
    rows = []
    for step in run["steps"]:
        latencies = [_short(step["latency_ms"][percent]) for percent in percents]
        cores = [f"{step['cores'][part]:.2f}" for part in LOAD_PARTS]
        rows.append(
            [
                f"{step['offered']:,.0f}",
                f"{step['achieved']:,.0f}",
                str(step["failed"]),
                *latencies,
                *cores,
            ]
        )

    header = [
        "offered, 1/s",
        "answered, 1/s",
        "failed",
        *(f"p{percent}, ms" for percent in percents),
        "cores: service",
        "engine",
        "load",
    ]
    connections = run["workers"] * run["threads"]
    return (
        f"{run['workers']} workers of {run['threads']} threads. By itself the engine "
        f"answers {run['ceiling']:,.0f} raw `UpdateItem` calls per second over "
        f"{connections} connections.\n\n{_table(header, rows)}"
    )


TABLES: Mapping[str, Callable[[Figures], str]] = {
    "machine": machine,
    "targets": aims,
    "warm": warm,
    "cold": cold,
    "resumed": resumed,
    "imports": imports,
    "counted": counted,
    "growth": growth,
    "contention": contention,
    "load": load,
}


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    first, *others = [list(header), *map(list, rows)]
    separator = ["---"] * len(first)
    return "\n".join(_row(cells) for cells in (first, separator, *others))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(peer: str) -> str:
    """Return the name of a peer. The service's is bold."""
    name = NAMES.get(peer, peer)
    return f"**{name}**" if peer == "service" else name


def _compared(figures: Figures, name: str) -> str:
    """Return a ratio, its quartiles and the median."""
    ratio = figures[f"{name}_ratio"]
    low, high = figures[f"{name}_spread"]
    return f"{ratio:.2f} ({low:.2f}–{high:.2f}) · {_short(figures[name])}"


def _short(value: Any) -> str:
    """Return a number with a decimal, or without one from 100 on."""
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def main() -> None:
    """Write the tables and plots of the existing figures."""
    from bench.plots import draw  # of bench/requirements.txt

    figures = json.loads(FILE.read_text())
    write(figures)
    draw(figures)


if __name__ == "__main__":
    main()

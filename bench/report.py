"""The figures as tables: in `docs/performance.md`, between `<!-- figures: NAME -->` and `<!-- end -->`.

python -m bench.report   writes the tables and plots of the figures that are there, without measuring
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from bench.engines import PROJECT
from bench.peers import NAMES
from bench.scene import VERBS
from bench.targets import CALLS_AT_MOST, targets
from bench.workers import Figures

PAGE = PROJECT / "docs" / "performance.md"
FILE = PROJECT / "docs" / "performance" / "figures.json"
ENGINE_NAMES = {"embedded": "the embedded engine", "dynamodb-local": "DynamoDB Local"}
RESUMED = ("resumed", "resumed_tls")
FEW_MS = 5
"""Packages whose imports take less than this in every peer are summed up."""


def write(figures: Figures) -> None:
    """Keep the figures, and put the tables where they belong."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), figures))


def filled(page: str, figures: Figures) -> str:
    """The page with the tables of these figures."""

    def table(found: re.Match[str]) -> str:
        return (
            f"<!-- figures: {found[1]} -->\n{TABLES[found[1]](figures)}\n<!-- end -->"
        )

    return re.sub(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", table, page, flags=re.S)


def lines(figures: Figures) -> str:
    """The last lines, for scripts."""
    said = [
        f"{label} {verb} cpu={peers[peer]['cpu_us_ratio']:.3f} wall={peers[peer]['wall_us_ratio']:.3f}"
        for label, peer in (("ratio", "service"), ("botocore", "service-botocore"))
        for verb, peers in figures["warm"][figures["engine"]].items()
    ]
    found = figures["cold"]["service"]
    said.append(
        f"ratio cold={found['wall_ms_ratio']:.3f} memory={found['memory_mib_ratio']:.3f} "
        f"zip_mib={figures['zip_mib']['service']:.2f}"
    )
    said.append(
        f"ratio cold_tls={figures['cold_tls']['service']['wall_ms_ratio']:.3f} "
        f"resumed={figures['resumed']['service']['cpu_ms_ratio']:.3f} "
        f"resumed_tls={figures['resumed_tls']['service']['cpu_ms_ratio']:.3f}"
    )
    return "\n".join(said)


def machine(figures: Figures) -> str:
    """Where it was measured."""
    found = figures["machine"]
    return (
        f"{found['cores']} cores, {found['memory_gib']} GiB, {found['system']}, Python {found['python']}, ministack "
        f"{found['ministack']}; {found['busy_before']:.1f} processes were running or waiting before it began."
    )


def aims(figures: Figures) -> str:
    """Targets beside results."""
    return _table(
        ["target", "result", ""],
        [
            [what, result, "met" if met else "**not met**"]
            for what, result, met in targets(figures)
        ],
    )


def warm(figures: Figures) -> str:
    """Ratios with quartiles, and microseconds."""
    rows = [
        [
            ENGINE_NAMES[engine],
            _name(peer),
            kind,
            *(_compared(verbs[verb][peer], name) for verb in VERBS),
        ]
        for engine, verbs in figures["warm"].items()
        for name, kind in (("cpu_us", "processor"), ("wall_us", "wall"))
        for peer in verbs["start"]
    ]
    return _table(["engine", "", "time", *VERBS], rows)


def cold(figures: Figures) -> str:
    """Ratios with quartiles, milliseconds and MiB."""
    rows = [
        [
            _name(peer),
            *(_compared(found, name) for name in ("wall_ms", "cpu_ms")),
            *(
                _compared(figures["cold_tls"][peer], name)
                for name in ("wall_ms", "cpu_ms")
            ),
            _compared(found, "memory_mib"),
            _short(figures["zip_mib"][peer]),
        ]
        for peer, found in figures["cold"].items()
    ]
    over = [
        f"{kind}{tls}, ms"
        for tls in ("", " with TLS")
        for kind in ("wall", "processor")
    ]
    return _table(["", *over, "memory, MiB", "zip, MiB"], rows)


def resumed(figures: Figures) -> str:
    """Ratios to the peer's own warm requests with quartiles, milliseconds."""
    rows = [
        [
            _name(peer),
            *(
                _compared(figures[over][peer], name)
                for over in RESUMED
                for name in ("cpu_ms", "wall_ms")
            ),
        ]
        for peer in figures["resumed"]
    ]
    return _table(
        [
            "",
            *(
                f"{kind}{tls}, ms"
                for tls in ("", " with TLS")
                for kind in ("processor", "wall")
            ),
        ],
        rows,
    )


def imports(figures: Figures) -> str:
    """Milliseconds by top-level package."""
    spent = figures["imports"]
    most = {
        name: max(other.get(name, 0) for other in spent.values())
        for found in spent.values()
        for name in found
    }
    large = sorted(
        (name for name in most if most[name] >= FEW_MS),
        key=lambda name: (-spent["service"].get(name, 0), -most[name], name),
    )
    rows = [
        [
            name,
            *(_short(found[name]) if name in found else "" for found in spent.values()),
        ]
        for name in large
    ]
    small = [
        sum(value for name, value in found.items() if name not in large)
        for found in spent.values()
    ]
    return _table(
        ["ms", *(_name(peer) for peer in spent)],
        [*rows, ["others", *map(_short, small)]],
    )


def counted(figures: Figures) -> str:
    """Calls and units."""
    rows = [
        [
            case,
            str(found["calls"]),
            str(CALLS_AT_MOST[case]),
            f"{found['units']:g}",
            str(found["refused"]),
        ]
        for case, found in figures["counted"].items()
    ]
    return _table(
        ["", "calls", "at most", "units reported", "writes whose condition failed"],
        rows,
    )


def growth(figures: Figures) -> str:
    """Ratios to the first point, and microseconds."""
    tables = []
    for axis, verbs in figures["growth"].items():
        rows = [
            [
                verb,
                *(
                    f"{found['wall_us_ratio']:.2f} · {found['wall_us']:,.0f}"
                    for found in points.values()
                ),
            ]
            for verb, points in verbs.items()
        ]
        tables.append(
            _table([axis, *(f"{int(point):,}" for point in verbs["start"])], rows)
        )
    return "\n\n".join(tables)


def contention(figures: Figures) -> str:
    """Calls a request, latencies, refusals."""
    rows = [
        [
            verb,
            callers,
            f"{found['calls_a_request']:.2f}",
            _short(found["median_ms"]),
            _short(found["slowest_ms"]),
            str(found["contended"]),
            str(found["over"]),
        ]
        for verb, counts in figures["contention"].items()
        for callers, found in counts.items()
    ]
    return _table(
        [
            "",
            "callers",
            "calls a request",
            "median, ms",
            "slowest, ms",
            "refused as contended",
            "over the limit",
        ],
        rows,
    )


def load(figures: Figures) -> str:
    """Latencies by offered rate, and the engine's ceiling."""
    found = figures["load"]
    percents = list(found["steps"][0]["latency_ms"])
    rows = [
        [
            f"{step['offered']:,.0f}",
            f"{step['achieved']:,.0f}",
            str(step["failed"]),
            *(_short(step["latency_ms"][percent]) for percent in percents),
            *(f"{step['cores'][part]:.2f}" for part in ("service", "engine", "load")),
        ]
        for step in found["steps"]
    ]
    header = [
        "offered, 1/s",
        "answered, 1/s",
        "failed",
        *(f"p{percent}, ms" for percent in percents),
    ]
    return (
        f"{found['workers']} workers of {found['threads']} threads. By itself the engine takes {found['ceiling']:,.0f} "
        f"raw `UpdateItem` calls a second over {found['workers'] * found['threads']} connections.\n\n"
        + _table([*header, "cores: service", "engine", "load"], rows)
    )


TABLES = {
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
    lines = [list(header), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _name(peer: str) -> str:
    return f"**{NAMES[peer]}**" if peer == "service" else NAMES.get(peer, peer)


def _compared(found: Figures, name: str) -> str:
    low, high = found[f"{name}_spread"]
    return (
        f"{found[f'{name}_ratio']:.2f} ({low:.2f}–{high:.2f}) · {_short(found[name])}"
    )


def _short(value: Any) -> str:
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    from bench.plots import draw

    there = json.loads(FILE.read_text())
    write(there)
    draw(there)

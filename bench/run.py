"""`make bench`: everything side by side, interleaved, in one run; ratios to a bare handler with boto3.

Writes the figures and plots in `docs/performance/` and the tables in `docs/performance.md`, and ends with lines that a
script can read. Exits non-zero when something could not be measured. `QUICK=1` measures the service beside the bare
handler only, in fewer rounds, and writes nothing. `ENGINE=dynamodb-local` takes cold starts, resumes and the last
lines' warm ratios on that engine instead of the embedded one."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import growth, load, plots, report, warm
from bench.cold import Instances
from bench.engines import ENGINE, ENGINES
from bench.packages import packaged
from bench.peers import MODULES, NAMES, VARIANTS
from bench.scene import connect, create_table, environment
from bench.tls import terminated
from bench.workers import Figures, Side, run_module

QUICK = bool(os.environ.get("QUICK"))
PEERS = ["bare", "service"] if QUICK else MODULES


def measure() -> Figures:
    """All of it."""
    figures: Figures = {"machine": _machine(), "engine": ENGINE, "warm": {}}
    with packaged(PEERS) as (folders, sizes):
        figures["zip_mib"] = sizes
        figures["has_cryptography"] = (folders["service"] / "cryptography").is_dir()
        for name in [ENGINE] if QUICK else ENGINES:
            with ENGINES[name]() as endpoint:
                create_table(connect(endpoint))
                rounds, calls = (5, 40) if QUICK else (12, 80)
                figures["warm"][name] = warm.measure(
                    _sides(endpoint, folders), rounds=rounds, calls=calls
                )
                if name == ENGINE:
                    figures |= _fresh(endpoint, folders)
                if name == "dynamodb-local" and not QUICK:
                    figures |= _alone(endpoint)
    return figures


def _sides(endpoint: str, folders: Mapping[str, Path]) -> dict[str, Side]:
    """The peers, and the service's variants, each as it ships."""
    of: Mapping[str, tuple[str, str, dict[str, str]]] = {
        peer: (peer, peer, {}) for peer in PEERS
    } | VARIANTS
    sides = {
        name: Side(
            peer, environment(endpoint) | more, folders[package], is_package=True
        )
        for name, (package, peer, more) in of.items()
    }
    return {name: sides[name] for name in NAMES if name in sides}


def _fresh(endpoint: str, folders: Mapping[str, Path]) -> Figures:
    """Cold starts and resumes, over plain HTTP and over TLS."""
    client, rounds = connect(endpoint), 5 if QUICK else 15
    with terminated(endpoint) as (secure, authorities):
        plain = Instances(folders, client, environment(endpoint))
        tls = Instances(
            folders, client, environment(secure) | {"AWS_CA_BUNDLE": authorities}
        )
        return {
            "cold": plain.cold(rounds=rounds),
            "cold_tls": tls.cold(rounds=rounds),
            "resumed": plain.resumed(rounds=rounds),
            "resumed_tls": tls.resumed(rounds=rounds),
            "imports": {} if QUICK else plain.imports(rounds=5),
        }


def _alone(endpoint: str) -> Figures:
    """What is measured of the service alone, on an engine that serves many at once and holds a million rows."""
    given = environment(endpoint)
    return {
        "counted": run_module("counted", environment=given),
        "contention": run_module("contention", environment=given),
        "load": load.measure(endpoint),
        "growth": growth.measure(endpoint),
    }


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        ),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "ministack": version("ministack"),
        "busy_before": os.getloadavg()[0],
    }


def main() -> None:
    """Measure, show, write."""
    figures = measure()
    if QUICK:
        print(
            report.warm(figures),
            report.cold(figures),
            report.resumed(figures),
            sep="\n\n",
        )
    else:
        report.write(figures)
        plots.draw(figures)
    print("\n" + report.lines(figures))


if __name__ == "__main__":
    main()

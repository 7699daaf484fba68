"""`make bench`: everything side by side, interleaved, in one run; ratios to a bare handler with boto3.

Writes the figures and plots in `docs/performance/` and the tables in `docs/performance.md`, and ends with lines that a
script can read. Exits non-zero when something could not be measured. `QUICK=1` measures the service beside the bare
handler only, in fewer rounds, and writes nothing. `ENGINE=dynamodb-local` takes cold starts and the last lines' warm
ratios on that engine instead of the embedded one."""

import os
import platform
from importlib.metadata import version
from typing import Any

from bench import cold, growth, load, plots, report, warm
from bench.engines import ENGINES
from bench.peers import NAMES
from bench.scene import connect, create_table, environment
from bench.workers import Figures, run_module

QUICK = bool(os.environ.get("QUICK"))
ENGINE = os.environ.get("ENGINE") or "embedded"
PEERS = ["bare", "service"] if QUICK else list(NAMES)


def measure() -> Figures:
    """All of it."""
    figures: Figures = {"machine": _machine(), "engine": ENGINE, "warm": {}}
    for name in [ENGINE] if QUICK else ENGINES:
        with ENGINES[name]() as endpoint:
            create_table(connect(endpoint))
            figures["warm"][name] = warm.measure(endpoint, PEERS, rounds=5 if QUICK else 12, calls=40 if QUICK else 80)
            if name == ENGINE:
                figures["cold"], figures["imports"], figures["zip_mib"] = cold.measure(
                    endpoint,
                    PEERS,
                    rounds=5 if QUICK else 15,
                    import_rounds=0 if QUICK else 5,
                    with_zappa=not QUICK,
                )
            if name == "dynamodb-local" and not QUICK:
                figures |= _alone(endpoint)
    return figures


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
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "ministack": version("ministack"),
        "busy_before": os.getloadavg()[0],
    }


def main() -> None:
    """Measure, show, write."""
    figures = measure()
    if QUICK:
        print(report.warm(figures), report.cold(figures), sep="\n\n")
    else:
        report.write(figures)
        plots.draw(figures)
    print("\n" + report.lines(figures))


if __name__ == "__main__":
    main()

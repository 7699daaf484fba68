"""`make bench`: measures all peers in one run, interleaved. Ratios are to bare boto3.

Writes the figures and plots into `docs/performance/` and the tables into
`docs/performance.md`, and ends with lines that a script can read. The exit status is
not zero if a figure could not be measured.

`QUICK=1` measures only the service and the bare handler, in fewer rounds, and writes no
file. `ENGINE=dynamodb-local` takes the cold starts, the resumes and the warm ratios of
the last lines on that engine instead of the embedded one.
"""

import os
import platform
import sysconfig
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import growth, load, plots, report, warm
from bench.cold import Instances
from bench.engines import ENGINE, ENGINES
from bench.packages import packaged
from bench.peers import MODULES, NAMES, VARIANTS, Variant
from bench.scene import connect, create_table, environment
from bench.tls import terminated
from bench.workers import Figures, Side, run_module

QUICK = bool(os.environ.get("QUICK"))
PEERS = ["bare", "service"] if QUICK else MODULES
MEASURED_ENGINES = [ENGINE] if QUICK else list(ENGINES)
WARM_ROUNDS, WARM_CALLS = (5, 40) if QUICK else (12, 80)
COLD_ROUNDS = 5 if QUICK else 15
IMPORT_ROUNDS = 5
GIB = 2**30


def measure() -> Figures:
    """Measure every figure."""
    figures: Figures = {"machine": _machine(), "engine": ENGINE, "warm": {}}

    with packaged(PEERS) as (folders, sizes):
        figures["zip_mib"] = sizes
        figures["has_cryptography"] = (folders["service"] / "cryptography").is_dir()

        for name in MEASURED_ENGINES:
            with ENGINES[name]() as endpoint:
                create_table(connect(endpoint))
                figures["warm"][name] = warm.measure(
                    _sides(endpoint, folders),
                    rounds=WARM_ROUNDS,
                    calls=WARM_CALLS,
                )
                if name == ENGINE:
                    figures |= _fresh_instances(endpoint, folders)
                if name == "dynamodb-local" and not QUICK:
                    figures |= _service_alone(endpoint)

    return figures


def _sides(endpoint: str, folders: Mapping[str, Path]) -> dict[str, Side]:
    """Return the peers and the service's variants, each in its package."""
    variants = {peer: Variant(package=peer, module=peer) for peer in PEERS}
    variants |= VARIANTS

    sides = {}
    for name in NAMES:
        if name not in variants:
            continue
        variant = variants[name]
        sides[name] = Side(
            variant.module,
            environment(endpoint) | variant.environment,
            folders[variant.package],
            is_package=True,
        )
    return sides


def _fresh_instances(endpoint: str, folders: Mapping[str, Path]) -> Figures:
    """Measure cold starts and resumes, over plain HTTP and over TLS."""
    client = connect(endpoint)
    with terminated(endpoint) as tls_engine:
        plain = Instances(folders, client, environment(endpoint))
        tls = Instances(
            folders,
            client,
            environment(tls_engine.endpoint)
            | {"AWS_CA_BUNDLE": tls_engine.public_bundle},
            of_service={"AWS_CA_BUNDLE": tls_engine.amazon_bundle},
        )
        return {
            "cold": plain.cold(rounds=COLD_ROUNDS),
            "cold_tls": tls.cold(rounds=COLD_ROUNDS),
            "resumed": plain.resumed(rounds=COLD_ROUNDS),
            "resumed_tls": tls.resumed(rounds=COLD_ROUNDS),
            "imports": {} if QUICK else plain.imports(rounds=IMPORT_ROUNDS),
        }


def _service_alone(endpoint: str) -> Figures:
    """Measure the service without its peers.

    The engine must serve many requests at once and hold a million items.
    """
    variables = environment(endpoint)
    return {
        "counted": run_module("counted", environment=variables),
        "contention": run_module("contention", environment=variables),
        "load": load.measure(endpoint),
        "growth": growth.measure(endpoint),
    }


def _machine() -> dict[str, Any]:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    one_minute_load, _, _ = os.getloadavg()
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / GIB),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "has_pgo": "--enable-optimizations"
        in str(sysconfig.get_config_var("CONFIG_ARGS")),
        "ministack": version("ministack"),
        "busy_before": one_minute_load,
    }


def main() -> None:
    """Measure, and print or write the figures."""
    figures = measure()
    if QUICK:
        for table in (report.warm, report.cold, report.resumed):
            print(table(figures), end="\n\n")
    else:
        report.write(figures)
        plots.draw(figures)
        print()
    print(report.lines(figures))


if __name__ == "__main__":
    main()

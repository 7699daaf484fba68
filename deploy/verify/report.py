"""The results of the checks: a table for people, or JSON for programs."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from deploy.verify.checks import Result, percentile, results
from deploy.verify.service import DeployedService

MARKS = {"passed": "yes", "failed": "NO ", "skipped": "-  "}
PERCENTILES = (50, 95, 99)

type Write = Callable[[str], object]


def report(service: DeployedService, write: Write, *, is_json: bool) -> bool:
    """Run every check, write the results, and return whether no check failed.

    The table is written line by line, as the results arrive.
    """
    collected = []
    for result in results(service):
        collected.append(result)
        if not is_json:
            _write_result(result, write)

    if is_json:
        write(json.dumps(_body(service, collected)) + "\n")
    else:
        _write_latencies(service, write)
        _write_verdict(service, collected, write)
    return _count(collected, "failed") == 0


def _write_result(result: Result, write: Write) -> None:
    mark = MARKS[result.outcome]
    if result.outcome == "passed":
        write(f"{mark} {result.check.promise} ({result.observation})\n")
    else:
        write(f"{mark} {result.check.promise}: {result.observation}\n")
    if result.outcome == "failed":
        write(f"      look at: {result.check.advice}\n")


def _write_latencies(service: DeployedService, write: Write) -> None:
    names = "".join(f"{f'p{percent}':>8}" for percent in PERCENTILES)
    write(f"\n{'ms':12}{'requests':>9}{names}\n")
    for verb, milliseconds in sorted(service.latencies.items()):
        values = [percentile(milliseconds, percent) for percent in PERCENTILES]
        columns = "".join(f"{value:8.1f}" for value in values)
        write(f"{verb:12}{len(milliseconds):>9}{columns}\n")


def _write_verdict(
    service: DeployedService, collected: list[Result], write: Write
) -> None:
    failed = _count(collected, "failed")
    skipped = _count(collected, "skipped")
    if failed:
        verdict = f"{failed} of {len(collected)} do not hold"
    else:
        verdict = f"{len(collected) - skipped} hold"
    write(f"\n{service.url}: {verdict}; {skipped} skipped.\n")


def _count(collected: Iterable[Result], outcome: str) -> int:
    return sum(result.outcome == outcome for result in collected)


def _body(service: DeployedService, collected: list[Result]) -> dict[str, object]:
    checks = [
        {
            "name": result.check.name,
            "what": result.check.promise,
            "outcome": result.outcome,
            "found": result.observation,
        }
        for result in collected
    ]
    latencies = {
        verb: _latency(milliseconds)
        for verb, milliseconds in sorted(service.latencies.items())
    }
    return {
        "url": service.url,
        "holds": _count(collected, "failed") == 0,
        "checks": checks,
        "latencyMs": latencies,
    }


def _latency(milliseconds: list[float]) -> dict[str, Any]:
    latency: dict[str, Any] = {"count": len(milliseconds)}
    for percent in PERCENTILES:
        latency[f"p{percent}"] = round(percentile(milliseconds, percent), 1)
    return latency

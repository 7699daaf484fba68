"""What is said of a deployment: a table for people, JSON for programs."""

import json
from collections.abc import Callable, Iterable

from deploy.blackbox.caller import DeployedService
from deploy.blackbox.checks import Outcome, outcomes, percentile

MARK = {"passed": "yes", "failed": "NO ", "skipped": "-  "}
PERCENTILES = (50, 95, 99)


def report(
    deployment: DeployedService, write: Callable[[str], object], *, is_json: bool
) -> bool:
    """Try everything and say what came of it, line by line as it comes. Whether nothing failed."""
    found = []
    for one in outcomes(deployment):
        found.append(one)
        if not is_json:
            _say(one, write)
    failed = sum(one.outcome == "failed" for one in found)
    if is_json:
        write(json.dumps(_body(deployment, found)) + "\n")
        return not failed
    write(
        f"\n{'ms':12}{'requests':>9}"
        + "".join(f"{f'p{percent}':>8}" for percent in PERCENTILES)
        + "\n"
    )
    for verb, took in sorted(deployment.latencies.items()):
        row = "".join(f"{percentile(took, percent):8.1f}" for percent in PERCENTILES)
        write(f"{verb:12}{len(took):>9}{row}\n")
    skipped = sum(one.outcome == "skipped" for one in found)
    verdict = (
        f"{failed} of {len(found)} do not hold"
        if failed
        else f"{len(found) - skipped} hold"
    )
    write(f"\n{deployment.url}: {verdict}; {skipped} skipped.\n")
    return not failed


def _say(one: Outcome, write: Callable[[str], object]) -> None:
    seen = f" ({one.found})" if one.outcome == "passed" else f": {one.found}"
    write(f"{MARK[one.outcome]} {one.check.what}{seen}\n")
    if one.outcome == "failed":
        write(f"      look at: {one.check.advice}\n")


def _body(deployment: DeployedService, found: Iterable[Outcome]) -> dict[str, object]:
    checks = [
        {
            "name": one.check.name,
            "what": one.check.what,
            "outcome": one.outcome,
            "found": one.found,
        }
        for one in found
    ]
    return {
        "url": deployment.url,
        "holds": all(check["outcome"] != "failed" for check in checks),
        "checks": checks,
        "latencyMs": {
            verb: {
                "count": len(took),
                **{
                    f"p{percent}": round(percentile(took, percent), 1)
                    for percent in PERCENTILES
                },
            }
            for verb, took in sorted(deployment.latencies.items())
        },
    }

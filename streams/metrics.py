"""What came of each request, as metrics: a line on standard output, in CloudWatch's embedded metric format.

CloudWatch makes metrics of such lines by itself: no call, no agent, and no counter to keep in step between instances. A
line takes some ten microseconds. Source:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from django.conf import settings

from streams.rules import StreamLimitReached
from streams.store import StoreContended, StoreUnavailable

NAMESPACE: Final = "StreamLimits"
REFUSALS: Final = {StreamLimitReached: "denied", StoreContended: "contended", StoreUnavailable: "unavailable"}
"""Refusals that are counted, and as what. The others are a caller's mistakes, or an ending that was counted before."""


def record(*outcomes: str, now: int) -> None:
    """Count these outcomes (`admitted`, `denied`, `renewed`, `stopped`, `evicted`, `replaced`, `expired`, `contended`,
    `unavailable`) at `now` (ms)."""
    if settings.METRICS and outcomes:
        before, after = _line(outcomes)
        sys.stdout.write(f"{before}{now}{after}")
        sys.stdout.flush()


@lru_cache(maxsize=64)
def _line(outcomes: Sequence[str]) -> tuple[str, str]:
    """A line up to its time, and from there."""
    counts = Counter(outcomes)
    metrics = [{"Name": outcome, "Unit": "Count"} for outcome in counts]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Table"]], "Metrics": metrics}
    line = {"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "Table": settings.DYNAMODB_TABLE, **counts}
    before, _, after = json.dumps(line).partition('"Timestamp": 0')
    return f'{before}"Timestamp": ', f"{after}\n"

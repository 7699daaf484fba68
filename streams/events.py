"""What came of each request, as metrics: a line on standard output, in CloudWatch's embedded metric format.

CloudWatch makes metrics of such lines by itself: no call, no agent, and no counter to keep in step between instances.
Source:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

import json
import sys
from collections import Counter
from typing import Final

from django.conf import settings

NAMESPACE: Final = "StreamLimits"


def record(*outcomes: str, now: int) -> None:
    """Count these outcomes (`admitted`, `denied`, `renewed`, `stopped`, `evicted`, `replaced`, `expired`, `contended`,
    `unavailable`, of an outage `grace-started`, `grace-renewed`, `grace-admitted`, `grace-refused`, and as
    `credentials-…` those that were refused, by kind) at `now` (ms)."""
    if not settings.METRICS or not outcomes:
        return
    counts = Counter(outcomes)
    metrics = [{"Name": outcome, "Unit": "Count"} for outcome in counts]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Table"]], "Metrics": metrics}
    line = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "Table": settings.DYNAMODB_TABLE, **counts}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()

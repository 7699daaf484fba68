"""Events and metrics that the service writes to standard output."""

import json
from collections import Counter
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.servers import PROJECT

SCHEMA = Draft202012Validator(
    json.loads((PROJECT / "docs" / "events.schema.json").read_text())
)


def written_events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the written events. Each must match the schema and be short."""
    events = []
    for line in capsys.readouterr().out.splitlines():
        event: dict[str, Any] = json.loads(line)
        SCHEMA.validate(event)
        assert len(line.encode()) < 1300, "with its metrics"

        del event["_aws"], event["Table"]
        compact = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        assert len(compact.encode()) < 1024
        events.append(event)
    return events


def written_counts(capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    """Return the counts in all lines, as CloudWatch reads them."""
    counts: Counter[str] = Counter()
    for line in capsys.readouterr().out.splitlines():
        record = json.loads(line)
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "StreamLimits"
        assert directive["Dimensions"] == [["Table"]]
        assert record["_aws"]["Timestamp"] > 1_790_000_000_000

        names = [metric["Name"] for metric in directive["Metrics"]]
        counts.update({name: record[name] for name in names})
    return counts

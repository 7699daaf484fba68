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
    """The events, each of which is as the schema has it."""
    lines = capsys.readouterr().out.splitlines()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for line, event in zip(lines, found, strict=True):
        SCHEMA.validate(event)
        assert len(line.encode()) < 1300, "with its metrics"
        del event["_aws"], event["Table"]
        assert (
            len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())
            < 1024
        )

    return found


def written_counts(capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    """The counts in all lines that CloudWatch would read."""
    counts: Counter[str] = Counter()
    for line in capsys.readouterr().out.splitlines():
        record = json.loads(line)
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "StreamLimits"
        assert directive["Dimensions"] == [["Table"]]
        assert record["_aws"]["Timestamp"] > 1_790_000_000_000
        counts.update(
            {metric["Name"]: record[metric["Name"]] for metric in directive["Metrics"]}
        )

    return counts

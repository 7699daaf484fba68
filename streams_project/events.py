"""What becomes of events: a line of JSON on standard output, metrics, or both. `settings.EVENT_SINKS` names these.

CloudWatch reads a line once as an event (Logs Insights finds its members by name) and, where it has `_aws`, as metrics
too: no call, no agent, and no counter to keep in step between instances.
Source:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

import json
import sys
from collections.abc import Iterator, Sequence
from random import SystemRandom
from typing import Any, Final

from django.conf import settings

from streams.audit import user_in_logs
from streams.events import EventFacts
from streams.rules import Lease
from streams_project import requests

VERSION: Final = 1
"""Of docs/events.schema.json."""
NAMESPACE: Final = "StreamLimits"
HOLDERS_BYTES, BY_CHARACTERS = 400, 64
"""Of an event, which has to stay under 1 KB."""
ALSO: Final = {"took-over": "admitted", "revived": "renewed", "throttled": "unavailable"}
"""Kinds that are counted as another one too: these say more of the same."""

_one_of = SystemRandom().randrange


def line(kind: str, now: int, facts: EventFacts) -> None:
    """On standard output: the event where `EVENTS` is `log`, and its metrics where `METRICS` is `emf`."""
    sample = _sample(kind)
    if sample:
        said = metrics(kind, now, facts, sample) if settings.METRICS == "emf" else {}
        if settings.EVENTS == "log":
            said |= event(kind, now, facts, sample)
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def event(kind: str, now: int, facts: EventFacts, sample: int = 1) -> dict[str, Any]:
    """An event as docs/events.schema.json has it."""
    said: dict[str, Any] = {"v": VERSION, "kind": kind, "at": now}
    said |= {name: value for name, value in facts.items() if value is not None}
    if user := facts.get("user"):
        said["user"] = user_in_logs(user)
    if by := facts.get("by"):
        said["by"] = by[:BY_CHARACTERS]
    if "holders" in facts:
        said |= {"holders": list(_holders(facts["holders"])), "held": len(facts["holders"])}
    if sample > 1:
        said["sample"] = sample
    return said | requests.spent()


def metrics(kind: str, now: int, facts: EventFacts, sample: int = 1) -> dict[str, Any]:
    """What is counted, in CloudWatch's embedded metric format."""
    counts = dict.fromkeys(outcomes(kind, facts), sample)
    named = [{"Name": outcome, "Unit": "Count"} for outcome in counts]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Table"]], "Metrics": named}
    return {"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "Table": settings.DYNAMODB_TABLE, **counts}


def outcomes(kind: str, facts: EventFacts) -> list[str]:
    """What an event counts as: why a stream ended, and its kind in all other cases."""
    if kind in ("stopped", "ended"):
        return [str(facts["reason"])]
    return [ALSO[kind], kind] if kind in ALSO else [kind]


def _sample(kind: str) -> int:
    """How many events this one stands for; 0 where another one stands for it."""
    if kind != "renewed":
        return 1
    sample: int = settings.EVENTS_SAMPLE_RENEWALS
    return sample if sample == 1 or _one_of(sample) == 0 else 0


def _holders(leases: Sequence[Lease]) -> Iterator[dict[str, Any]]:
    """Those that fit, oldest first."""
    size = 0
    for lease in leases:
        holder = {"id": lease.id, "deviceType": lease.device_type, "expiresAt": lease.expires_at}
        size += len(json.dumps(holder))
        if size > HOLDERS_BYTES:
            return
        yield {name: value for name, value in holder.items() if value is not None}

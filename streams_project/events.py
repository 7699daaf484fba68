"""What becomes of events: a line of JSON on standard output, metrics, or both. `settings.EVENT_SINKS` names these.

CloudWatch reads a line once as an event (Logs Insights finds its members by name) and, where it has `_aws`, as metrics
too: no call, no agent, and no counter to keep in step between instances.
Source:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

import sys
from collections.abc import Iterator, Sequence
from random import SystemRandom
from typing import Any, Final

import orjson
from django.conf import settings

from streams.audit import user_in_logs
from streams.events import EventFields
from streams.rules import Lease
from streams_project import requests

VERSION: Final = 1
"""Of docs/events.schema.json."""
NAMESPACE: Final = "StreamLimits"
HOLDERS_BYTES, HOLDER_BYTES, NAMES_CHARACTERS = 320, 36, 64
"""Of an event, which has to stay under 1 KB. A holder has so many beside its id and its device type."""
ALSO: Final = {
    "took-over": "admitted",
    "revived": "renewed",
    "throttled": "unavailable",
}
"""Kinds that are counted as another one too: these say more of the same."""

_one_of = SystemRandom().randrange


def line(kind: str, now: int, facts: EventFields) -> None:
    """On standard output: the event where `EVENTS` is `log`, and its metrics where `METRICS` is `emf`."""
    sample = _sample(kind)
    if sample:
        said = metrics(kind, now, facts, sample) if settings.METRICS == "emf" else {}
        if settings.EVENTS == "log":
            said |= event(kind, now, facts, sample)
        sys.stdout.write(orjson.dumps(said).decode() + "\n")
        sys.stdout.flush()


def event(kind: str, now: int, facts: EventFields, sample: int = 1) -> dict[str, Any]:
    """An event as docs/events.schema.json has it."""
    said: dict[str, Any] = {"v": VERSION, "kind": kind, "at": now}
    for name, value in facts.items():
        if value is not None:
            said[name] = value
    if "user" in said:
        said["user"] = user_in_logs(said["user"])
    for name in ("by", "plan"):
        if name in said:
            said[name] = said[name][:NAMES_CHARACTERS]
    if "holders" in facts:
        said |= {
            "holders": list(_holders(facts["holders"])),
            "held": len(facts["holders"]),
        }
    if sample > 1:
        said["sample"] = sample
    said |= requests.spent()
    return said


def metrics(kind: str, now: int, facts: EventFields, sample: int = 1) -> dict[str, Any]:
    """What is counted, in CloudWatch's embedded metric format."""
    counts = dict.fromkeys(outcomes(kind, facts), sample)
    named = [{"Name": outcome, "Unit": "Count"} for outcome in counts]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Table"]], "Metrics": named}
    return {
        "_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]},
        "Table": settings.DYNAMODB_TABLE,
        **counts,
    }


def outcomes(kind: str, facts: EventFields) -> list[str]:
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
    left = HOLDERS_BYTES
    for lease in leases:
        holder: dict[str, Any] = {"id": lease.id, "expiresAt": lease.expires_at}
        left -= HOLDER_BYTES + len(lease.id)
        if lease.device_type is not None:
            holder["deviceType"] = lease.device_type
            left -= len(orjson.dumps(lease.device_type)) + len(',"deviceType":')
        if left < 0:
            return
        yield holder

"""Writes events and metrics to standard output, as lines of JSON.

CloudWatch reads a line as an event, whose members Logs Insights finds, and also as
metrics if the line contains `_aws`. This needs no call and no agent, and instances
share no counter.
Source:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import sys
from collections.abc import Iterator, Sequence
from random import SystemRandom
from typing import Any, Final

import orjson

from streams import current_request
from streams.audit import user_in_logs
from streams.conf import settings
from streams.events import EventFields
from streams.rules import Lease

VERSION: Final = 1
"""The version of docs/events.schema.json."""
NAMESPACE: Final = "StreamLimits"

MAX_HOLDERS_BYTES: Final = 320
HOLDER_BYTES: Final = 36
"""The size of a holder without its id, its device type and its device name.

An event must remain below 1 KB.
"""
MAX_NAME_CHARACTERS: Final = 64

ALSO: Final = {
    "took-over": "admitted",
    "revived": "renewed",
    "throttled": "unavailable",
}
"""Kinds that count as another kind too, because they are special cases of it."""

CREDENTIALS: Final = "credentials-"
"""The beginning of the kinds that also count together, for an alarm."""

_random_below = SystemRandom().randrange


def line(kind: str, now: int, fields: EventFields) -> None:
    """Write an event (`EVENTS=log`), its metrics (`METRICS=emf`), or both."""
    sample = _sample(kind)
    if not sample:
        return

    members: dict[str, Any] = {}
    if settings.METRICS == "emf":
        members |= metrics(kind, now, fields, sample)
    if settings.EVENTS == "log":
        members |= event(kind, now, fields, sample)
    sys.stdout.write(orjson.dumps(members).decode() + "\n")
    sys.stdout.flush()


def event(kind: str, now: int, fields: EventFields, sample: int = 1) -> dict[str, Any]:
    """Return an event in the form of docs/events.schema.json."""
    event: dict[str, Any] = {"v": VERSION, "kind": kind, "at": now}
    for name, value in fields.items():
        if value is not None:
            event[name] = value

    if "user" in event:
        event["user"] = user_in_logs(event["user"])
    for name in ("by", "plan"):
        if name in event:
            event[name] = event[name][:MAX_NAME_CHARACTERS]
    if not settings.EVENTS_DEVICE_NAMES:
        event.pop("deviceName", None)
    if "holders" in fields:
        name_bytes = _member_bytes("deviceName", event.get("deviceName"))
        max_bytes = MAX_HOLDERS_BYTES - name_bytes
        event["holders"] = list(_holders(fields["holders"], max_bytes=max_bytes))
        event["held"] = len(fields["holders"])
    if sample > 1:
        event["sample"] = sample
    return event | current_request.spent()


def metrics(
    kind: str, now: int, fields: EventFields, sample: int = 1
) -> dict[str, Any]:
    """Return the metrics of an event in CloudWatch's embedded metric format."""
    counts = dict.fromkeys(outcomes(kind, fields), sample)
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Table"]],
        "Metrics": [{"Name": outcome, "Unit": "Count"} for outcome in counts],
    }
    return {
        "_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]},
        "Table": settings.DYNAMODB_TABLE,
        **counts,
    }


def outcomes(kind: str, fields: EventFields) -> list[str]:
    """Return the names under which an event is counted.

    The end of a stream counts under its reason, every other event under its kind.
    """
    if kind in ("stopped", "ended"):
        return [str(fields["reason"])]
    if kind.startswith(CREDENTIALS):
        return ["credentials-refused", kind]
    return [ALSO[kind], kind] if kind in ALSO else [kind]


def _sample(kind: str) -> int:
    """Return the number of events that this one represents.

    It is 0 if another event represents this one.
    """
    if kind != "renewed":
        return 1

    sample = settings.EVENTS_SAMPLE_RENEWALS
    return sample if sample == 1 or _random_below(sample) == 0 else 0


def _holders(leases: Sequence[Lease], *, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield the holders that fit into the event, oldest first.

    A name that does not fit is omitted.
    """
    bytes_left = max_bytes
    for lease in leases:
        holder: dict[str, Any] = {"id": lease.id, "expiresAt": lease.expires_at}
        bytes_left -= HOLDER_BYTES + len(lease.id)
        if lease.device_type is not None:
            holder["deviceType"] = lease.device_type
            bytes_left -= _member_bytes("deviceType", lease.device_type)
        if bytes_left < 0:
            return

        name_bytes = _member_bytes("deviceName", lease.device_name)
        if settings.EVENTS_DEVICE_NAMES and 0 < name_bytes <= bytes_left:
            holder["deviceName"] = lease.device_name
            bytes_left -= name_bytes
        yield holder


def _member_bytes(name: str, value: str | None) -> int:
    """Return the size of a member of an event, which is 0 without a value."""
    if value is None:
        return 0
    return len(f',"{name}":') + len(orjson.dumps(value))

"""Kinds of events, grouped by their effect on a user's slots."""

from collections.abc import Mapping
from typing import Any

type RecordedEvent = Mapping[str, Any]
"""An event in the shape of docs/events.schema.json."""

STARTS = ("admitted", "took-over")
GRACE_START = "grace-started"
"""A start while DynamoDB did not answer. `grace-renewed`, `grace-admitted` or
`grace-refused` follow."""
RENEWALS = ("renewed", "revived")
GRACE_RENEWALS = ("grace-renewed", "grace-admitted")
ENDS = ("stopped", "ended")
GRACE_END = "grace-refused"
DENIED = "denied"
SHADOW_PREFIX = "shadow-"

"""Events among the lines of a log.

Only a line feed ends a line: a device type may contain U+2028, at which
`str.splitlines` would cut an event in two.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reporting.instants import MAX_INSTANT
from streams.sinks.lines import VERSION

type KeptEvent = dict[str, Any]

TYPES: Mapping[str, type] = {
    "kind": str,
    "at": int,
    "user": str,
    "id": str,
    "deviceType": str,
    "deviceName": str,
    "plan": str,
    "rule": str,
    "limit": int,
    "expiresAt": int,
    "holders": list,
    "held": int,
    "reason": str,
    "by": str,
    "sample": int,
    "request": str,
}
"""Types of the members that reports read. Source: docs/events.schema.json."""
SURROGATE = re.compile(r"[\ud800-\udfff]")
NEEDED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("admitted", "took-over", "grace-started"), ("id", "expiresAt")),
    **dict.fromkeys(
        ("renewed", "revived", "grace-renewed", "grace-admitted"),
        ("id", "expiresAt"),
    ),
    **dict.fromkeys(("stopped", "ended", "grace-refused"), ("id", "reason")),
}
"""Members without which an event of a kind says nothing."""


def split_lines(text: str) -> list[str]:
    """Return the lines of a text. Only a line feed ends a line."""
    return text.split("\n")


def read_lines(
    lines: Iterable[str], *, since: int, until: int, user: str | None = None
) -> list[KeptEvent]:
    """Return the events from `since` to before `until`, oldest first.

    With `user` they are the events of one user. A log contains other lines too;
    these are skipped.
    """
    events = [
        event
        for event in _events_in(lines)
        if since <= event["at"] < until and user in (None, event.get("user"))
    ]
    return sorted(events, key=lambda event: int(event["at"]))


def _events_in(lines: Iterable[str]) -> Iterator[KeptEvent]:
    for line in lines:
        try:
            content = parsed(line)
        except (ValueError, RecursionError):
            continue
        if _is_event(content):
            yield content


def parsed(line: str) -> Any:
    """Return the content of a line of JSON, with U+FFFD for unpaired surrogates.

    JSON can contain them. They have no encoding, so neither a terminal nor a file
    could show the event.
    """
    content = json.loads(line)
    if "\\ud" not in line.lower():
        return content
    text = json.dumps(content, ensure_ascii=False)
    return json.loads(SURROGATE.sub("\ufffd", text))


def _is_event(content: Any) -> bool:
    """Return whether the content of a line is an event that reports can read."""
    if not isinstance(content, dict) or content.get("v") != VERSION:
        return False
    if not all(_has_type(content, name) for name in TYPES if name in content):
        return False

    kind = content.get("kind", "")
    if not {"kind", "at", *NEEDED.get(kind, ())} <= content.keys():
        return False

    instants = [content["at"], content.get("expiresAt", 0)]
    return all(0 <= instant < MAX_INSTANT for instant in instants) and all(
        map(_is_holder, content.get("holders", ()))
    )


def _has_type(content: dict[str, Any], name: str) -> bool:
    value = content[name]
    return isinstance(value, TYPES[name]) and not isinstance(value, bool)


def _is_holder(holder: Any) -> bool:
    return (
        isinstance(holder, dict)
        and {"id", "expiresAt"} <= holder.keys()
        and all(_has_type(holder, name) for name in holder if name in TYPES)
        and 0 <= holder["expiresAt"] < MAX_INSTANT
    )

"""What operators did: who, what, to whom, before and after. One log line each (`streams.audit`), by API and by command
alike, which no `LOG_LEVEL` silences."""

import json
import logging
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

log = logging.getLogger(__name__)

IN_CLEAR_AT_MOST_CHARACTERS = 130


def record(
    action: str, *, by: str | None, user_id: str, before: Any, after: Any, **what: Any
) -> None:
    """Note an action. `by` is a caller's `operator`, None where access is open; `what` says more, such as a stream's
    id. The formatters of `streams_project.logs` write these facts beside the message."""
    facts = {
        "action": action,
        "by": by or "anyone",
        "user": user_in_logs(user_id),
        **what,
    }
    log.info(action, extra={"audit": {**facts, "before": before, "after": after}})


def user_in_logs(user_id: str, key: str | None = None) -> str:
    """A user's name in log lines: a keyed hash, the same in every line and of no use without the key, which is the
    first of `LEASE_TOKEN_KEYS`."""
    if (
        settings.LOG_USER_IDS
        and len(json.dumps(user_id)) <= IN_CLEAR_AT_MOST_CHARACTERS
    ):
        return user_id
    key = key or settings.LEASE_TOKEN_KEYS[0]
    return (
        "user-"
        + salted_hmac(
            "streams.log", user_id, secret=key, algorithm="sha256"
        ).hexdigest()[:16]
    )

"""The audit log: each action of an operator, with the state before and after.

The API and the commands write one line per action to the logger `streams.audit`,
which `LOG_LEVEL` does not silence.
"""

import json
import logging
from typing import Any

from django.utils.crypto import salted_hmac

from streams.conf import settings

log = logging.getLogger(__name__)

MAX_PLAIN_CHARACTERS = 130


def record(
    action: str,
    *,
    by: str | None,
    user_id: str,
    before: Any,
    after: Any,
    **details: Any,
) -> None:
    """Log an action.

    `by` is the name of the operator, or None under open access. `details` are
    further fields, such as the id of a stream. The formatters of
    `streams_project.logs` write the fields next to the message.
    """
    fields = {
        "action": action,
        "by": by or "anyone",
        "user": user_in_logs(user_id),
        **details,
        "before": before,
        "after": after,
    }
    log.info(action, extra={"audit": fields})


def user_in_logs(user_id: str, key: str | None = None) -> str:
    """Return the user's name for log lines: a keyed hash.

    The hash is the same in every line. `key` is by default the first of
    `LEASE_TOKEN_KEYS`. With `LOG_USER_IDS`, a short id is returned unchanged.
    """
    is_short = len(json.dumps(user_id)) <= MAX_PLAIN_CHARACTERS
    if settings.LOG_USER_IDS and is_short:
        return user_id

    digest = salted_hmac(
        "streams.log",
        user_id,
        secret=key or settings.LEASE_TOKEN_KEYS[0],
        algorithm="sha256",
    )
    return f"user-{digest.hexdigest()[:16]}"

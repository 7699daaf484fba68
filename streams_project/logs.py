"""Formats log records: one line each, as text or as JSON for Logs Insights.

No line contains a user's id, unless `LOG_USER_IDS` is set.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, override
from urllib.parse import unquote

from streams import current_request
from streams.audit import user_in_logs

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
USER_IN_PATH = re.compile(r'(?<=/users/)[^/"]+?(?=/| HTTP/|"|$)')
QUERY = re.compile(r"\?\S*")

EXTRA_FIELDS = ("audit", "http")
"""Attributes of records: see `streams.audit` and `current_request.log_requests`."""


class JSONFormatter(logging.Formatter):
    """A record as JSON: `time`, `level`, `logger`, `message`.

    `request` is the id of the current request. `audit`, `http` and `exception` are
    present if the record has them.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        id = current_request.request_id()
        if id:
            line["request"] = id
        line |= _extra_fields(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """A record as a line of text.

    No message can forge a second record: control characters are escaped, and the
    lines of a traceback are indented.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        parts = [super().formatMessage(record)]
        parts += [json.dumps(fields) for fields in _extra_fields(record).values()]
        id = current_request.request_id()
        if id:
            parts.append(f"request={id}")
        return _printable(" ".join(parts))

    @override
    def formatException(self, ei: Any) -> str:
        return self.formatStack(super().formatException(ei))

    @override
    def formatStack(self, stack_info: str) -> str:
        lines = [f"    {_printable(line)}" for line in stack_info.split("\n")]
        return "\n".join(lines)


class AccessLine(logging.Filter):
    """Hides the user and the query string in `runserver`'s line of a request."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        line = unquote(QUERY.sub("", record.getMessage()))
        record.msg = USER_IN_PATH.sub(lambda match: user_in_logs(match[0]), line)
        record.args = ()
        return True


class FailuresOnly(logging.Filter):
    """Keeps Django's records of exceptions, without the path.

    The service logs its other answers where it creates them.
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = "unexpected error"
        record.args = ()
        return bool(record.exc_info)


def _extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: getattr(record, name, None) for name in EXTRA_FIELDS}
    return {name: value for name, value in fields.items() if value}


def _printable(text: str) -> str:
    """Return the text with control characters escaped."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)

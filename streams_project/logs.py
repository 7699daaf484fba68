"""Log records, one a line: as text, or as JSON for CloudWatch Logs Insights. No line names a user in the clear."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, override
from urllib.parse import unquote

from streams.audit import user_in_logs
from streams_project import requests

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
USER_IN_PATH = re.compile(r'(?<=/users/)[^/"]+?(?=/| HTTP/|"|$)')
QUERY = re.compile(r"\?\S*")


class JSONFormatter(logging.Formatter):
    """`{time, level, logger, message}`, and where there are any: `request`, the id of the request at hand, `audit` (see
    `streams.audit`), `http` (see `streams_project.requests.logged`) and `exception`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if id := requests.request_id():
            line["request"] = id
        line |= _facts(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """A line for people. Whatever a message has in it, no second line begins as a record does: control characters are
    escaped, and the lines of a traceback are indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        facts = [json.dumps(facts) for facts in _facts(record).values()]
        request = [f"request={id}"] if (id := requests.request_id()) else []
        return _printable(" ".join([super().formatMessage(record), *facts, *request]))

    @override
    def formatException(self, ei: Any) -> str:
        return self.formatStack(super().formatException(ei))

    @override
    def formatStack(self, stack_info: str) -> str:
        return "\n".join("    " + _printable(line) for line in stack_info.split("\n"))


class AccessLine(logging.Filter):
    """`runserver`'s line for a request: the user as `user_in_logs` has it, and no query string."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        line = unquote(QUERY.sub("", record.getMessage()))
        record.msg, record.args = (
            USER_IN_PATH.sub(lambda found: user_in_logs(found[0]), line),
            (),
        )
        return True


class FailuresOnly(logging.Filter):
    """Django's line for an answer of 500 and more, where there was an exception, and without the path. The service's
    own answers are logged where they are made."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = "unexpected error", ()
        return bool(record.exc_info)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What was said beside the message."""
    return {
        name: facts
        for name in ("audit", "http")
        if (facts := getattr(record, name, None))
    }


def _printable(text: str) -> str:
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

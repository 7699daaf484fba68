"""Log records as JSON, one a line, for CloudWatch Logs Insights."""

import json
import logging
from datetime import UTC, datetime
from typing import override


class JSONFormatter(logging.Formatter):
    """`{time, level, logger, message}`, and `exception` where there is one."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)

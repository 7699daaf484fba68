"""Log lines without secrets."""

import logging
import re

SECRETS = re.compile(
    r"(?P<ticket>\btk_[\w-]+(\.[\w-]+)?)"
    r"|(?P<jwt>\b[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})"
    r"|(?P<name>\b(?:ticket|token|access_token|pass|password|user|authorization)"
    r"\b['\"]?\s*[=:]\s*(?:bearer\s+|basic\s+)?['\"]?)[^\s&,;'\"}]+",
    re.IGNORECASE,
)
HIDDEN = "***"


class RedactingFormatter(logging.Formatter):
    """Formats records, and hides tokens and users in the text, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return redact(super().format(record))


def redact(text: str) -> str:
    """Hide the text that has the form of a credential."""
    return SECRETS.sub(lambda match: f"{match['name'] or ''}{HIDDEN}", text)


def configure(level: str) -> None:
    """Write log lines to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        RedactingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its lines contain the addresses of users.
    logging.getLogger("httpx").setLevel(logging.WARNING)

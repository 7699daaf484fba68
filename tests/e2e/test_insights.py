"""`manage.py why`, `manage.py report` and the console's page, with a local server."""

import json
import re

import pytest

from streams.audit import user_in_logs
from tests.e2e.test_commands import manage
from tests.e2e.test_local_server import environment, state
from tests.servers import running, runserver
from tests.viewer import Viewer

__all__ = ["environment", "state"]  # fixtures: a machine without a configured DynamoDB

QUERIES = [
    "until=1h&since=2h",
    "until=2h&since=1h",
    "zone=Europe/Madrid",
    "zone=../../etc/passwd",
    "zone=%00",
    "since=2026-11-28T20:03:11.5%2B01:00&until=1h",
    "until=0001-01-01",
    "since=<b>soon</b>",
    "since=99999999999d",
    f"since={'9' * 5000}d",
    "since=36500d",
    "since=0s",
    "since=%00",
    "user=%00&since=1h",
    "user=%ff%fe",
    f"user={'a' * 300}",
    "user=a%E2%80%A8b",
]
"""Queries at the edges of what the page accepts. Each has a page as its answer."""


@pytest.fixture
def clean(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a checkout in which no variable is set."""
    return {
        name: value
        for name, value in environment.items()
        if name not in ("EVENTS", "METRICS")
    }


def test_why_and_report_work_with_a_running_server_and_without(
    clean: dict[str, str],
) -> None:
    assert "No decisions were recorded for ana" in manage(clean, "why", "ana").stdout
    with running(runserver(), clean) as server, server.client() as client:
        ana = Viewer(client, "ana")
        for device in ("tv", "phone", "web", "tablet"):
            ana.start(deviceId=device, deviceType=f"a {device}")
        ana.end("phone")

        with_server = manage(clean, "why", "ana")
        page = client.get("/console/why", params={"user": "ana"})
        assert 'href="/console/why"' in client.get("/console").text
        for query in QUERIES:
            assert client.get(f"/console/why?user=ana&{query}").status_code == 200
        refused = client.get("/console/why?user=ana&since=<b>soon</b>")
        assert "not a duration" in refused.text

    without_server = manage(clean, "why", user_in_logs("ana"))
    for story in (with_server.stdout, without_server.stdout):
        assert "tablet (a tablet) was denied: 3 of 3 slots were held" in story
        assert re.search(
            r"- phone \(a phone\), since \d\d:\d\d:\d\d, lease until", story
        )
        assert re.search(
            r"possible from \d\d:\d\d:\d\d on, when phone \(a phone\) was over: "
            "stopped by viewer",
            story,
        )
        assert "3 starts were admitted and 1 denied." in story

    assert "was denied: 3 of 3 slots were held" in page.text
    drawing = page.text.partition('class="legend"')[0]
    assert drawing.count("<rect") == 3
    assert "style=" not in page.text
    assert "<script" not in page.text

    report = json.loads(manage(clean, "report", "--json").stdout)
    assert report["figures"]["starts"]["rows"] == [
        ["admitted", 3, 75],
        ["took-over", 0, 0],
        ["denied", 1, 25],
    ]

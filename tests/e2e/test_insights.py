"""`manage.py why`, `manage.py report` and the console's page: as people run them, here and on AWS."""

import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from django.core.management import CommandError, call_command

from insights import cloudwatch
from insights.sources import instant, length, zone
from stages import Stage
from streams.audit import user_in_logs
from tests.conftest import Viewer
from tests.e2e.test_commands import manage
from tests.e2e.test_local_server import environment, state
from tests.servers import running, runserver

__all__ = [
    "environment",
    "state",
]  # fixtures: a machine on which no DynamoDB is configured

NOW = 1_795_894_980_123
"""Saturday, 2026-11-28, 19:43 UTC"""


@pytest.fixture
def clean(environment: dict[str, str]) -> dict[str, str]:
    """A checkout in which no variable is set."""
    return {
        name: value
        for name, value in environment.items()
        if name not in ("EVENTS", "METRICS")
    }


def test_why_and_report_work_beside_a_running_server_and_without(
    clean: dict[str, str],
) -> None:
    assert "Nothing was decided for ana" in manage(clean, "why", "ana").stdout
    with running(runserver(), clean) as server, server.client() as client:
        ana = Viewer(client, "ana")
        for device in ("tv", "phone", "web", "tablet"):
            ana.start(deviceId=device, deviceType=f"a {device}")
        ana.end("phone")
        beside = manage(clean, "why", "ana")
        page = client.get("/console/why", params={"user": "ana"})
        assert 'href="/console/why"' in client.get("/console").text
        assert (
            "no length of time"
            in client.get("/console/why?user=ana&since=<b>soon</b>").text
        )
    without = manage(clean, "why", user_in_logs("ana"))
    for said in (beside.stdout, without.stdout):
        assert "tablet (a tablet) was denied: 3 of 3 slots were held" in said
        assert re.search(
            r"- phone \(a phone\), since \d\d:\d\d:\d\d, lease until", said
        )
        assert re.search(
            r"possible from \d\d:\d\d:\d\d on, when phone \(a phone\) was over: stopped by viewer",
            said,
        )
        assert "3 starts were admitted and 1 denied." in said
    assert "was denied: 3 of 3 slots were held" in page.text
    assert page.text.count("<rect") == 3
    assert "style=" not in page.text
    assert "<script" not in page.text
    reported = json.loads(manage(clean, "report", "--json").stdout)
    assert reported["figures"]["starts"]["rows"] == [
        ["admitted", 3, 75],
        ["took-over", 0, 0],
        ["denied", 1, 25],
    ]


def event(kind: str, second: int, id: str, user: str = "ana", **facts: Any) -> str:
    at = NOW + second * 1000
    lease = {"expiresAt": at + 60_000} if kind == "admitted" else {}
    return json.dumps(
        {
            "v": 1,
            "kind": kind,
            "at": at,
            "user": user_in_logs(user),
            "id": id,
            **lease,
            **facts,
        }
    )


LINES = [
    event("admitted", -90, "tv"),
    "START RequestId: c6af9ac6 Version: 7",
    event("admitted", -80, "b", user="bob"),
    event(
        "denied",
        -60,
        "web",
        limit=1,
        held=1,
        holders=[{"id": "tv", "expiresAt": NOW - 30_000}],
    ),
    '{"level": "INFO", "message": "not an event"}',
    event("stopped", -40, "tv", reason="stopped", by="player"),
]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("why", "report"):
        monkeypatch.setattr(f"insights.management.commands.{module}.now", lambda: NOW)


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


FORMS: dict[str, Callable[[list[str]], str]] = {
    "lines": "\n".join,
    "aws logs get-query-results": lambda lines: json.dumps(
        {
            "results": [
                [{"field": "@message", "value": line}, {"field": "@ptr", "value": "x"}]
                for line in lines
            ]
        }
    ),
    "aws logs filter-log-events": lambda lines: json.dumps(
        {"events": [{"message": line} for line in lines]}
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_events_are_read_from_a_file(
    now: None, tmp_path: Path, form: Callable[[list[str]], str]
) -> None:
    file = tmp_path / "events"
    file.write_text(form(LINES))
    told = said("why", "ana", "--events", str(file))
    assert "web was denied: 1 of 1 slots were held" in told
    assert "possible from 19:42:20 on, when tv was over: stopped" in told
    assert "bob" not in told
    rows = json.loads(said("report", "--json", "--events", str(file)))["figures"][
        "starts"
    ]["rows"]
    assert rows == [["admitted", 2, 66.67], ["took-over", 0, 0], ["denied", 1, 33.33]]


def test_a_moment_is_looked_at_in_the_time_zone_that_is_asked_for(
    now: None, tmp_path: Path
) -> None:
    file = tmp_path / "events"
    file.write_text("\n".join(LINES))
    told = said(
        "why", "ana", "--events", str(file), "--at", "20:42", "--zone", "Europe/Madrid"
    )
    assert "At 20:42:00 web was denied" in told
    assert "started" not in told
    quiet = said(
        "why",
        "ana",
        "--events",
        str(file),
        "--at",
        "20:40:45",
        "--zone",
        "Europe/Madrid",
        "--since",
        "1h",
    )
    assert (
        "No start was denied within a minute of that. At 20:40:45 nothing played."
        in quiet
    )
    assert len(said("why", "ana", "--events", str(file), "--json").splitlines()) == 3
    assert "heartbeats" not in told
    file.write_text(
        "\n".join([*LINES, event("renewed", -10, "tv", expiresAt=NOW, sample=20)])
    )
    assert "Of heartbeats one in 20 is told" in said(
        "why", "ana", "--events", str(file)
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("why", "ana", "--at", "noon"), "'noon' is no time: say 20:03"),
        (("why", "ana", "--events", "/none"), "/none cannot be read"),
        (("why", "ana", "--stage", "moon"), "zappa_settings.json has no stage 'moon'"),
        (
            ("report", "--from", "2026-11-28", "--to", "2026-11-27"),
            "--from has to be before --to",
        ),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_cannot_be_is_refused_with_what_to_do(
    words: tuple[str, ...], why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        said(*words)


def test_times_are_taken_as_people_write_them() -> None:
    utc = zone("UTC")
    assert instant("19:43", zone=utc, now=NOW) == NOW - 123
    assert instant("19:44", zone=utc, now=NOW) == NOW - 123 - 86_340_000, (
        "yesterday: it has not been today"
    )
    assert instant("2026-11-28T20:43+01:00", zone=utc, now=NOW) == NOW - 123
    assert (
        instant("2026-11-28", zone=zone("Europe/Madrid"), now=NOW) == 1_795_820_400_000
    )
    assert [length(said) for said in ("90s", "30min", "2h", "7d")] == [
        90_000,
        1_800_000,
        7_200_000,
        604_800_000,
    ]


# --- on AWS ----------------------------------------------------------------------------------------------------------

STAGE = Stage("production", {"project_name": "limits", "aws_region": "eu-west-1"})
KEYS = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "region_name": "eu-west-1",
}


def test_logs_insights_is_asked_for_one_user_until_it_has_answered() -> None:
    logs = boto3.client("logs", **KEYS)
    users = ["user-3f2a9c01d4e5b677", 'o"hara']
    asked = cloudwatch.query(users)
    assert 'user in ["user-3f2a9c01d4e5b677", "o\\"hara"]' in asked
    row = [{"field": "@message", "value": LINES[0]}, {"field": "@ptr", "value": "x"}]
    with Stubber(logs) as stub:
        expected = {
            "logGroupName": "/aws/lambda/limits-production",
            "startTime": 1,
            "endTime": 3,
            "queryString": asked,
        }
        stub.add_response("start_query", {"queryId": "q"}, expected)
        stub.add_response(
            "get_query_results", {"status": "Running", "results": []}, {"queryId": "q"}
        )
        stub.add_response(
            "get_query_results",
            {"status": "Complete", "results": [row]},
            {"queryId": "q"},
        )
        waits: list[float] = []
        found = list(
            cloudwatch.messages_of(
                STAGE, users, since=1000, until=2001, logs=logs, sleep=waits.append
            )
        )
    assert (found, len(waits)) == ([LINES[0]], 1)
    printed = cloudwatch.command(STAGE, users, since=1000, until=2001)
    assert printed.startswith(
        "aws logs start-query --region eu-west-1 --log-group-name /aws/lambda/limits-production "
    )


def test_a_query_that_failed_is_told() -> None:
    logs = boto3.client("logs", **KEYS)
    with Stubber(logs) as stub:
        stub.add_response("start_query", {"queryId": "q"})
        stub.add_response("get_query_results", {"status": "Failed", "results": []})
        with pytest.raises(LookupError, match="CloudWatch Logs Insights says: Failed"):
            list(
                cloudwatch.messages_of(
                    STAGE, ["user-3f2a9c01d4e5b677"], since=0, until=1, logs=logs
                )
            )


def test_everybodys_events_are_read_page_by_page() -> None:
    logs = boto3.client("logs", **KEYS)
    with Stubber(logs) as stub:
        for number, more in ((0, {"nextToken": "more"}), (1, {})):
            stub.add_response(
                "filter_log_events", {"events": [{"message": LINES[number]}], **more}
            )
        assert (
            list(cloudwatch.all_messages(STAGE, since=0, until=1, logs=logs))
            == LINES[:2]
        )


def test_a_user_is_called_as_the_functions_own_keys_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lambda_, ssm = boto3.client("lambda", **KEYS), boto3.client("ssm", **KEYS)
    monkeypatch.setattr(
        Stage, "client", lambda self, service: {"lambda": lambda_, "ssm": ssm}[service]
    )
    with Stubber(lambda_) as stub, Stubber(ssm) as parameters:
        stub.add_response(
            "get_function_configuration",
            {"Environment": {"Variables": {"LEASE_TOKEN_KEYS": "ssm:/streams/keys"}}},
            {"FunctionName": "limits-production", "Qualifier": "live"},
        )
        parameters.add_response(
            "get_parameter",
            {"Parameter": {"Value": "new-key,old-key"}},
            {"Name": "/streams/keys", "WithDecryption": True},
        )
        assert cloudwatch.names("ana", STAGE) == [
            user_in_logs("ana", "new-key"),
            user_in_logs("ana", "old-key"),
            "ana",
        ]
    assert cloudwatch.names("user-3f2a9c01d4e5b677", STAGE) == ["user-3f2a9c01d4e5b677"]

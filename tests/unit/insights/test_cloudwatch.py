"""Events in the log of a stage's function."""

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from insights import cloudwatch
from stages import Stage
from streams.audit import user_in_logs

LINES = [
    json.dumps({"v": 1, "kind": "stopped", "at": 1, "id": id, "reason": "stopped"})
    for id in ("tv", "phone")
]
STAGE = Stage("production", {"project_name": "limits", "aws_region": "eu-west-1"})
HASHED = "user-3f2a9c01d4e5b677"


def client(service: str) -> Any:
    return boto3.client(
        service,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="eu-west-1",
    )


def test_logs_insights_is_queried_for_one_user_until_it_answers() -> None:
    logs = client("logs")
    users = [HASHED, 'o"hara']
    query = cloudwatch.query(users)

    assert f'user in ["{HASHED}", "o\\"hara"]' in query

    row = [
        {"field": "@message", "value": LINES[0]},
        {"field": "@ptr", "value": "x"},
    ]
    started = {
        "logGroupName": "/aws/lambda/limits-production",
        "startTime": 1,
        "endTime": 3,
        "queryString": query,
    }
    waits: list[float] = []
    with Stubber(logs) as stub:
        stub.add_response("start_query", {"queryId": "q"}, started)
        for status, results in (("Running", []), ("Complete", [row])):
            answer = {"status": status, "results": results}
            stub.add_response("get_query_results", answer, {"queryId": "q"})
        messages = cloudwatch.messages_of(
            STAGE,
            users,
            since=1000,
            until=2001,
            logs=logs,
            sleep=waits.append,
        )
        assert list(messages) == [LINES[0]]

    assert len(waits) == 1


def test_the_query_is_printed_as_a_shell_command() -> None:
    command = cloudwatch.command(STAGE, [HASHED], since=1000, until=2001)
    assert command.startswith(
        "aws logs start-query --region eu-west-1 "
        "--log-group-name /aws/lambda/limits-production "
    )


def test_a_query_that_fails_is_an_error() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_response("start_query", {"queryId": "q"})
        stub.add_response("get_query_results", {"status": "Failed", "results": []})
        messages = cloudwatch.messages_of(
            STAGE,
            [HASHED],
            since=0,
            until=1,
            logs=logs,
        )
        with pytest.raises(LookupError, match="CloudWatch Logs Insights says: Failed"):
            list(messages)


def test_the_events_of_all_users_are_read_page_by_page() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for line, more in ((LINES[0], {"nextToken": "more"}), (LINES[1], {})):
            page = {"events": [{"message": line}], **more}
            stub.add_response("filter_log_events", page)
        messages = cloudwatch.all_messages(STAGE, since=0, until=1, logs=logs)
        assert list(messages) == LINES


def test_a_user_has_the_names_that_the_functions_own_keys_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = {"lambda": client("lambda"), "ssm": client("ssm")}
    monkeypatch.setattr(Stage, "client", lambda self, service: clients[service])
    with Stubber(clients["lambda"]) as functions, Stubber(clients["ssm"]) as parameters:
        functions.add_response(
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


def test_a_hash_from_the_log_is_the_only_name_of_a_user() -> None:
    assert cloudwatch.names(HASHED, STAGE) == [HASHED]

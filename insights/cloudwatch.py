"""Events of a deployed stage, out of its function's log."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stages import ALIAS, Stage, comma_separated, group_of, resolve
from streams.audit import user_in_logs

HASHED = re.compile(r"user-[0-9a-f]{16}")
POLL_SECONDS = 1
AT_MOST = 10_000
"""Rows that Logs Insights gives."""


def names(user: str, stage: Stage) -> list[str]:
    """How a user may be called in the stage's log: the keyed hash, made with the key that the function has, and the id
    itself, which `LOG_USER_IDS` writes. One who is given as the log has it is called so."""
    if HASHED.fullmatch(user):
        return [user]
    configuration = stage.client("lambda").get_function_configuration(
        FunctionName=stage.function, Qualifier=ALIAS
    )
    variables = {
        **configuration.get("Environment", {}).get("Variables", {}),
        **stage.environment,
    }
    keys = {"LEASE_TOKEN_KEYS": variables.get("LEASE_TOKEN_KEYS", "")}
    known = comma_separated((keys | resolve(keys, stage.client))["LEASE_TOKEN_KEYS"])
    if not known:
        raise LookupError(
            f"{stage.function} has no LEASE_TOKEN_KEYS: name the user as its log does, user-3f2a…."
        )
    return [*(user_in_logs(user, key) for key in known), user]


def query(users: list[str]) -> str:
    """What is asked of Logs Insights: the events of a user, under any of these names."""
    return f"fields @message | filter v = 1 and user in {json.dumps(users)} | sort @timestamp asc | limit {AT_MOST}"


def command(stage: Stage, users: list[str], *, since: int, until: int) -> str:
    """The same for a shell. Its answer has the id for `aws logs get-query-results`."""
    return (
        f"aws logs start-query --region {stage.region} --log-group-name {group_of(stage)} "
        f"--start-time {since // 1000} --end-time {-(-until // 1000)} --query-string {shlex.quote(query(users))}"
    )


def messages_of(
    stage: Stage,
    users: list[str],
    *,
    since: int,
    until: int,
    logs: Any,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """The log's lines with a user's events, by Logs Insights. `logs` is a boto3 client. Raises `LookupError` when
    CloudWatch did not carry the query out."""
    asked = logs.start_query(
        logGroupName=group_of(stage),
        startTime=since // 1000,
        endTime=-(-until // 1000),
        queryString=query(users),
    )
    while (answer := logs.get_query_results(queryId=asked["queryId"]))["status"] in (
        "Scheduled",
        "Running",
    ):
        sleep(POLL_SECONDS)
    if answer["status"] != "Complete":
        raise LookupError(f"CloudWatch Logs Insights says: {answer['status']}.")
    yield from _messages(answer["results"])


def all_messages(stage: Stage, *, since: int, until: int, logs: Any) -> Iterator[str]:
    """The log's lines with everybody's events, page by page: more than Logs Insights gives."""
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group_of(stage),
        startTime=since,
        endTime=until,
        filterPattern="{ $.v = 1 }",
    )
    for page in pages:
        yield from (event["message"] for event in page["events"])


def lines_in(text: str) -> Iterator[str]:
    """The events' lines in a file: of lines of JSON, or of what `aws logs get-query-results` or `filter-log-events`
    answers."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "results" in answer:
        yield from _messages(answer["results"])
    elif isinstance(answer, dict) and "events" in answer:
        yield from (event["message"] for event in answer["events"])
    else:
        yield from text.splitlines()


def _messages(results: list[list[Mapping[str, str]]]) -> Iterator[str]:
    for row in results:
        yield from (field["value"] for field in row if field["field"] == "@message")

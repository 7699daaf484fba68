"""Events of a deployed stage, read from the log of its function."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from insights.event_lines import split_lines
from stages import ALIAS, Stage, comma_separated, group_of, resolve
from streams.audit import user_in_logs

HASHED = re.compile(r"user-[0-9a-f]{16}")
POLL_SECONDS = 1
MAX_ROWS = 10_000
"""Logs Insights returns at most this many rows."""


def names(user: str, stage: Stage) -> list[str]:
    """Return the names that a user can have in the log of a stage.

    These are the keyed hash, made with each key of the function, and the id itself,
    which `LOG_USER_IDS` writes. A hash from the log is its own only name.

    Raises:
        LookupError: the function has no keys.
    """
    if HASHED.fullmatch(user):
        return [user]

    configuration = stage.client("lambda").get_function_configuration(
        FunctionName=stage.function, Qualifier=ALIAS
    )
    variables = {
        **configuration.get("Environment", {}).get("Variables", {}),
        **stage.environment,
    }
    setting = {"LEASE_TOKEN_KEYS": variables.get("LEASE_TOKEN_KEYS", "")}
    resolved = setting | resolve(setting, stage.client)
    keys = comma_separated(resolved["LEASE_TOKEN_KEYS"])
    if not keys:
        raise LookupError(
            f"{stage.function} has no LEASE_TOKEN_KEYS: name the user as its log "
            "does, user-3f2a…."
        )

    hashes = [user_in_logs(user, key) for key in keys]
    return [*hashes, user]


def query(users: list[str]) -> str:
    """Return the query of Logs Insights for the events of a user's names."""
    return (
        f"fields @message | filter v = 1 and user in {json.dumps(users)} "
        f"| sort @timestamp asc | limit {MAX_ROWS}"
    )


def command(stage: Stage, users: list[str], *, since: int, until: int) -> str:
    """Return the shell command that starts the query.

    Its answer contains the id for `aws logs get-query-results`.
    """
    return (
        f"aws logs start-query --region {stage.region} "
        f"--log-group-name {group_of(stage)} "
        f"--start-time {since // 1000} --end-time {_seconds_after(until)} "
        f"--query-string {shlex.quote(query(users))}"
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
    """Yield the lines with a user's events, by Logs Insights.

    `logs` is a boto3 client.

    Raises:
        LookupError: CloudWatch did not complete the query.
    """
    started = logs.start_query(
        logGroupName=group_of(stage),
        startTime=since // 1000,
        endTime=_seconds_after(until),
        queryString=query(users),
    )

    answer = logs.get_query_results(queryId=started["queryId"])
    while answer["status"] in ("Scheduled", "Running"):
        sleep(POLL_SECONDS)
        answer = logs.get_query_results(queryId=started["queryId"])

    if answer["status"] != "Complete":
        raise LookupError(f"CloudWatch Logs Insights says: {answer['status']}.")
    yield from _messages(answer["results"])


def all_messages(stage: Stage, *, since: int, until: int, logs: Any) -> Iterator[str]:
    """Yield the lines with the events of all users, page by page.

    Logs Insights would return a part of them only.
    """
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group_of(stage),
        startTime=since,
        endTime=until,
        filterPattern="{ $.v = 1 }",
    )
    for page in pages:
        for event in page["events"]:
            yield event["message"]


def lines_in(text: str) -> Iterator[str]:
    """Yield the lines of a file that can contain events.

    The file contains lines of JSON, or the answer of `aws logs get-query-results` or
    `aws logs filter-log-events`.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None

    if isinstance(answer, dict) and "results" in answer:
        yield from _messages(answer["results"])
    elif isinstance(answer, dict) and "events" in answer:
        for event in answer["events"]:
            yield event["message"]
    else:
        yield from split_lines(text)


def _messages(results: list[list[Mapping[str, str]]]) -> Iterator[str]:
    for row in results:
        for field in row:
            if field["field"] == "@message":
                yield field["value"]


def _seconds_after(milliseconds: int) -> int:
    """Return an instant in seconds, rounded up."""
    return -(-milliseconds // 1000)

"""The requests that are measured, and the rows they meet."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from bench.events import event

VERBS = {"start": 201, "denial": 409, "renew": 200, "stop": 204}
"""With the status that each must have."""
TABLE, REGION, LIMIT = "UserStreams", "eu-west-1", 3
SECRET, ISSUER, AUDIENCE = (
    "secret-of-the-identity-provider-0123456789",
    "https://id.example.com",
    "streams",
)
ENVIRONMENT = {
    "AUTH_JWT_SECRETS": SECRET,
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "LEASE_TOKEN_KEYS": "key-of-lease-tokens-0123456789abcdefghijklmnopqrs",
    "ALLOWED_HOSTS": ".amazonaws.com",
    "CORS_ALLOWED_ORIGINS": "https://watch.example.com",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "WARNING",
    "METRICS": "emf",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "DEBUG": "",
    "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",  # Zappa's: the application is in the snapshot
}
PLAYERS_STOP_BY_POST = True
"""Players send `POST …/{id}/heartbeat` and `POST …/{id}/stop` with their token alone. False: this service is sent a
`DELETE` and bearer tokens, as it takes them before it has those."""
HOUR_MS = 3_600_000
BATCH = 25
"""The most rows that one BatchWriteItem takes."""

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def environment(endpoint: str, table: str = TABLE) -> dict[str, str]:
    """All that a measured process finds in its environment."""
    return {
        "PATH": os.environ["PATH"],
        "DYNAMODB_ENDPOINT": endpoint,
        "DYNAMODB_TABLE": table,
        **ENVIRONMENT,
    }


def connect(endpoint: str) -> Any:
    """A client for what is not measured: making tables, putting rows."""
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def create_table(client: Any, table: str = TABLE) -> None:
    """A table with the key of the service's own."""
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table)


def row(user_id: str, *, held: int = 0, limit: int | None = None) -> dict[str, Any]:
    """A user's row with so many live streams, and the limit that an operator set, in DynamoDB's JSON."""
    now = time.time_ns() // 1_000_000
    instants = {"a": now, "e": now + HOUR_MS, "n": now * 1000}
    lease = {
        "s": {"S": "456"},
        "k": {"S": "seeded"},
        **{name: {"N": str(value)} for name, value in instants.items()},
    }
    ids = [f"device-{number:09}" for number in range(held)]
    override = (
        {}
        if limit is None
        else {"limit": {"N": str(limit)}, "when_full": {"S": "deny"}}
    )
    return {
        "user_id": {"S": user_id},
        "version": {"N": str(now)},
        "l": {"M": {id: {"M": lease} for id in ids}},
        "p": {"M": {id: {"N": "0"} for id in ids}},
        "d": {"M": {}},
        **override,
    }


def seed(
    client: Any,
    users: list[str],
    *,
    held: int = 0,
    limit: int | None = None,
    table: str = TABLE,
) -> None:
    """Put rows."""
    _write(
        client,
        table,
        [{"PutRequest": {"Item": row(user, held=held, limit=limit)}} for user in users],
    )


def _write(client: Any, table: str, writes: list[dict[str, Any]]) -> None:
    for first in range(0, len(writes), BATCH):
        client.batch_write_item(RequestItems={table: writes[first : first + BATCH]})


def as_viewer(user_id: str) -> dict[str, str]:
    """The headers of a viewer's request."""
    import jwt  # which no peer's package has but the service's

    claims = {
        "sub": user_id,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 3600,
    }
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}


@contextmanager
def staged(
    verb: str,
    users: dict[str, dict[str, str]],
    handler: Handler,
    client: Any,
    *,
    held: int | None = None,
    limit: int | None = None,
    table: str = TABLE,
) -> Iterator[list[dict[str, Any]]]:
    """A request of a verb of each user, given the headers of theirs, with all that must be there before them; the rows
    go again, so that the table stays as large as it is. `held`: slots that others of the user's streams hold."""
    if held is None:
        held = LIMIT if verb == "denial" else 0
    seed(client, [*users], held=held, limit=limit, table=table)
    yield [_request(verb, user, headers, handler) for user, headers in users.items()]
    _write(
        client,
        table,
        [{"DeleteRequest": {"Key": {"user_id": {"S": user}}}} for user in users],
    )


def viewers(number: int) -> dict[str, dict[str, str]]:
    """So many new users, each with the headers of its requests."""
    users = [str(uuid.uuid4()) for _ in range(number)]
    return {user: as_viewer(user) for user in users}


def start_of(user: str, headers: dict[str, str]) -> dict[str, Any]:
    """A viewer's start."""
    return event("POST", f"/users/{user}/streams", {"streamId": "456"}, headers)


def _request(
    verb: str, user: str, headers: dict[str, str], handler: Handler
) -> dict[str, Any]:
    """One request of a verb; a stream that it is about is started first."""
    start = start_of(user, headers)
    if verb in ("start", "denial"):
        return start
    stream = json.loads(handler(start, None)["body"])
    url, token = (
        f"/users/{user}/streams/{stream['id']}",
        {"token": stream.get("token", "none")},
    )
    if "token" in stream and not PLAYERS_STOP_BY_POST:
        method, path = (
            ("POST", f"{url}/heartbeat") if verb == "renew" else ("DELETE", url)
        )
        return event(method, path, token, headers)
    return event(
        "POST", f"{url}/{'heartbeat' if verb == 'renew' else 'stop'}", token, {}
    )

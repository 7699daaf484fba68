"""The requests that are measured, and the items that they read and write."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3

from bench.events import event

VERBS = {"start": 201, "denial": 409, "renew": 200, "stop": 204}
"""The measured verbs and the status that each must have."""
TABLE = "UserStreams"
REGION = "eu-west-1"
LIMIT = 3
SECRET = "secret-of-the-identity-provider-0123456789"
ISSUER = "https://id.example.com"
AUDIENCE = "streams"
ENVIRONMENT = {
    "AUTH_JWT_SECRETS": SECRET,
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "LEASE_TOKEN_KEYS": "key-of-lease-tokens-0123456789abcdefghijklmnopqrs",
    "ALLOWED_HOSTS": ".amazonaws.com",
    "CORS_ALLOWED_ORIGINS": "https://watch.example.com",
    "LEASE_SECONDS": "3600",  # as long as the seeded leases, which must be possible
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "WARNING",
    "METRICS": "emf",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "DEBUG": "",
    "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",  # Zappa: load the application early
}
PLAYERS_STOP_BY_POST = True
"""Whether players send `POST …/{id}/heartbeat` and `POST …/{id}/stop` with their token.

With False the service is sent a `DELETE` and bearer tokens, as older versions expect.
"""
TOKEN_SECONDS = 3600
HOUR_MS = 3_600_000
EPOCHS_PER_MS = 1000
BATCH = 25
"""The largest number of items in one BatchWriteItem."""

type Event = dict[str, Any]
type Item = dict[str, Any]
type Handler = Callable[[Event, object], dict[str, Any]]


def environment(endpoint: str, table: str = TABLE) -> dict[str, str]:
    """Return the complete environment of a measured process."""
    return {
        "PATH": os.environ["PATH"],
        "DYNAMODB_ENDPOINT": endpoint,
        "DYNAMODB_TABLE": table,
        **ENVIRONMENT,
    }


def connect(endpoint: str) -> Any:
    """Return a client that prepares tables and items. It is not measured."""
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def create_table(client: Any, table: str = TABLE) -> None:
    """Create a table with the service's key."""
    client.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table)


def item(user_id: str, *, held: int = 0, limit: int | None = None) -> Item:
    """Return a user's item, in DynamoDB's JSON.

    The user holds `held` live streams, and an operator may have set a limit.
    """
    now = time.time_ns() // 1_000_000
    lease = {
        "s": {"S": "456"},
        "k": {"S": "seeded"},
        "a": {"N": str(now)},
        "e": {"N": str(now + HOUR_MS)},
        "n": {"N": str(now * EPOCHS_PER_MS)},
    }
    ids = [f"device-{number:09}" for number in range(held)]
    result: Item = {
        "user_id": {"S": user_id},
        "version": {"N": str(now)},
        "l": {"M": {id: {"M": lease} for id in ids}},
        "p": {"M": {id: {"N": "0"} for id in ids}},
        "d": {"M": {}},
    }
    if limit is not None:
        result |= {"limit": {"N": str(limit)}, "when_full": {"S": "deny"}}
    return result


def seed(
    client: Any,
    users: Sequence[str],
    *,
    held: int = 0,
    limit: int | None = None,
    table: str = TABLE,
) -> None:
    """Write the users' items."""
    writes = [
        {"PutRequest": {"Item": item(user, held=held, limit=limit)}} for user in users
    ]
    _write(client, table, writes)


def _delete(client: Any, users: Sequence[str], *, table: str) -> None:
    writes = [{"DeleteRequest": {"Key": {"user_id": {"S": user}}}} for user in users]
    _write(client, table, writes)


def _write(client: Any, table: str, writes: list[dict[str, Any]]) -> None:
    for first in range(0, len(writes), BATCH):
        batch = writes[first : first + BATCH]
        client.batch_write_item(RequestItems={table: batch})


def as_viewer(user_id: str) -> dict[str, str]:
    """Return the headers of a viewer's request."""
    import jwt  # only the service's package contains it

    claims = {
        "sub": user_id,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}


def viewers(number: int) -> dict[str, dict[str, str]]:
    """Return new users, each with the headers of its requests."""
    users = [str(uuid.uuid4()) for _ in range(number)]
    return {user: as_viewer(user) for user in users}


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
) -> Iterator[list[Event]]:
    """Prepare and yield one request of a verb for each user.

    `users` maps each user to the headers of its requests. `held` is the number of slots
    that other streams of the user hold. The items are deleted afterwards, so that the
    size of the table does not change.
    """
    if held is None:
        held = LIMIT if verb == "denial" else 0
    names = list(users)

    seed(client, names, held=held, limit=limit, table=table)
    yield [_request(verb, user, headers, handler) for user, headers in users.items()]
    _delete(client, names, table=table)


def start_of(user: str, headers: dict[str, str]) -> Event:
    """Return a viewer's start."""
    return event("POST", f"/users/{user}/streams", {"streamId": "456"}, headers)


def _request(verb: str, user: str, headers: dict[str, str], handler: Handler) -> Event:
    """Return a request of a verb. Starts the stream that it renews or stops."""
    start = start_of(user, headers)
    if verb in ("start", "denial"):
        return start

    stream = json.loads(handler(start, None)["body"])
    url = f"/users/{user}/streams/{stream['id']}"
    body = {"token": stream.get("token", "none")}
    action = "heartbeat" if verb == "renew" else "stop"

    is_older_service = "token" in stream and not PLAYERS_STOP_BY_POST
    if is_older_service and action == "stop":
        return event("DELETE", url, body, headers)
    if is_older_service:
        return event("POST", f"{url}/heartbeat", body, headers)
    return event("POST", f"{url}/{action}", body, {})

"""The requests that are measured, and the rows they meet."""

import json
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt

from bench.events import event

VERBS = {"start": 201, "denial": 409, "renew": 200, "stop": 204}
"""With the status that each must have."""
SECRET, ISSUER, AUDIENCE = "s" * 64, "https://id.example.com", "streams"
ENVIRONMENT = {
    "AUTH_JWT_SECRETS": SECRET,
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "LEASE_TOKEN_KEYS": "k" * 48,
    "ALLOWED_HOSTS": ".amazonaws.com",
    "CORS_ALLOWED_ORIGINS": "https://watch.example.com",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "WARNING",
    "METRICS": "emf",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "DEBUG": "",
}
HOUR_MS = 3_600_000

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def row(user_id: str, live: int = 0) -> dict[str, Any]:
    """A user's row with so many live streams, in DynamoDB's JSON."""
    now = time.time_ns() // 1_000_000
    lease = {"stream_id": {"S": "456"}, "started_at": {"N": str(now)}, "expires_at": {"N": str(now + HOUR_MS)}}
    ids = [f"device-{number:09}" for number in range(live)]
    return {
        "user_id": {"S": user_id},
        "version": {"N": str(now // 1000)},
        "leases": {"M": {id: {"M": lease} for id in ids}},
        "epochs": {"M": {id: {"N": "1"} for id in ids}},
        "ended": {"M": {}},
    }


def seed(client: Any, users: list[str], live: int = 0) -> None:
    """Put rows, twenty-five a call."""
    table = os.environ["DYNAMODB_TABLE"]
    for first in range(0, len(users), 25):
        rows = [{"PutRequest": {"Item": row(user, live)}} for user in users[first : first + 25]]
        client.batch_write_item(RequestItems={table: rows})


def as_viewer(user_id: str) -> dict[str, str]:
    """The headers of a viewer's request."""
    claims = {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 3600}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}


def requests(verb: str, number: int, handler: Handler, client: Any) -> list[dict[str, Any]]:
    """So many requests of a verb, each of another user, with all that must be there before them."""
    users = [str(uuid.uuid4()) for _ in range(number)]
    seed(client, users, live=3 if verb == "denial" else 0)
    starts = [event("POST", f"/users/{user}/streams", {"streamId": "456"}, as_viewer(user)) for user in users]
    if verb in ("start", "denial"):
        return starts
    made = []
    for user, start in zip(users, starts, strict=True):
        stream = json.loads(handler(start, None)["body"])
        url, token = f"/users/{user}/streams/{stream['id']}", {"token": stream.get("token", "none")}
        if verb == "renew":
            made.append(event("POST", f"{url}/heartbeat", token, as_viewer(user)))
        else:
            made.append(event("DELETE", url, token if "token" in stream else None, as_viewer(user)))
    return made

"""A bare handler with boto3, as one would write it: one UpdateItem per verb.

It does not check the caller or the request. It has no epochs and no endings, and its
denial does not list the streams that hold the slots.
"""

import json
import os
import secrets
import time
from typing import Any

import boto3

TABLE = os.environ["DYNAMODB_TABLE"]
LIMIT = 3
LEASE_MS = 60_000
dynamodb = boto3.client("dynamodb", endpoint_url=os.environ["DYNAMODB_ENDPOINT"])


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a start, a heartbeat or a stop."""
    parts = event["path"].strip("/").split("/")
    body = json.loads(event["body"] or "{}")
    status, answer = route(parts, body)
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(answer),
        "isBase64Encoded": False,
    }


def route(parts: list[str], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Call the verb that a path names."""
    if len(parts) == 3:
        _, user_id, _ = parts
        return start(user_id, body["streamId"])

    _, user_id, _, id, action = parts
    verb = renew if action == "heartbeat" else stop
    return verb(user_id, id)


def start(user_id: str, stream_id: str) -> tuple[int, dict[str, Any]]:
    """Add a lease if there is room."""
    id = secrets.token_urlsafe(12)
    now = time.time_ns() // 1_000_000
    lease = {
        "s": {"S": stream_id},
        "a": {"N": str(now)},
        "e": {"N": str(now + LEASE_MS)},
    }
    try:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"user_id": {"S": user_id}},
            UpdateExpression="SET l.#id = :lease",
            ConditionExpression="size(l) < :limit",
            ExpressionAttributeNames={"#id": id},
            ExpressionAttributeValues={
                ":lease": {"M": lease},
                ":limit": {"N": str(LIMIT)},
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return 409, {"message": "Too many streams"}
    return 201, {"id": id, "streamId": stream_id, "expiresAt": now + LEASE_MS}


def renew(user_id: str, id: str) -> tuple[int, dict[str, Any]]:
    """Extend a lease that is live."""
    now = time.time_ns() // 1_000_000
    try:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"user_id": {"S": user_id}},
            UpdateExpression="SET l.#id.e = :end",
            ConditionExpression="l.#id.e > :now",
            ExpressionAttributeNames={"#id": id},
            ExpressionAttributeValues={
                ":now": {"N": str(now)},
                ":end": {"N": str(now + LEASE_MS)},
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return 410, {"message": "Ended"}
    return 200, {"id": id, "expiresAt": now + LEASE_MS}


def stop(user_id: str, id: str) -> tuple[int, dict[str, Any]]:
    """Remove a lease."""
    dynamodb.update_item(
        TableName=TABLE,
        Key={"user_id": {"S": user_id}},
        UpdateExpression="REMOVE l.#id",
        ConditionExpression="attribute_exists(l)",
        ExpressionAttributeNames={"#id": id},
    )
    return 204, {}

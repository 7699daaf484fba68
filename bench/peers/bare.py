"""What one would otherwise write: a bare handler with boto3, one UpdateItem a verb. No check of who calls or of what is
sent, no epochs, no endings, no answer that says who holds the slots."""

import json
import os
import secrets
import time
from typing import Any

import boto3

TABLE, LIMIT, LEASE_MS = os.environ["DYNAMODB_TABLE"], 3, 60_000
dynamodb = boto3.client("dynamodb", endpoint_url=os.environ["DYNAMODB_ENDPOINT"])


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start, renew or stop."""
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
    """The verb of a path."""
    if len(parts) == 3:
        return start(parts[1], body["streamId"])
    return (renew if parts[4] == "heartbeat" else stop)(parts[1], parts[3])


def start(user_id: str, stream_id: str) -> tuple[int, dict[str, Any]]:
    """One more lease, if there is room."""
    id, now = secrets.token_urlsafe(12), time.time_ns() // 1_000_000
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
    """The lease goes on, if it is live."""
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
    """The lease goes."""
    dynamodb.update_item(
        TableName=TABLE,
        Key={"user_id": {"S": user_id}},
        UpdateExpression="REMOVE l.#id",
        ConditionExpression="attribute_exists(l)",
        ExpressionAttributeNames={"#id": id},
    )
    return 204, {}

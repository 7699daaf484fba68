"""The embedded engine in this process, without HTTP: three times as many calls.

The tests use the engine over HTTP and the product's transport. Long runs that look for
new sequences may call the same engine directly.
"""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import dynamodb

from streams.dynamodb.transport import _error_response
from streams.models import UserStreams


def carry_out(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run one operation of the engine."""
    headers = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
    body = json.dumps({"ReturnConsumedCapacity": "TOTAL", **arguments}).encode()
    request = dynamodb.handle_request("POST", "/", headers, body, {})
    try:
        request.send(None)
    except StopIteration as finished:
        status, _, answer = finished.value
    parsed: dict[str, Any] = json.loads(answer)
    if status == 200:
        return parsed
    raise ClientError(_error_response(parsed, status), operation)


def create_table() -> None:
    """Create the table of the users."""
    arguments = {
        "TableName": UserStreams.Meta.table_name,
        "KeySchema": [{"AttributeName": "user_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "user_id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    carry_out("CreateTable", arguments)

"""Requests that the tests of the transport send."""

from streams.models import UserStreams

type Model = type[UserStreams]


GET = {"TableName": "T", "Key": {"user_id": {"S": "ana"}}}


UPDATE = GET | {"ConditionExpression": "version = :seen"}

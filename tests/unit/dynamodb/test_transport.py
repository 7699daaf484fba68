"""DynamoDB's protocol over either transport, with a server that misbehaves."""

import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError

from streams.dynamodb import calls
from streams.dynamodb.transport import CurlConnection
from tests.dynamodb_clients import curl
from tests.unit.dynamodb.requests import UPDATE
from tests.wire import Wire, refused


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE+/=="])
@pytest.mark.parametrize(
    "secret", ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a:b@c d%2F"]
)
def test_a_request_is_signed_as_botocore_signs_it(
    wire: Wire, token: str | None, secret: str
) -> None:
    client = curl(
        wire.url,
        credentials=lambda: ReadOnlyCredentials("AKIDEXAMPLE", secret, token),
    )
    client._make_api_call("UpdateItem", UPDATE | {"Note": "naïve ☃"})
    (asked,) = wire.asked
    signed = (
        asked.headers["Authorization"]
        .partition("SignedHeaders=")[2]
        .partition(",")[0]
        .split(";")
    )

    assert {
        "host",
        "x-amz-date",
        "x-amz-target",
        "content-type",
    } <= set(signed)
    assert ("x-amz-security-token" in signed) == (token is not None)
    assert asked.headers.get("X-Amz-Security-Token") == token
    request = AWSRequest(
        "POST",
        wire.url + "/",
        {name: asked.headers[name] for name in signed},
        asked.body,
    )
    request.context["timestamp"] = asked.headers["X-Amz-Date"]
    auth = SigV4Auth(
        Credentials("AKIDEXAMPLE", secret, token),
        "dynamodb",
        "eu-west-1",
    )
    signature = auth.signature(
        auth.string_to_sign(request, auth.canonical_request(request)),
        request,
    )
    assert asked.headers["Authorization"].endswith(f"Signature={signature}")


def test_a_request_is_one_post_without_a_wait_for_100_continue(
    wire: Wire, connection: CurlConnection
) -> None:
    large = "x" * 380_000
    connection.dispatch("PutItem", {"TableName": "T", "Item": {"a": {"S": large}}})
    (asked,) = wire.asked

    assert json.loads(asked.body)["Item"]["a"]["S"] == large
    assert asked.headers["X-Amz-Target"] == "DynamoDB_20120810.PutItem"
    assert asked.headers["Host"] == wire.address
    assert asked.headers["Expect"] is None


def test_a_failed_condition_returns_the_item_through_pynamodbs_connection(
    wire: Wire, connection: CurlConnection
) -> None:
    item = {"user_id": {"S": "ana"}}
    wire.answers = [refused("ConditionalCheckFailedException", Item=item)]

    with pytest.raises(ClientError) as failure:
        connection.dispatch("UpdateItem", UPDATE)
    assert failure.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    said = calls.error_response(failure.value)
    assert said
    assert said["Item"] == item


def test_an_answer_may_come_in_chunks(wire: Wire, connection: CurlConnection) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.answers = [
        head + b'5;a=b\r\n{"Ite\r\nA\r\nm":{"a":1}\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n'
    ]

    assert connection.dispatch("GetItem", {}) == {"Item": {"a": 1}}

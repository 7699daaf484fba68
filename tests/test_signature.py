"""Our signature is the one botocore makes."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore import auth
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from streams.signature import Credentials, sign

HEADERS = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.UpdateItem"}
AT = 1_800_000_000


@given(
    body=st.binary(max_size=300),
    access_key=st.from_regex(r"[A-Z0-9]{16,20}", fullmatch=True),
    secret_key=st.from_regex(r"[A-Za-z0-9/+]{40}", fullmatch=True),
    token=st.none() | st.from_regex(r"[A-Za-z0-9/+=]{20,200}", fullmatch=True),
    region=st.sampled_from(["eu-west-1", "us-east-1", "cn-north-1"]),
    host=st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:4566"]),
)
def test_a_request_is_signed_as_botocore_signs_it(
    body: bytes, access_key: str, secret_key: str, token: str | None, region: str, host: str
) -> None:
    ours = sign(
        HEADERS | {"Host": host},
        body,
        credentials=Credentials(access_key, secret_key, token),
        region=region,
        service="dynamodb",
        at=AT,
    )
    scheme = "http" if ":" in host else "https"
    request: Any = SimpleNamespace(
        method="POST", url=f"{scheme}://{host}/", params=None, headers=dict(HEADERS), body=body, context={}
    )
    with pytest.MonkeyPatch.context() as patch:
        import datetime

        moment = datetime.datetime.fromtimestamp(AT, datetime.UTC)
        patch.setattr(auth, "get_current_datetime", lambda: moment)
        auth.SigV4Auth(BotocoreCredentials(access_key, secret_key, token), "dynamodb", region).add_auth(request)
    assert ours == request.headers | {"Host": host}

"""DynamoDB's wire protocol: one signed POST a call, over a connection that stays open.

PynamoDB writes the expressions; this sends them. botocore's general client takes more than twice the processor time for
the same call (service models, endpoint rules, validation, hooks, its user agent), and loading its models is a large part
of a cold start. Credentials and the signature are botocore's all the same, the connections urllib3's.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.session import get_session

TRIES = 3
"""A call that DynamoDB did not answer, or could not serve, is sent again: every write here may be repeated."""
BACKOFF_SECONDS = 0.025
TIMEOUT = urllib3.Timeout(connect=1, read=2)
"""Short, so that a request that has to retry still answers long before API Gateway's 29 seconds."""

RETRIED = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionInProgressException",
}

type Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""An operation (`UpdateItem`) and its arguments, to its answer, all as DynamoDB's JSON."""


class ConditionFailed(Exception):
    """The condition did not hold. `item` is what DynamoDB judged, None when there was none or it was not asked for."""

    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.item = item


class CallFailed(Exception):
    """DynamoDB did not answer, or refused the call. Nothing is known of a write."""


def connect(endpoint: str | None, region: str) -> Call:
    """A `Call` to the DynamoDB of a region, or to another endpoint (`http://127.0.0.1:8000`). Connects when it is first
    used; may be shared by threads."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = (endpoint or f"https://dynamodb.{region}.{suffix}").rstrip("/") + "/"

    @cache
    def pool() -> Any:
        certificates = get_session().get_config_variable("ca_bundle")
        manager = urllib3.PoolManager(
            maxsize=50, timeout=TIMEOUT, retries=False, **({"ca_certs": certificates} if certificates else {})
        )
        return manager.connection_from_url(url)

    @cache
    def credentials() -> Any:
        """Those of botocore's chain (environment, role, profile); any will do for a local engine."""
        found = get_session().get_credentials() or (endpoint and Credentials("local", "local"))
        if not found:
            raise NoCredentialsError
        return found

    def send(operation: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        request: Any = SimpleNamespace(method="POST", url=url, params=None, headers=headers, body=body, context={})
        SigV4Auth(credentials().get_frozen_credentials(), "dynamodb", region).add_auth(request)
        answer = pool().urlopen("POST", "/", body, headers)
        return answer.status, json.loads(answer.data)

    def call(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        body = json.dumps(arguments).encode()
        for attempt in range(TRIES):
            if attempt:  # full jitter
                time.sleep(random.random() * BACKOFF_SECONDS * 2**attempt)
            try:
                status, answer = send(operation, body)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
                failure: Exception = exc
                continue
            except BotoCoreError as exc:
                raise CallFailed from exc
            if status == 200:
                return answer
            error = str(answer.get("__type", "")).rpartition("#")[2]
            if error == "ConditionalCheckFailedException":
                raise ConditionFailed(answer.get("Item"))
            message = answer.get("message") or answer.get("Message") or ""
            failure = CallFailed(f"{operation}: {status} {error} {message}")
            if status < 500 and error not in RETRIED:
                break
        raise CallFailed from failure

    return call

"""DynamoDB's wire protocol: one signed POST a call, over a connection that stays open.

PynamoDB writes the expressions; this sends them. botocore's general client takes four times the processor time for the
same call (service models, endpoint rules, validation, hooks, its user agent), and loading its models is a large part of
a cold start. Credentials that are not in the environment come from botocore's chain all the same. docs/performance.md
has the figures.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import SystemRandom
from typing import Any
from urllib.parse import urlsplit

from streams.connection import BadAnswer, Connection
from streams.signature import Credentials, sign

TRIES = 3
"""A call that DynamoDB did not answer, or could not serve, is sent again: every write here may be repeated."""
BACKOFF_SECONDS = 0.025
JITTER = SystemRandom()

RETRIED = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}

type Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""An operation (`UpdateItem`) and its arguments, to its answer, all in DynamoDB's JSON. Raises `ConditionFailed` and
`CallFailed`."""


class ConditionFailed(Exception):
    """The condition did not hold. `item` is what DynamoDB judged, None when there was none or it was not asked for."""

    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.item = item


class CallFailed(Exception):
    """DynamoDB did not answer, or refused the call. Nothing is known of a write."""


def connect(endpoint: str | None, region: str, credentials: Credentials | None = None) -> Call:
    """A `Call` to the DynamoDB of a region, or to another endpoint (`http://127.0.0.1:4566`), with the credentials
    given or those of botocore's chain. It connects when it is first used, and threads may share it."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = urlsplit(endpoint or f"https://dynamodb.{region}.{suffix}")
    idle: deque[Connection] = deque()
    find: Callable[[], Credentials] = (lambda: credentials) if credentials else _botocores()

    def connection() -> Connection:
        try:
            return idle.pop()
        except IndexError:
            return Connection(url)

    def forget_idle() -> None:
        with suppress(IndexError):
            while True:
                idle.pop().close()

    def send(operation: str, body: bytes) -> tuple[int, Mapping[str, Any]]:
        headers = {
            "Host": url.netloc,
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        signed = sign(headers, body, credentials=find(), region=region, service="dynamodb", at=time.time())
        link = connection()
        try:
            status, content = link.post(signed, body)
        except BaseException:
            # Others that waited as long are as stale as this one: the next try is to begin with a new one.
            link.close()
            forget_idle()
            raise
        if link.is_open:
            idle.append(link)
        else:
            link.close()
        return status, json.loads(content)

    def call(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        body = json.dumps(arguments).encode()
        for attempt in range(TRIES):
            if attempt > 1:  # at once the first time, since an open connection may have gone stale; then full jitter
                time.sleep(JITTER.random() * BACKOFF_SECONDS * 2**attempt)
            try:
                status, answer = send(operation, body)
            except (OSError, BadAnswer, ValueError) as exc:
                failure: Exception = exc
                continue
            if status == 200:
                return answer
            error = str(answer.get("__type", "")).rpartition("#")[2]
            if error == "ConditionalCheckFailedException":
                raise ConditionFailed(answer.get("Item"))
            failure = CallFailed(f"{operation}: {status} {error} {answer.get('message', answer.get('Message', ''))}")
            if status < 500 and error not in RETRIED:
                break
        raise CallFailed from failure

    return call


def _botocores() -> Callable[[], Credentials]:
    """Those that botocore's chain finds (profile, role, container) as they are now; a role's are renewed in time."""
    from botocore.session import get_session

    chain: Any = get_session()

    def credentials() -> Credentials:
        found = chain.get_credentials()
        if found is None:
            raise CallFailed("There are no AWS credentials: neither a role, nor a profile, nor AWS_ACCESS_KEY_ID.")
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return credentials

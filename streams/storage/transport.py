"""What stands beneath PynamoDB's connection: libcurl, which does HTTP, TLS, proxies, time-outs and AWS Signature
Version 4, in a tenth of the processor time that botocore's client takes for the same call.

`CurlConnection` is PynamoDB's `Connection` with another client. That client keeps the contract of botocore's, so all of
PynamoDB works over either: a refusal of DynamoDB's is `botocore.exceptions.ClientError`, everything else that can go
wrong on the way a `BotoCoreError` that says what failed.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import SystemRandom
from typing import Any, NamedTuple, override

import pycurl
from botocore import exceptions as botocore
from botocore.session import get_session
from django.conf import settings
from pynamodb.connection.base import Connection

BACKOFF_SECONDS = 0.025
JITTER = SystemRandom()
ANSWER_AT_MOST_BYTES = 16 * 2**20
PASSING = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}
"""Refusals that may be gone a moment later; so may every 5xx."""
TIMED_OUT = {pycurl.E_OPERATION_TIMEDOUT}
UNTRUSTED = {
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER,
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_SSL_ISSUER_ERROR,
}


class Credentials(NamedTuple):
    """An access key; `token` for the temporary ones a role gives."""

    access_key: str
    secret_key: str
    token: str | None


class NotAnAnswer(botocore.BotoCoreError):
    """What came back is not DynamoDB's JSON."""

    fmt = "{operation}: status {status} with a body that is not DynamoDB's JSON: {body}"


class CurlConnection(Connection):
    """PynamoDB's connection, with libcurl's client in the place of botocore's."""

    @cached_property
    @override
    def client(self) -> Any:
        given = None
        if self._aws_access_key_id and self._aws_secret_access_key:
            given = Credentials(self._aws_access_key_id, self._aws_secret_access_key, self._aws_session_token)
        return CurlClient(
            endpoint=self.host or _endpoint_of(self.region),
            region=self.region,
            credentials=(lambda: given) if given else _Chain(),
            connect_seconds=self._connect_timeout_seconds,
            call_seconds=self._read_timeout_seconds,
            tries=1 + self._max_retry_attempts_exception,
        )


class CurlClient:
    """DynamoDB's calls over libcurl: each is one signed POST. Threads may share it: each call has a handle, and with it
    a connection, to itself, and idle ones are kept open for the next call."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        credentials: Callable[[], Credentials],
        connect_seconds: float,
        call_seconds: float,
        tries: int,
    ) -> None:
        self._endpoint, self._region, self._credentials = endpoint, region, credentials
        self._connect_seconds, self._call_seconds, self._tries = connect_seconds, call_seconds, tries
        self._idle: deque[pycurl.Curl] = deque()
        # A connection belongs to one process: a forked one, or one resumed from a snapshot, begins with none.
        os.register_at_fork(before=self.close)
        _on_lambda("register_before_snapshot", self.close)

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _make_api_call(self, operation_name: str, operation_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """One operation and its answer, both in DynamoDB's JSON. The name is that of botocore's method, which PynamoDB
        calls. What may pass is tried again: every write of ours may be repeated."""
        body = json.dumps(operation_kwargs).encode()
        for attempt in range(1, self._tries + 1):
            if attempt > 2:  # at once the first time, since an open connection may have gone stale; then full jitter
                time.sleep(JITTER.random() * BACKOFF_SECONDS * 2**attempt)
            try:
                return self._read(operation_name, *self._post(operation_name, body))
            except (botocore.ClientError, botocore.BotoCoreError) as exc:
                if attempt == self._tries or not _may_pass(exc):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _post(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        credentials = self._credentials()
        headers = [
            "Accept:",
            "Content-Type: application/x-amz-json-1.0",
            f"X-Amz-Target: DynamoDB_20120810.{operation}",
        ]
        if credentials.token:
            headers.append(f"X-Amz-Security-Token: {credentials.token}")
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = self._handle()
        chunks: list[bytes] = []
        handle.setopt(pycurl.USERNAME, credentials.access_key)
        handle.setopt(pycurl.PASSWORD, credentials.secret_key)
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEFUNCTION, chunks.append)
        handle.setopt(pycurl.TIMEOUT_MS, int(self._call_seconds * 1000))
        try:
            handle.perform()
        except pycurl.error as exc:
            handle.close()
            self.close()  # connections that were idle as long are as stale
            raise self._failure(operation, *exc.args) from exc
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        self._idle.append(handle)
        return status, b"".join(chunks)

    def _handle(self) -> pycurl.Curl:
        """A handle with everything that no call changes."""
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, self._endpoint)
        handle.setopt(pycurl.AWS_SIGV4, f"aws:amz:{self._region}:dynamodb")
        handle.setopt(pycurl.CAINFO, settings.AWS_CA_BUNDLE or _botocores_certificates())
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(self._connect_seconds * 1000))
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.MAXFILESIZE, ANSWER_AT_MOST_BYTES)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        return handle

    def _failure(self, operation: str, code: int, message: str) -> botocore.BotoCoreError:
        """What botocore would raise for an error of libcurl's."""
        about = Exception(f"{operation}: {message}")
        if code in TIMED_OUT:
            return botocore.ReadTimeoutError(endpoint_url=self._endpoint, error=about)
        if code in UNTRUSTED:
            return botocore.SSLError(endpoint_url=self._endpoint, error=about)
        return botocore.EndpointConnectionError(endpoint_url=self._endpoint, error=about)

    def _read(self, operation: str, status: int, body: bytes) -> dict[str, Any]:
        """The answer, or the refusal that it is."""
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise NotAnAnswer(operation=operation, status=status, body=repr(body[:200]))
        if status == 200:
            return answer
        response: Any = {
            **answer,
            "Error": {
                "Code": str(answer.get("__type", status)).rpartition("#")[2],
                "Message": str(answer.get("message", answer.get("Message", ""))),
            },
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        raise botocore.ClientError(response, operation)


class _Chain:
    """The credentials that botocore's chain finds (profile, role, container, web identity) as they are at each call;
    temporary ones are renewed in time. Looked for at the first call, and anew in a process that was resumed."""

    def __init__(self) -> None:
        self._found: Any = None
        _on_lambda("register_after_restore", self.forget)

    def __call__(self) -> Credentials:
        if self._found is None:
            self._found = get_session().get_credentials()
        if self._found is None:
            raise botocore.NoCredentialsError
        return Credentials(*self._found.get_frozen_credentials())

    def forget(self) -> None:
        """Look for them anew at the next call."""
        self._found = None


def _may_pass(error: Exception) -> bool:
    """Whether the same call may succeed a moment later."""
    if isinstance(error, botocore.ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status >= 500 or error.response["Error"]["Code"] in PASSING
    return isinstance(error, botocore.EndpointConnectionError | botocore.ReadTimeoutError | NotAnAnswer)


def _endpoint_of(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://dynamodb.{region}.{suffix}"


def _botocores_certificates() -> str:
    """Trust in the certificates that come with botocore."""
    spec = find_spec("botocore")
    assert spec
    assert spec.origin
    return str(Path(spec.origin).with_name("cacert.pem"))


def _on_lambda(register: str, act: Callable[[], None]) -> None:
    """Have Lambda's runtime call it around a snapshot (SnapStart). Elsewhere there is no such runtime.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html"""
    with suppress(ImportError):
        getattr(import_module("snapshot_restore_py"), register)(act)

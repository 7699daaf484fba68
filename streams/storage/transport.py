"""What stands beneath PynamoDB's connection: libcurl, which does HTTP, TLS, proxies, time-outs and AWS Signature
Version 4, in a tenth of the processor time that botocore's client takes for the same call.

`CurlConnection` is PynamoDB's `Connection` with another client. That client keeps the contract of botocore's, so all of
PynamoDB works over either: a refusal of DynamoDB's is `botocore.exceptions.ClientError`, everything else that can go
wrong on the way a `BotoCoreError` that says what failed.

A call is one try (`calls.py` makes more). libcurl makes another by itself in one case: a connection that was kept open
breaks before the first byte of the answer. Then it sends the request once more, over a new one, although DynamoDB may
have carried it out the first time.

Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html,
https://curl.se/libcurl/c/CURLOPT_AWS_SIGV4.html, https://curl.se/libcurl/c/threadsafe.html
"""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, override

import botocore
import orjson
import pycurl
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import get_session
from django.conf import settings
from pynamodb.connection.base import Connection

from streams.storage import deadline

ANSWER_AT_MOST_BYTES = (
    16 * 2**20
)  # DynamoDB's own limit is 1 MiB for what is read, the JSON around it apart


class NotReached(BotoCoreError):
    """No whole answer came. The message has libcurl's own words: no such host, timed out, not trusted, cut short."""

    fmt = "{operation} failed at {endpoint}: {error}"


class NotAnAnswer(BotoCoreError):
    """What came back is not DynamoDB's JSON."""

    fmt = "{operation}: status {status} with a body that is not DynamoDB's JSON: {body}"


class CurlConnection(Connection):
    """PynamoDB's connection, with libcurl's client in the place of botocore's."""

    _client: Any

    @property
    @override
    def client(self) -> Any:
        if self._client is None:
            given = None
            if self._aws_access_key_id and self._aws_secret_access_key:
                given = ReadOnlyCredentials(
                    self._aws_access_key_id,
                    self._aws_secret_access_key,
                    self._aws_session_token,
                )
            self._client = CurlClient(
                endpoint=self.host or _endpoint_of(self.region),
                region=self.region,
                credentials=(lambda: given) if given else CredentialsChain(self.region),
                connect_seconds=self._connect_timeout_seconds,
                call_seconds=self._read_timeout_seconds,
            )
        return self._client

    def begin_anew(self) -> None:
        """Use no connection that is open now, nor any credentials that were found, for another call."""
        if self._client is not None:
            self._client.begin_anew()


class CurlClient:
    """DynamoDB's calls over libcurl: each is one signed POST. Threads may share it: each call has a handle, and with it
    a connection, to itself, and idle ones are kept open for the next call."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        credentials: Callable[[], ReadOnlyCredentials],
        connect_seconds: float,
        call_seconds: float,
    ) -> None:
        self._endpoint, self._region, self._credentials = endpoint, region, credentials
        self._connect_seconds, self._call_seconds = connect_seconds, call_seconds
        self._idle = deque(
            [self._handle()]
        )  # the first of a process takes milliseconds: not in a request

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def begin_anew(self) -> None:
        """As the connection's. A handle that is in use is not kept when it comes back."""
        self.close()
        self._idle = deque()
        if isinstance(self._credentials, CredentialsChain):
            self._credentials = CredentialsChain(self._region)

    def _make_api_call(
        self, operation_name: str, operation_kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One operation and its answer, both in DynamoDB's JSON. The name is that of botocore's method, which PynamoDB
        calls."""
        status, body = self._post(operation_name, orjson.dumps(operation_kwargs))
        try:
            answer = orjson.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise NotAnAnswer(
                operation=operation_name, status=status, body=repr(body[:200])
            )
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
        raise ClientError(response, operation_name)

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
        idle = self._idle
        try:
            handle = idle.pop()
        except IndexError:
            handle = self._handle()
        chunks: list[bytes] = []
        handle.setopt(pycurl.USERNAME, credentials.access_key)
        handle.setopt(pycurl.PASSWORD, credentials.secret_key)
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEFUNCTION, chunks.append)
        seconds = min(self._call_seconds, deadline.seconds_left())
        handle.setopt(
            pycurl.TIMEOUT_MS, max(1, int(seconds * 1000))
        )  # for all of it; 0 would be for ever
        try:
            handle.perform()
            return handle.getinfo(pycurl.RESPONSE_CODE), b"".join(chunks)
        except pycurl.error as exc:
            raise NotReached(
                operation=operation, endpoint=self._endpoint, error=handle.errstr()
            ) from exc
        finally:
            idle.append(
                handle
            )  # after a failure too: libcurl has closed its connection

    def _handle(self) -> pycurl.Curl:
        """A handle with everything that no call changes."""
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, self._endpoint)
        handle.setopt(pycurl.AWS_SIGV4, f"aws:amz:{self._region}:dynamodb")
        handle.setopt(
            pycurl.CAINFO, settings.AWS_CA_BUNDLE or _botocores_certificates()
        )
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(self._connect_seconds * 1000))
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.MAXFILESIZE, ANSWER_AT_MOST_BYTES)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        return handle


class CredentialsChain:
    """The credentials that botocore's chain finds (profile, role, container, web identity) as they are at each call.
    They are looked for at the first one; temporary ones are renewed before they end."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._found: Any = None
        self._looking = Lock()

    def __call__(self) -> ReadOnlyCredentials:
        """The credentials. Raises `NoCredentialsError`, what botocore's chain does, and `TimeoutError`."""
        if self._found is None or (
            hasattr(self._found, "refresh_needed") and self._found.refresh_needed()
        ):
            # Somebody else's server is asked, with botocore's own time-outs, which are longer than a request may take.
            return deadline.cut(self._look, seconds=deadline.seconds_left())
        return self._frozen()

    def _look(self) -> ReadOnlyCredentials:
        with self._looking:
            if self._found is None:
                session = get_session()
                session.set_config_variable(
                    "region", self._region
                )  # of the STS that a web identity is shown to
                self._found = session.get_credentials()
        return self._frozen()

    def _frozen(self) -> ReadOnlyCredentials:
        if self._found is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = self._found.get_frozen_credentials()
        return frozen


def _endpoint_of(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://dynamodb.{region}.{suffix}"


def _botocores_certificates() -> str:
    """Trust in the certificates that come with botocore."""
    return str(Path(botocore.__file__).with_name("cacert.pem"))

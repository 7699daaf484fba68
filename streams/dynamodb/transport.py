"""The transport below PynamoDB's connection: libcurl instead of botocore's client.

libcurl does HTTP, TLS, proxies, time-outs and AWS Signature Version 4 in a tenth
of the processor time that botocore's client takes for the same call.

`CurlConnection` is PynamoDB's `Connection` with another client. The client keeps
the contract of botocore's, so all of PynamoDB works over either: an error
response is `botocore.exceptions.ClientError`, any other failure is a
`BotoCoreError` that says what failed.

A call is one attempt; `calls` retries. libcurl itself repeats a request in one
case: a connection that was kept open breaks before the first byte of the answer.
DynamoDB may have carried out the first request.

Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html,
https://curl.se/libcurl/c/CURLOPT_AWS_SIGV4.html, https://curl.se/libcurl/c/threadsafe.html
"""  # an address is not broken

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, override
from urllib.parse import urlsplit

import botocore
import orjson
import pycurl
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import get_session
from pynamodb.connection.base import Connection

from streams.conf import settings
from streams.dynamodb import deadline

MAX_ANSWER_BYTES = 16 * 2**20
"""DynamoDB reads at most 1 MiB per call; its JSON is larger."""


class NotReached(BotoCoreError):
    """No complete answer arrived. The message contains libcurl's error."""

    fmt = "{operation} failed at {endpoint}: {error}"


class NotAnAnswer(BotoCoreError):
    """The response is not DynamoDB's JSON."""

    fmt = "{operation}: status {status} with a body that is not DynamoDB's JSON: {body}"


class CurlConnection(Connection):
    """PynamoDB's connection, with libcurl's client instead of botocore's."""

    _client: Any

    @property
    @override
    def client(self) -> Any:
        if self._client is None:
            self._client = CurlClient(
                endpoint=self.host or _endpoint_of(self.region),
                region=self.region,
                credentials=self._credentials(),
                connect_seconds=self._connect_timeout_seconds,
                call_seconds=self._read_timeout_seconds,
            )
        return self._client

    def reset(self) -> None:
        """Use neither open connections nor known credentials for the next call."""
        if self._client is not None:
            self._client.reset()

    def _credentials(self) -> Callable[[], ReadOnlyCredentials]:
        if not (self._aws_access_key_id and self._aws_secret_access_key):
            return CredentialsChain(self.region)

        configured = ReadOnlyCredentials(
            self._aws_access_key_id,
            self._aws_secret_access_key,
            self._aws_session_token,
        )
        return lambda: configured


class CurlClient:
    """DynamoDB's calls over libcurl. Each call is one signed POST.

    Threads may share a client. Each call has its own handle, and with it its own
    connection. Idle handles are kept for later calls.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        credentials: Callable[[], ReadOnlyCredentials],
        connect_seconds: float,
        call_seconds: float,
    ) -> None:
        self._endpoint = endpoint
        self._region = region
        self._credentials = credentials
        self._connect_seconds = connect_seconds
        self._call_seconds = call_seconds
        # The first handle of a process takes milliseconds, so no request makes it.
        self._idle = deque([self._new_handle()])

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def reset(self) -> None:
        """Forget open connections and credentials.

        A handle that is in use is not kept when its call ends. A new one is prepared,
        so that the first request of a resumed instance finds it. It connects at its
        first call.
        """
        self.close()
        self._idle = deque([self._new_handle()])
        if isinstance(self._credentials, CredentialsChain):
            self._credentials = CredentialsChain(self._region)

    def _make_api_call(
        self, operation_name: str, operation_kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send one operation and return its answer, both in DynamoDB's JSON.

        PynamoDB calls botocore's client by this name.
        """
        status, body = self._post(operation_name, orjson.dumps(operation_kwargs))

        answer = _parse_object(body)
        if answer is None:
            raise NotAnAnswer(
                operation=operation_name,
                status=status,
                body=repr(body[:200]),
            )
        if status == 200:
            return answer
        raise ClientError(_error_response(answer, status), operation_name)

    def _post(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Send one request and return the status and the body of the answer."""
        idle = self._idle
        handle = self._take_handle()

        chunks: list[bytes] = []
        try:
            self._prepare(handle, operation, body)
            handle.setopt(pycurl.WRITEFUNCTION, chunks.append)
            handle.perform()
            return handle.getinfo(pycurl.RESPONSE_CODE), b"".join(chunks)
        except pycurl.error as exc:
            raise NotReached(
                operation=operation,
                endpoint=self._endpoint,
                error=handle.errstr(),
            ) from exc
        finally:
            # Also after a failure: libcurl has closed the connection.
            idle.append(handle)

    def _prepare(self, handle: pycurl.Curl, operation: str, body: bytes) -> None:
        """Set everything that differs between calls."""
        credentials = self._credentials()
        headers = [
            "Accept:",
            "Content-Type: application/x-amz-json-1.0",
            f"X-Amz-Target: DynamoDB_20120810.{operation}",
        ]
        if credentials.token:
            headers.append(f"X-Amz-Security-Token: {credentials.token}")

        handle.setopt(pycurl.USERNAME, credentials.access_key)
        handle.setopt(pycurl.PASSWORD, credentials.secret_key)
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.POSTFIELDS, body)

        seconds = min(self._call_seconds, deadline.seconds_left())
        milliseconds = max(1, int(seconds * 1000))  # 0 would mean no limit
        handle.setopt(pycurl.TIMEOUT_MS, milliseconds)

    def _take_handle(self) -> pycurl.Curl:
        try:
            return self._idle.pop()
        except IndexError:
            return self._new_handle()

    def _new_handle(self) -> pycurl.Curl:
        """Return a handle with everything that is the same for all calls."""
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, self._endpoint)
        handle.setopt(pycurl.AWS_SIGV4, f"aws:amz:{self._region}:dynamodb")
        handle.setopt(
            pycurl.CAINFO, settings.AWS_CA_BUNDLE or authorities_of(self._endpoint)
        )
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(self._connect_seconds * 1000))
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.MAXFILESIZE, MAX_ANSWER_BYTES)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        return handle


class CredentialsChain:
    """Credentials from botocore's chain: profile, role, container, web identity.

    The chain is searched at the first call. Temporary credentials are renewed
    before they expire.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._credentials: Any = None
        self._search_lock = Lock()

    def __call__(self) -> ReadOnlyCredentials:
        """Return the current credentials.

        Raises:
            NoCredentialsError: the chain has no credentials.
            BotoCoreError: a provider of the chain failed.
            TimeoutError: the request's time is over.
        """
        if self._needs_search():
            # The providers' time-outs are longer than a request may take.
            return deadline.run_within(self._search, seconds=deadline.seconds_left())
        return self._frozen()

    def _needs_search(self) -> bool:
        if self._credentials is None:
            return True
        is_temporary = hasattr(self._credentials, "refresh_needed")
        return is_temporary and self._credentials.refresh_needed()

    def _search(self) -> ReadOnlyCredentials:
        with self._search_lock:
            if self._credentials is None:
                session = get_session()
                # STS in this region verifies a web identity.
                session.set_config_variable("region", self._region)
                self._credentials = session.get_credentials()
        return self._frozen()

    def _frozen(self) -> ReadOnlyCredentials:
        if self._credentials is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = self._credentials.get_frozen_credentials()
        return frozen


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _error_response(answer: Mapping[str, Any], status: int) -> Any:
    """Return DynamoDB's error in the shape of botocore's `ClientError.response`."""
    code = str(answer.get("__type", status)).rpartition("#")[2]
    message = str(answer.get("message", answer.get("Message", "")))
    return {
        **answer,
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }


def _endpoint_of(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://dynamodb.{region}.{suffix}"


AMAZON_AUTHORITIES = Path(__file__).with_name("amazon_authorities.pem")
"""The certificate authorities of Amazon, which are five of those that botocore ships.

Source: https://www.amazontrust.com/repository/
"""


def authorities_of(endpoint: str) -> str:
    """Return the file of the certificate authorities that are trusted for an endpoint.

    For Amazon's own endpoints these are Amazon's. To read the 127 that botocore ships
    is half of a resumed instance's first request.
    """
    host = urlsplit(endpoint).hostname or ""
    if host.endswith(".amazonaws.com"):
        return str(AMAZON_AUTHORITIES)
    return str(Path(botocore.__file__).with_name("cacert.pem"))

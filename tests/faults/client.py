"""Faults that the client of the service meets itself.

The name of the host is unknown, the connection is refused, or TLS fails.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.test.utils import override_settings

from streams.dynamodb.transport import CurlClient
from streams.models import UserStreams
from tests.dynamodb_clients import curl
from tests.faults.proxy import ELSEWHERE, Fault, Proxy
from tests.servers import free_port

CALL_SECONDS, DEADLINE_SECONDS = 0.25, 0.8
"""Times for a try and for a request. With 2 and 8 s a whole matrix takes hours."""


class Elsewhere:
    """libcurl's client of the proxy.

    If the fault of a user is one that a proxy cannot cause, the try goes to an
    address that causes it.
    """

    def __init__(self, proxy: Proxy, *, call_seconds: float) -> None:
        places = {
            "": proxy.url,
            "TLS broken": proxy.url.replace("http", "https"),
            "DNS gone": "http://dynamodb.invalid",
            "connection refused": f"http://127.0.0.1:{free_port()}",
        }
        self.clients = {
            kind: curl(url, call_seconds=call_seconds) for kind, url in places.items()
        }
        self.proxy, self.tries = proxy, Counter[str]()
        self.choose: Callable[[], str] = lambda: ""

    def set(self, user_id: str, fault: Fault | None) -> None:
        """Set or clear the fault of a user, and count its tries from 0."""
        self.tries[user_id] = 0
        self.proxy.set(user_id, fault)

    def _make_api_call(
        self, operation_name: str, operation_kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        user_id = operation_kwargs["Key"]["user_id"]["S"]
        self.tries[user_id] += 1
        fault = self.proxy.faults.get(user_id)
        if fault is None:
            kind = self.choose()
        else:
            kind = fault.kind if fault.hits(self.tries[user_id]) else ""

        if kind in ELSEWHERE:
            self.proxy.done[kind] += 1
        client: CurlClient = self.clients.get(kind, self.clients[""])
        return client._make_api_call(operation_name, operation_kwargs)

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


@contextmanager
def through(proxy: Proxy, *, call_seconds: float = CALL_SECONDS) -> Iterator[Elsewhere]:
    """Make the service of this process reach DynamoDB through the proxy."""
    UserStreams.disconnect()
    client = Elsewhere(proxy, call_seconds=call_seconds)
    connection: Any = UserStreams._get_connection().connection
    connection._client = client
    try:
        with override_settings(DYNAMODB_CALL_SECONDS=call_seconds):
            yield client
    finally:
        client.close()
        UserStreams.disconnect()

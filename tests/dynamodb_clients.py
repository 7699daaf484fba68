"""Ways to call DynamoDB: counted, over libcurl, and unreachable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.credentials import ReadOnlyCredentials

from streams.dynamodb.transport import CurlClient
from streams.models import UserStreams
from streams.storage.table import Call


@dataclass
class Calls:
    """The calls sent to DynamoDB: the operation and the consumed units.

    The units are None where a failed condition reports none.
    """

    made: list[tuple[str, float | None]] = field(default_factory=list)

    def __call__(
        self, operation: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.made.append((operation, None))
        answer = UserStreams.call(operation, arguments)
        units = answer["ConsumedCapacity"]["CapacityUnits"]
        self.made[-1] = (operation, units)
        return answer

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.made]

    @property
    def units(self) -> list[float | None]:
        return [units for _, units in self.made]


def curl(endpoint: str, **changes: Any) -> CurlClient:
    """Return libcurl's client of an endpoint."""
    options: dict[str, Any] = {
        "endpoint": endpoint,
        "region": "eu-west-1",
        "credentials": lambda: ReadOnlyCredentials("local", "local", None),
        "connect_seconds": 1,
        "call_seconds": 2,
    }
    return CurlClient(**options | changes)


def unreachable() -> Call:
    """Return a call to a DynamoDB that does not answer."""
    return curl("http://127.0.0.1:9")._make_api_call
